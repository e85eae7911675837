"""A running server, and the simulated data centre, for clients that know nothing of this project.

The programs come from target/debug (or METAL_BIN). Every fixture starts them with fresh directories and ends
them with the session.
"""

import json
import os
import pathlib
import socket
import subprocess
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from metal_python import api
from metal_python.driver import Driver

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("METAL_BIN", ROOT / "target" / "debug"))
KEYS = {"Metal-View": "view-key-for-tests", "Metal-Edit": "edit-key-for-tests", "Metal-Admin": "admin-key-for-tests"}


def free_port():
    """A port nobody listens on; the server is started again with another one if somebody was faster."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """One metal-api process with its own store."""

    def __init__(self, directory, *flags):
        self.directory = directory
        self.flags = flags
        self.process = None
        for _ in range(5):
            self.port, grpc, metrics = free_port(), free_port(), free_port()
            self.metrics = f"http://127.0.0.1:{metrics}"
            self._start(grpc, metrics)
            if self._ready():
                return
            self.stop()
        raise RuntimeError(f"metal-api did not become ready, see {directory}/server.log")

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def _start(self, grpc, metrics):
        env = dict(os.environ, NO_COLOR="1", **{
            f"METAL_API_HMAC_{name.split('-')[1].upper()}_KEY": key for name, key in KEYS.items()
        })
        self.log = open(self.directory / "server.log", "ab")
        self.process = subprocess.Popen(
            [BIN / "metal-api", "serve", "--data-dir", self.directory / "data", "--port", str(self.port),
             "--grpc-port", str(grpc), "--metrics-server-bind-addr", f"127.0.0.1:{metrics}", *self.flags],
            env=env, stdout=self.log, stderr=self.log)

    def _ready(self):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.url}/v1/health", timeout=5) as answer:
                    return answer.status == 200
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.05)
        return False

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Clients:
    """All generated API classes for one identity."""

    def __init__(self, url, user, key):
        self.driver = Driver(url, None, key, hmac_user=user)
        client = self.driver.client
        self.machine = api.MachineApi(client)
        self.firewall = api.FirewallApi(client)
        self.network = api.NetworkApi(client)
        self.ip = api.IpApi(client)
        self.image = api.ImageApi(client)
        self.size = api.SizeApi(client)
        self.constraint = api.SizeimageconstraintApi(client)
        self.partition = api.PartitionApi(client)
        self.layout = api.FilesystemlayoutApi(client)
        self.switch = api.SwitchApi(client)
        self.project = api.ProjectApi(client)
        self.tenant = api.TenantApi(client)
        self.audit = api.AuditApi(client)
        self.firmware = api.FirmwareApi(client)
        self.vpn = api.VpnApi(client)
        self.user = api.UserApi(client)
        self.health = api.HealthApi(client)
        self.version = api.VersionApi(client)


class Files(BaseHTTPRequestHandler):
    """Answers the HEAD requests with which the server checks image addresses."""

    def do_HEAD(self):
        self.send_response(404 if "missing" in self.path else 200)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="session")
def files():
    """Address of a file server that has everything but paths with `missing`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Files)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("api"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def admin(server):
    return Clients(server.url, "Metal-Admin", KEYS["Metal-Admin"])


@pytest.fixture(scope="session")
def edit(server):
    return Clients(server.url, "Metal-Edit", KEYS["Metal-Edit"])


@pytest.fixture(scope="session")
def view(server):
    return Clients(server.url, "Metal-View", KEYS["Metal-View"])


def message(error):
    """Status and message of an error body: JSON text inside a JSON string, as the Go clients need it."""
    body = json.loads(error.body)
    assert isinstance(body, str), f"error body must be a JSON string: {error.body!r}"
    inner = json.loads(body)
    assert inner["statuscode"] == error.status
    return error.status, inner["message"]
