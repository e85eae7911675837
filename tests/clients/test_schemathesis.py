"""schemathesis reads our OpenAPI document and sends what it can think of: no server error, whatever comes.

Firmware, VPN and an exhausted pool answer 500 by definition of the interface, so those operations are left out.
"""

import collections
import os
import re
import subprocess
import sys
import urllib.request

from conftest import KEYS, Server


def signed_headers(user, method):
    """Headers of the HMAC scheme with a lifetime of zero (the age check is off in this server)."""
    import hashlib
    import hmac
    date, salt = "2024-01-01T00:00:00Z", "abcdefghijklmnopqrstuvwx"
    signature = hmac.new(KEYS[user].encode(), f"{date}{method}{salt}".encode(), hashlib.sha256).hexdigest()
    return {"Authorization": f"{user} {signature}", "X-Date": date, "X-Data-Salt": salt}


def answers(server):
    """Answers by status code, as the server itself counted them."""
    with urllib.request.urlopen(f"{server.metrics}/metrics") as answer:
        text = answer.read().decode()
    counted = collections.Counter()
    for code, number in re.findall(r'^metal_api_requests_total\{[^}]*code="(\d+)"[^}]*\} (\d+)', text, re.M):
        counted[int(code)] += int(number)
    return counted


HOOK = """
import schemathesis, sys
sys.path.insert(0, {folder!r})
from test_schemathesis import signed_headers

@schemathesis.hook
def before_call(context, case, kwargs):
    case.headers = {{**(case.headers or {{}}), **signed_headers("Metal-Admin", case.method.upper())}}
"""


def test_no_request_makes_the_server_fail(tmp_path):
    folder = __file__.rsplit("/", 1)[0]
    server = Server(tmp_path, "--hmac-admin-lifetime", "0s", "--check-urls", "false", "--rate-limit", "0")
    try:
        (tmp_path / "hooks.py").write_text(HOOK.format(folder=folder))
        done = subprocess.run(
            [sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/apidocs.json", "--url", server.url,
             "--checks", "not_a_server_error", "--phases", "examples,fuzzing", "--max-examples", "12", "--seed", "7",
             "--request-timeout", "20", "--exclude-path-regex", "firmware|vpn|watch", "--no-color", "--workers", "2"],
            cwd=tmp_path, env={**os.environ, "SCHEMATHESIS_HOOKS": "hooks"},
            capture_output=True, text=True, timeout=1500)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        counted = answers(server)
        assert sum(n for code, n in counted.items() if code < 300) > 200, f"hardly anything succeeded: {counted}"
        assert not any(code >= 500 for code in counted), f"server errors: {counted}"
        assert counted.get(403, 0) < sum(counted.values()) / 10, f"the signature did not work: {counted}"
    finally:
        server.stop()
