"""Machines and firewalls through the generated client, on a simulated data centre whose machines speak the real agents' API."""

import collections
import json
import subprocess
import time

import pytest
from metal_python import models as m
from metal_python.rest import ApiException

from conftest import BIN, Clients, message
from test_resources import refused


class Lab:
    """A running data centre of one rack."""

    def __init__(self, directory):
        self.directory = directory
        subprocess.run(
            [BIN / "mini-lab", "--dir", directory, "up", "--simulated", "--racks", "1", "--machines-per-rack", "8", "--seed", "3",
             "--port", "0", "--grpc-port", "0"], check=True, timeout=180, stdin=subprocess.DEVNULL)
        context = json.loads((directory / "config.yaml").read_text())["contexts"]["mini-lab"]
        self.admin = Clients(context["url"], context["hmac_auth_type"], context["hmac"])

    def down(self):
        subprocess.run([BIN / "mini-lab", "--dir", self.directory, "down"], check=True, timeout=120, stdin=subprocess.DEVNULL)

    def event(self, machine):
        return self.admin.machine.find_machine(machine).events.log[0].event

    def until(self, what, condition, seconds=90, tell=lambda: ""):
        """Waits for something the simulated machines are about to do."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if condition():
                return
            time.sleep(0.1)
        pytest.fail(f"{what} did not happen within {seconds} s {tell()}")


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    lab = Lab(tmp_path_factory.mktemp("lab") / "lab")
    yield lab
    lab.down()


@pytest.fixture(scope="module")
def place(lab):
    """Partition, project, a size that several machines have, an image for machines and one for firewalls, networks."""
    machines = lab.admin.machine.list_machines()
    assert len(machines) == 8
    lab.until("all machines wait", lambda: all(lab.event(one.id) == "Waiting" for one in machines))
    machines = lab.admin.machine.list_machines()
    assert {one.liveliness for one in machines} == {"Alive"}
    size, count = collections.Counter(one.size.id for one in machines).most_common(1)[0]
    assert size != "unknown" and count >= 3
    images = {feature: image.id for image in lab.admin.image.list_images() for feature in image.features}
    project = lab.admin.project.list_projects()[0].meta.id
    partition = lab.admin.partition.list_partitions()[0].id
    child = lab.admin.network.allocate_network(m.V1NetworkAllocateRequest(name="child", projectid=project, partitionid=partition))
    internet = next(n.id for n in lab.admin.network.list_networks() if n.networktype == "external")
    return {"partition": partition, "project": project, "size": size, "image": images["machine"],
            "firewall": images["firewall"], "child": child.id, "internet": internet}


def order(place, kind=m.V1MachineAllocateRequest, **fields):
    nets = fields.pop("nets", [place["child"]])
    return kind(**{
        "name": "n", "hostname": "host", "projectid": place["project"], "partitionid": place["partition"], "sizeid": place["size"],
        "imageid": place["image"], "ssh_pub_keys": [], "tags": ["a=b", "plain"],
        "networks": [m.V1MachineAllocationNetwork(networkid=n, autoacquire=True) for n in nets], **fields})


def test_machine_life(lab, place):
    api = lab.admin
    before = api.partition.partition_capacity(m.V1PartitionCapacityRequest(id=place["partition"], projectid=""))
    free = {s.size: s.free for s in before[0].servers}[place["size"]]
    machine, status, _ = api.machine.allocate_machine_with_http_info(order(place, user_data="IyEvYmluL3No"))
    assert status == 200
    allocation = machine.allocation
    assert allocation.hostname == "host" and allocation.role == "machine" and allocation.image.id == place["image"]
    assert {"a=b", "plain"} <= set(machine.tags)
    (network,) = allocation.networks
    assert network.networktype == "privateprimaryunshared" and network.asn > 4210000000 and len(network.ips) >= 1
    assert f"machine.metal-stack.io/network.primary.asn={network.asn}" in machine.tags
    (ip, *_) = api.ip.find_i_ps(m.V1IPFindRequest(machineid=machine.id))
    assert ip.ipaddress in network.ips and ip.type == "ephemeral" and ip.description == "autoassigned"
    refused(400, api.ip.free_ip, ip.ipaddress)
    refused(422, api.machine.delete_machine, machine.id)

    lab.until("phones home", lambda: lab.event(machine.id) == "Phoned Home")
    read = api.machine.find_machine(machine.id)
    assert read.allocation.boot_info.image_id == place["image"] and read.liveliness == "Alive"
    vrf = f"vrf{network.vrf}"
    ports = [nic for switch in api.switch.list_switches() for nic in switch.nics if nic.vrf == vrf]
    assert len(ports) == 2 and all(network.ips[0] in "".join(nic.filter.cidrs) or nic.filter.cidrs for nic in ports)
    after = api.partition.partition_capacity(m.V1PartitionCapacityRequest(id=place["partition"], projectid=""))
    assert {s.size: s.free or 0 for s in after[0].servers}[place["size"]] == free - 1

    assert [f.id for f in api.machine.find_machines(m.V1MachineFindRequest(allocation_project=place["project"]))] == [machine.id]
    assert [f.id for f in api.machine.find_machines(m.V1MachineFindRequest(network_ips=[network.ips[0]]))] == [machine.id]
    changed = api.machine.update_machine(m.V1MachineUpdateRequest(id=machine.id, description="changed", tags=["c"]))
    assert changed.allocation.description == "changed" and "c" in changed.tags and "plain" not in changed.tags

    api.machine.reinstall_machine(machine.id, m.V1MachineReinstallRequest(id=machine.id, imageid=place["image"]))
    lab.until("installs again", lambda: lab.event(machine.id) != "Phoned Home")
    lab.until("phones home again", lambda: lab.event(machine.id) == "Phoned Home")
    assert not api.machine.find_machine(machine.id).allocation.reinstall

    freed = api.machine.free_machine(machine.id)
    assert freed.allocation is None and not freed.tags
    assert not api.ip.find_i_ps(m.V1IPFindRequest(machineid=machine.id))
    assert not [nic for switch in api.switch.list_switches() for nic in switch.nics if nic.vrf == vrf]
    lab.until("waits again", lambda: lab.event(machine.id) == "Waiting")


def test_firewall(lab, place):
    api = lab.admin
    rules = m.V1FirewallRules(
        egress=[m.V1FirewallEgressRule(protocol="tcp", ports=[443], to=["0.0.0.0/0"], comment="https")],
        ingress=[m.V1FirewallIngressRule(protocol="udp", ports=[53], _from=["10.0.0.0/8"])])
    body = order(place, m.V1FirewallCreateRequest, imageid=place["firewall"], nets=[place["child"], place["internet"]], firewall_rules=rules)
    firewall = api.firewall.allocate_firewall(body)
    kinds = {n.networktype for n in firewall.allocation.networks}
    assert kinds == {"privateprimaryunshared", "external", "underlay"}
    assert firewall.allocation.firewall_rules.egress[0].ports == [443]
    assert [f.id for f in api.firewall.list_firewalls()] == [firewall.id]
    assert api.firewall.find_firewalls(m.V1FirewallFindRequest(allocation_hostname="host"))[0].id == firewall.id
    lab.until("phones home", lambda: lab.event(firewall.id) == "Phoned Home")
    nics = [nic for switch in api.switch.list_switches() for nic in switch.nics if nic.vrf == "default"]
    assert len(nics) == 2 and all(nic.filter.vnis for nic in nics)
    api.machine.free_machine(firewall.id)
    refused(404, api.firewall.find_firewall, firewall.id)


def test_refusals(lab, place):
    api = lab.admin
    refused(400, api.machine.allocate_machine, order(place, nets=[]))
    refused(400, api.machine.allocate_machine, order(place, imageid="nothing-1.0"))
    refused(400, api.machine.allocate_machine, order(place, sizeid="nothing"))
    refused(400, api.machine.allocate_machine, order(place, imageid=place["firewall"]) if place["firewall"] != place["image"]
            else order(place, imageid=""))
    refused(404, api.machine.allocate_machine, order(place, projectid="nobody"))
    refused(422, api.machine.allocate_machine, order(place, nets=["no-such"], ips=["1.2.3"]))
    refused(422, api.machine.allocate_machine, order(place, nets=[place["internet"]]))
    refused(422, api.firewall.allocate_firewall, order(
        place, m.V1FirewallCreateRequest, imageid=place["firewall"], nets=[place["internet"]]))
    refused(404, api.machine.find_machine, "no-such-machine")
    refused(404, api.machine.free_machine, "no-such-machine")


def test_states_power_and_issues(lab, place):
    api = lab.admin
    one = api.machine.find_machines(m.V1MachineFindRequest(sizeid=place["size"]))[0].id
    lab.until("waits", lambda: lab.event(one) == "Waiting")
    refused(400, api.machine.set_machine_state, one, m.V1MachineState(value="LOCKED", description="", metal_hammer_version=""))
    locked = api.machine.set_machine_state(one, m.V1MachineState(value="LOCKED", description="broken fan", metal_hammer_version=""))
    assert locked.state.value == "LOCKED" and locked.state.issuer == "metal-admin@metal-stack.io"
    refused(422, api.machine.free_machine, one)
    refused(422, api.machine.allocate_machine, order(place, uuid=one))
    api.machine.set_machine_state(one, m.V1MachineState(value="RESERVED", description="mine", metal_hammer_version=""))
    assert [f.id for f in api.machine.find_machines(m.V1MachineFindRequest(state_value="RESERVED"))] == [one]
    mine = []

    def allocated():
        # The event Waiting comes a moment before the stream on which the machine waits.
        try:
            mine.append(api.machine.allocate_machine(order(place, uuid=one, sizeid="", partitionid="")))
        except ApiException as error:
            assert "not waiting" in message(error)[1]
        return mine

    lab.until("the reserved machine is allocated by its id", allocated)
    assert mine[0].id == one
    api.machine.free_machine(one)
    api.machine.set_machine_state(one, m.V1MachineState(value="", description="", metal_hammer_version=""))

    lit = api.machine.chassis_identify_led_on(one, m.V1EmptyBody(), description="look here")
    assert lit.ledstate.value == "LED-ON" and lit.ledstate.description == "look here"
    lab.until("waits again", lambda: lab.event(one) == "Waiting")
    api.machine.machine_cycle(one, m.V1EmptyBody())
    lab.until("reboots", lambda: lab.event(one) != "Waiting")
    lab.until("waits again", lambda: lab.event(one) == "Waiting")

    ipmi = api.machine.find_ipmi_machine(one)
    assert ipmi.ipmi.address and ipmi.ipmi.user
    catalogue = [issue.id for issue in api.machine.list_issues()]
    assert len(catalogue) == 14 and catalogue[0] == "no-partition"
    found = api.machine.issues(m.V1MachineIssuesRequest(severity="critical", only=[], omit=[], last_error_threshold=0))
    assert not found
    refused(400, api.machine.issues, m.V1MachineIssuesRequest(severity="dreadful", only=[], omit=[], last_error_threshold=0))


def test_reservation_keeps_the_last_machines(lab, place):
    api = lab.admin
    tenant = api.project.list_projects()[0].tenant_id
    other = api.project.create_project(m.V1ProjectCreateRequest(name="other", tenant_id=tenant)).meta.id
    waiting = lambda: [x for x in api.machine.find_machines(m.V1MachineFindRequest(sizeid=place["size"]))  # noqa: E731
                       if x.allocation is None and x.events.log[0].event == "Waiting" and not x.state.value]
    total = len(api.machine.find_machines(m.V1MachineFindRequest(sizeid=place["size"])))
    lab.until("all wait", lambda: len(waiting()) == total, tell=lambda: [
        (x.id, x.state.value, x.events.log[0].event, x.allocation is not None) for x in api.machine.list_machines()])
    reservation = api.size.create_size_reservation(m.V1SizeReservationCreateRequest(
        id="", sizeid=place["size"], partitionids=[place["partition"]], projectid=other, amount=total))
    assert "no machine available" in refused(422, api.machine.allocate_machine, order(place))
    theirs = api.network.allocate_network(m.V1NetworkAllocateRequest(projectid=other, partitionid=place["partition"]))
    machine = api.machine.allocate_machine(order(place, projectid=other, nets=[theirs.id]))
    usage = api.size.size_reservations_usage(m.V1SizeReservationListRequest(projectid=other))
    assert (usage[0].usedamount, usage[0].amount) == (1, total)
    api.machine.free_machine(machine.id)
    api.size.delete_size_reservation(reservation.id)
    api.network.free_network(theirs.id)
    api.project.delete_project(other)
