"""kill -9 of the server in the middle of concurrent writes: what was acknowledged is there, nothing is half there.

METAL_SOAK multiplies the rounds.
"""

import os
import random
import threading
import time

import urllib3
from metal_python import models as m
from metal_python.rest import ApiException

from conftest import KEYS, Clients, Server

ROUNDS = 4 * int(os.environ.get("METAL_SOAK", "1"))


def clients(server):
    return Clients(server.url, "Metal-Admin", KEYS["Metal-Admin"])


class Writer(threading.Thread):
    """Acquires and frees addresses and networks until the server is gone; keeps what was acknowledged, by allocation."""

    def __init__(self, server, project, seed):
        super().__init__()
        self.api, self.project, self.random = clients(server), project, random.Random(seed)
        self.api.driver.client.rest_client.pool_manager.connection_pool_kw["retries"] = False
        self.held, self.gone, self.unsure = {}, set(), set()

    def run(self):
        doing = None
        try:
            while True:
                roll = self.random.random()
                if roll < 0.55 or not self.held:
                    doing = None
                    ip = self.api.ip.allocate_ip(m.V1IPAllocateRequest(networkid="k-net", projectid=self.project, type="static"))
                    self.held[ip.allocationuuid] = ip.ipaddress
                elif roll < 0.8:
                    doing = self.random.choice(list(self.held))
                    self.api.ip.free_ip(self.held[doing])
                    del self.held[doing]
                    self.gone.add(doing)
                else:
                    doing = None
                    self.api.network.allocate_network(m.V1NetworkAllocateRequest(projectid=self.project, partitionid="k"))
        except (urllib3.exceptions.HTTPError, ConnectionError):
            self.unsure.add(doing)
        except ApiException as error:
            # A server that is about to die may still say that it cannot serve.
            assert error.status in (0, 503), error
            self.unsure.add(doing)


def test_nothing_acknowledged_is_lost(tmp_path, files):
    server = Server(tmp_path, "--rate-limit", "0")
    api = clients(server)
    boot = m.V1PartitionBootConfiguration(imageurl=f"{files}/i", kernelurl=f"{files}/k")
    api.partition.create_partition(m.V1PartitionCreateRequest(id="k", bootconfig=boot))
    api.tenant.create_tenant(m.V1TenantCreateRequest(meta=m.V1Meta(id="k"), name="k"))
    project = api.project.create_project(m.V1ProjectCreateRequest(name="k", tenant_id="k")).meta.id
    base = {"destinationprefixes": [], "nat": False, "underlay": False, "nattype": "none", "networktype": "external"}
    api.network.create_network(m.V1NetworkCreateRequest(id="k-net", prefixes=["10.0.0.0/12"], privatesuper=False, **base))
    api.network.create_network(m.V1NetworkCreateRequest(
        id="k-super", partitionid="k", prefixes=["172.16.0.0/12"], privatesuper=True, defaultchildprefixlength={"IPv4": 28}, **base))
    held, rng = {}, random.Random(1)
    try:
        for number in range(ROUNDS):
            writers = [Writer(server, project, number * 100 + n) for n in range(8)]
            for writer in writers:
                writer.start()
            time.sleep(0.2 + rng.random())
            server.process.kill()
            server.process.wait()
            for writer in writers:
                writer.join()
                held.update(writer.held)
            server.stop()
            server = Server(tmp_path, "--rate-limit", "0")
            check(clients(server), project, writers, held)
            assert any(writer.held for writer in writers), "no write was acknowledged in this round"
    finally:
        server.stop()


def check(api, project, writers, held):
    there = {ip.allocationuuid: ip.ipaddress for ip in api.ip.find_i_ps(m.V1IPFindRequest(networkid="k-net"))}
    unsure = set().union(*(writer.unsure for writer in writers))
    for uuid, address in list(held.items()):
        if uuid in unsure and uuid not in there:
            del held[uuid]  # its release was under way
            continue
        assert there.get(uuid) == address, f"{address} was acknowledged and is gone"
    freed = set().union(*(writer.gone for writer in writers))
    assert not freed & set(there), "an address that was freed is back"
    assert len(set(there.values())) == len(there)
    # One decision makes an address, its claim and the numbers shown: they must agree.
    usage = api.network.find_network("k-net").consumption.ipv4
    assert usage.used_ips == len(there) + 2
    children = api.network.find_networks(m.V1NetworkFindRequest(parentnetworkid="k-super"))
    vrfs = [child.vrf for child in children]
    assert len(set(vrfs)) == len(vrfs) and all(vrfs)
    prefixes = [prefix for child in children for prefix in child.prefixes]
    assert len(set(prefixes)) == len(prefixes)
    assert api.network.find_network("k-super").consumption.ipv4.used_prefixes == len(prefixes)
