"""Each resource through its life with the generated client: created, read, found, changed, refused, removed.

The generated models refuse missing required fields while they decode, so every call also checks the answer's shape.
"""

import datetime

import pytest
from metal_python import models as m
from metal_python.rest import ApiException

from conftest import Clients, message


def refused(status, call, *args, **kwargs):
    """The call must fail with this status; returns the message."""
    with pytest.raises(ApiException) as caught:
        call(*args, **kwargs)
    got, text = message(caught.value)
    assert got == status, text
    return text


def test_identities(server, admin, edit, view):
    me = view.user.get_me()
    assert me.e_mail == "metal-view@metal-stack.io"
    assert "maas-all-all-view" in me.groups
    stranger = Clients(server.url, "Metal-Admin", "wrong-key")
    refused(403, stranger.partition.list_partitions)
    text = refused(403, view.partition.delete_partition, "p")
    assert "maas-all-all-admin" in text
    refused(403, edit.partition.delete_partition, "p")
    refused(404, admin.partition.delete_partition, "p")


def test_health_and_version(admin):
    assert admin.health.health().status == "healthy"
    version = admin.version.info()
    assert version.name and version.min_client_version.startswith("v")


def test_partition(admin, files):
    boot = m.V1PartitionBootConfiguration(imageurl=f"{files}/img", kernelurl=f"{files}/kernel", commandline="console=ttyS0")
    body = m.V1PartitionCreateRequest(
        id="fra-a", name="Frankfurt A", bootconfig=boot, mgmtserviceaddress="10.0.0.1:50050", labels={"a": "b"},
        dns_servers=[m.V1DNSServer(ip="1.1.1.1")], ntp_servers=[m.V1NTPServer(address="pool.example")])
    created, status, _ = admin.partition.create_partition_with_http_info(body)
    assert status == 201 and created.labels == {"a": "b"}
    assert "already exists" in refused(409, admin.partition.create_partition, body)
    body.id, body.dns_servers = "fra-x", [m.V1DNSServer(ip="not an address")]
    assert "dns" in refused(400, admin.partition.create_partition, body).lower()
    broken = m.V1PartitionBootConfiguration(imageurl=f"{files}/missing", kernelurl=f"{files}/kernel")
    refused(400, admin.partition.create_partition, m.V1PartitionCreateRequest(id="fra-y", bootconfig=broken))
    updated = admin.partition.update_partition(m.V1PartitionUpdateRequest(
        id="fra-a", name="Frankfurt", dns_servers=[], ntp_servers=[]))
    assert updated.name == "Frankfurt" and not updated.dns_servers
    assert [p.id for p in admin.partition.list_partitions() if p.id == "fra-a"] == ["fra-a"]
    assert admin.partition.find_partition("fra-a").bootconfig.commandline == "console=ttyS0"
    refused(404, admin.partition.find_partition, "nowhere")


def test_tenant_and_project(admin):
    tenant = admin.tenant.create_tenant(m.V1TenantCreateRequest(
        meta=m.V1Meta(id="acme"), name="Acme", default_quotas=m.V1QuotaSet(machine=m.V1Quota(quota=7))))
    assert tenant.meta.id == "acme" and (tenant.meta.version or 0) == 0
    refused(409, admin.tenant.create_tenant, m.V1TenantCreateRequest(meta=m.V1Meta(id="acme"), name="Acme"))
    project = admin.project.create_project(m.V1ProjectCreateRequest(
        name="shop", description="d", tenant_id="acme", meta=m.V1Meta(labels=["x"], annotations={"k": "v"})))
    assert project.meta.id and project.quotas.machine.quota == 7
    refused(400, admin.project.create_project, m.V1ProjectCreateRequest(name="x"))
    refused(404, admin.project.create_project, m.V1ProjectCreateRequest(name="x", tenant_id="nobody"))
    project.description = "changed"
    changed = admin.project.update_project(m.V1ProjectUpdateRequest(**{
        k: getattr(project, k) for k in ("meta", "name", "description", "tenant_id", "quotas")}))
    assert changed.meta.version == 1
    refused(422, admin.project.update_project, m.V1ProjectUpdateRequest(
        meta=m.V1Meta(id=project.meta.id), name="stale", tenant_id="acme"))
    found = admin.project.find_projects(m.V1ProjectFindRequest(tenant_id="acme"))
    assert [p.meta.id for p in found] == [project.meta.id]
    assert admin.project.find_project(project.meta.id).quotas.ip is not None
    refused(422, admin.tenant.delete_tenant, "acme")
    admin.project.delete_project(project.meta.id)
    tenant = admin.tenant.get_tenant("acme")
    tenant.name = "Acme Ltd"
    admin.tenant.update_tenant(m.V1TenantUpdateRequest(meta=tenant.meta, name=tenant.name))
    assert admin.tenant.find_tenants(m.V1TenantFindRequest(name="Acme Ltd"))[0].meta.id == "acme"
    admin.tenant.delete_tenant("acme")
    refused(404, admin.tenant.get_tenant, "acme")


def test_image(admin, files):
    body = m.V1ImageCreateRequest(id="arch-24.4.20240401", name="Arch", url=f"{files}/a", features=["machine"])
    image, status, _ = admin.image.create_image_with_http_info(body)
    assert status == 201 and image.classification == "preview"
    assert image.expiration_date > datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=89)
    admin.image.create_image(m.V1ImageCreateRequest(
        id="arch-24.4.20240501", url=f"{files}/b", features=["machine"], classification="supported"))
    refused(409, admin.image.create_image, body)
    refused(400, admin.image.create_image, m.V1ImageCreateRequest(id="arch-25.1", url=f"{files}/missing"))
    refused(400, admin.image.create_image, m.V1ImageCreateRequest(id="arch-25.1", url=f"{files}/a", features=["toaster"]))
    assert admin.image.find_latest_image("arch-24.4").id == "arch-24.4.20240501"
    assert {i.id for i in admin.image.query_images_by_id("arch-24.4")} == {"arch-24.4.20240401", "arch-24.4.20240501"}
    refused(404, admin.image.find_latest_image, "nothing-1.0")
    refused(404, admin.image.find_image, "arch-24.4")
    read = admin.image.find_image("arch-24.4.20240401")
    updated = admin.image.update_image(m.V1ImageUpdateRequest(
        id=read.id, description="old", classification="deprecated", expiration_date=read.expiration_date))
    assert updated.classification == "deprecated" and updated.url == read.url
    found = admin.image.find_images(m.V1ImageFindRequest(os="arch"))
    assert len(found) == 2
    assert admin.image.find_images(m.V1ImageFindRequest(classification="supported", os="arch"))[0].id.endswith("0501")
    for one in found:
        admin.image.delete_image(one.id)
    refused(404, admin.image.delete_image, "arch-24.4.20240401")


def constraint(kind, low, high, identifier=None):
    return m.V1SizeConstraint(type=kind, min=low, max=high, identifier=identifier)


def test_size_and_reservation(admin, edit, files):
    three = [constraint("cores", 8, 8), constraint("memory", 1 << 30, 2 << 30), constraint("storage", 1, 1 << 40)]
    size, status, _ = admin.size.create_size_with_http_info(m.V1SizeCreateRequest(id="s-small", name="Small", constraints=three))
    assert status == 201 and len(size.constraints) == 3
    refused(409, admin.size.create_size, m.V1SizeCreateRequest(id="s-small", constraints=three))
    assert "overlaps" in refused(400, admin.size.create_size, m.V1SizeCreateRequest(id="s-same", constraints=three))
    refused(422, admin.size.create_size, m.V1SizeCreateRequest(id="s-bad", constraints=[constraint("cores", 9, 8)]))
    refused(400, admin.size.create_size, m.V1SizeCreateRequest(id="unknown", constraints=[constraint("cores", 1, 2)]))
    assert admin.size.update_size(m.V1SizeUpdateRequest(id="s-small", labels={"l": "1"})).labels == {"l": "1"}

    boot = m.V1PartitionBootConfiguration(imageurl=f"{files}/img", kernelurl=f"{files}/kernel")
    admin.partition.create_partition(m.V1PartitionCreateRequest(id="res-a", bootconfig=boot))
    admin.tenant.create_tenant(m.V1TenantCreateRequest(meta=m.V1Meta(id="res"), name="res"))
    project = admin.project.create_project(m.V1ProjectCreateRequest(name="res", tenant_id="res")).meta.id
    body = m.V1SizeReservationCreateRequest(id="", sizeid="s-small", partitionids=["res-a"], projectid=project, amount=2)
    reservation, status, _ = edit.size.create_size_reservation_with_http_info(body)
    assert status == 201 and reservation.id
    body.amount = 0
    refused(400, edit.size.create_size_reservation, body)
    body.amount, body.partitionids = 1, ["nowhere"]
    refused(404, edit.size.create_size_reservation, body)
    assert admin.size.find_size_reservations(m.V1SizeReservationListRequest(projectid=project))[0].id == reservation.id
    usage = admin.size.size_reservations_usage(m.V1SizeReservationListRequest(projectid=project))
    assert [(u.amount, u.usedamount) for u in usage] == [(2, 0)]
    changed = edit.size.update_size_reservation(m.V1SizeReservationUpdateRequest(id=reservation.id, amount=3, partitionids=[]))
    assert changed.amount == 3 and changed.partitionids == ["res-a"]
    refused(422, admin.size.delete_size, "s-small")
    refused(400, admin.project.delete_project, project)
    edit.size.delete_size_reservation(reservation.id)
    admin.project.delete_project(project)
    admin.size.delete_size("s-small")
    admin.partition.delete_partition("res-a")


def test_size_image_constraint(admin, files):
    admin.size.create_size(m.V1SizeCreateRequest(id="c-size", constraints=[constraint("cores", 77, 77), constraint("memory", 1, 2)]))
    admin.image.create_image(m.V1ImageCreateRequest(id="bsd-13.1.20240101", url=f"{files}/a", features=["machine"]))
    base = m.V1SizeImageConstraintBase(images={"bsd": ">= 13.2"})
    _, status, _ = admin.constraint.create_size_image_constraint_with_http_info(
        m.V1SizeImageConstraintCreateRequest(id="c-size", constraints=base))
    assert status == 201
    attempt = m.V1SizeImageConstraintTryRequest(size="c-size", image="bsd-13.1.20240101")
    refused(422, admin.constraint.try_size_image_constraint, attempt)
    admin.constraint.update_size_image_constraint(m.V1SizeImageConstraintUpdateRequest(
        id="c-size", constraints=m.V1SizeImageConstraintBase(images={"bsd": ">= 13.1.20231231"})))
    admin.constraint.try_size_image_constraint(attempt)
    assert admin.constraint.find_size_image_constraint("c-size").constraints.images == {"bsd": ">= 13.1.20231231"}
    refused(400, admin.constraint.create_size_image_constraint, m.V1SizeImageConstraintCreateRequest(
        id="c-other", constraints=m.V1SizeImageConstraintBase(images={"bsd": "about 3"})))
    admin.constraint.delete_size_image_constraint("c-size")
    admin.size.delete_size("c-size")
    admin.image.delete_image("bsd-13.1.20240101")


def test_filesystem_layout(admin, files):
    admin.size.create_size(m.V1SizeCreateRequest(id="l-size", constraints=[constraint("cores", 99, 99), constraint("memory", 3, 4)]))
    for name in ("minix-3.1", "plan9-4.0"):
        admin.image.create_image(m.V1ImageCreateRequest(id=name, url=f"{files}/a", features=["machine"]))
    body = m.V1FilesystemLayoutCreateRequest(
        id="l-default", description="one disk",
        disks=[m.V1Disk(device="/dev/sda", wipeonreinstall=True, partitions=[
            m.V1DiskPartition(number=1, label="efi", size=500, gpttype="ef00"),
            m.V1DiskPartition(number=2, label="root", size=0, gpttype="8300")])],
        filesystems=[m.V1Filesystem(path="/boot/efi", device="/dev/sda1", format="vfat"),
                     m.V1Filesystem(path="/", device="/dev/sda2", format="ext4"),
                     m.V1Filesystem(path="/tmp", device="tmpfs", format="tmpfs")],
        constraints=m.V1FilesystemLayoutConstraints(sizes=["l-size"], images={"minix": "*"}))
    layout, status, _ = admin.layout.create_filesystem_layout_with_http_info(body)
    assert status == 201 and layout.disks[0].partitions[1].label == "root"
    refused(409, admin.layout.create_filesystem_layout, body)
    body.id = "l-other"
    refused(400, admin.layout.create_filesystem_layout, body)
    body.constraints = m.V1FilesystemLayoutConstraints(sizes=["l-size2"], images={"minix": "*"})
    body.filesystems[1].device = "/dev/sdz9"
    refused(400, admin.layout.create_filesystem_layout, body)
    assert admin.layout.try_filesystem_layout(m.V1FilesystemLayoutTryRequest(size="l-size", image="minix-3.1")).id == "l-default"
    refused(422, admin.layout.try_filesystem_layout, m.V1FilesystemLayoutTryRequest(size="l-size", image="plan9-4.0"))
    refused(404, admin.layout.match_filesystem_layout, m.V1FilesystemLayoutMatchRequest(machine="none", filesystemlayout="l-default"))
    admin.layout.update_filesystem_layout(m.V1FilesystemLayoutUpdateRequest(
        id="l-default", description="two", constraints=m.V1FilesystemLayoutConstraints(sizes=[], images={})))
    assert admin.layout.get_filesystem_layout("l-default").description == "two"
    assert "l-default" in [one.id for one in admin.layout.list_filesystem_layouts()]
    admin.layout.delete_filesystem_layout("l-default")


def test_network_and_ip(admin, edit, files):
    boot = m.V1PartitionBootConfiguration(imageurl=f"{files}/img", kernelurl=f"{files}/kernel")
    admin.partition.create_partition(m.V1PartitionCreateRequest(id="net-a", bootconfig=boot))
    admin.tenant.create_tenant(m.V1TenantCreateRequest(meta=m.V1Meta(id="net"), name="net"))
    project, other = (admin.project.create_project(m.V1ProjectCreateRequest(name=n, tenant_id="net")).meta.id for n in "ab")

    def network(**fields):
        fields = {"prefixes": [], "destinationprefixes": [], "nat": False, "privatesuper": False, "underlay": False,
                  "nattype": "none", "networktype": "external", **fields}
        body = m.V1NetworkCreateRequest(**fields)
        return body

    parent = network(id="n-super", partitionid="net-a", privatesuper=True, prefixes=["10.64.0.0/14", "fd64::/48"],
                     defaultchildprefixlength={"IPv4": 22, "IPv6": 64})
    _, status, _ = admin.network.create_network_with_http_info(parent)
    assert status == 201
    refused(409, admin.network.create_network, parent)
    refused(422, admin.network.create_network, network(id="n-overlap", prefixes=["10.65.0.0/16"]))
    assert "prefixes" in refused(400, admin.network.create_network, network(id="n-none"))
    refused(400, admin.network.create_network, network(id="n-bad", prefixes=["10.0.0.0/77"]))
    refused(400, admin.network.create_network, network(
        id="n-second", partitionid="net-a", privatesuper=True, prefixes=["10.80.0.0/16"], defaultchildprefixlength={"IPv4": 22}))
    external = admin.network.create_network(network(
        id="n-internet", prefixes=["212.34.0.0/24", "2001:db8:1::/64"], destinationprefixes=["0.0.0.0/0", "::/0"], vrf=4711, nat=True))
    assert external.networktype == "external" and external.nattype == "ipv4-masq"
    refused(409, admin.network.create_network, network(id="n-vrf", prefixes=["212.35.0.0/24"], vrf=4711))

    child, status, _ = edit.network.allocate_network_with_http_info(m.V1NetworkAllocateRequest(
        name="child", projectid=project, partitionid="net-a", labels={"x": "y"}))
    assert status == 201 and child.parentnetworkid == "n-super" and child.vrf
    assert {p.split("/")[1] for p in child.prefixes} == {"22", "64"}
    shared = edit.network.allocate_network(m.V1NetworkAllocateRequest(
        name="shared", projectid=project, partitionid="net-a", shared=True, addressfamily="IPv4", length={"IPv4": 24}))
    assert shared.networktype == "child-shared" and shared.prefixes[0].endswith("/24")
    refused(404, edit.network.allocate_network, m.V1NetworkAllocateRequest(projectid="nobody", partitionid="net-a"))
    found = edit.network.find_networks(m.V1NetworkFindRequest(parentnetworkid="n-super"))
    assert {n.id for n in found} == {child.id, shared.id}
    assert [n.id for n in edit.network.find_networks(m.V1NetworkFindRequest(labels={"x": "y"}))] == [child.id]
    assert [n.id for n in edit.network.find_networks(m.V1NetworkFindRequest(vrf=4711))] == ["n-internet"]

    ask = m.V1IPAllocateRequest(networkid="n-internet", projectid=project, type="static", name="web", tags=["t"])
    ip, status, _ = edit.ip.allocate_ip_with_http_info(ask)
    assert status == 201 and ip.ipaddress == "212.34.0.1" and ip.type == "static"
    ask.type = "ephemeral"
    specific, status, _ = edit.ip.allocate_specific_ip_with_http_info("212.34.0.9", ask)
    assert status == 201 and specific.ipaddress == "212.34.0.9"
    refused(409, edit.ip.allocate_specific_ip, "212.34.0.9", ask)
    refused(422, edit.ip.allocate_specific_ip, "8.8.8.8", ask)
    refused(400, edit.ip.allocate_ip, m.V1IPAllocateRequest(networkid="", projectid=project, type="static"))
    refused(422, edit.ip.allocate_ip, m.V1IPAllocateRequest(networkid=child.id, projectid=other, type="ephemeral"))
    six = edit.ip.allocate_ip(m.V1IPAllocateRequest(networkid=child.id, projectid=project, type="ephemeral", addressfamily="IPv6"))
    assert ":" in six.ipaddress
    refused(400, edit.ip.update_ip, m.V1IPUpdateRequest(ipaddress=ip.ipaddress, type="ephemeral"))
    updated = edit.ip.update_ip(m.V1IPUpdateRequest(ipaddress="212.34.0.9", type="static", tags=["a=b"]))
    assert updated.type == "static" and updated.tags == ["a=b"]
    assert len(edit.ip.find_i_ps(m.V1IPFindRequest(projectid=project))) == 3
    assert edit.ip.find_i_ps(m.V1IPFindRequest(tags=["a=b"]))[0].ipaddress == "212.34.0.9"
    usage = edit.network.find_network("n-internet").consumption.ipv4
    assert (usage.available_ips, usage.used_ips) == (256, 4)
    refused(422, admin.network.delete_network, "n-internet")
    refused(422, edit.network.free_network, child.id)
    refused(422, admin.network.delete_network, "n-super")
    for one in (ip, specific, six):
        edit.ip.free_ip(one.ipaddress)
    refused(404, edit.ip.find_ip, ip.ipaddress)
    changed = admin.network.update_network(m.V1NetworkUpdateRequest(id="n-internet", name="Internet", prefixes=["212.34.0.0/24", "212.36.0.0/24", "2001:db8:1::/64"]))
    assert len(changed.prefixes) == 3 and changed.name == "Internet"
    edit.network.free_network(child.id)
    edit.network.free_network_deprecated(shared.id)
    for one in ("n-super", "n-internet"):
        admin.network.delete_network(one)
    for one in (project, other):
        admin.project.delete_project(one)


def test_switch(admin, edit, files):
    boot = m.V1PartitionBootConfiguration(imageurl=f"{files}/img", kernelurl=f"{files}/kernel")
    admin.partition.create_partition(m.V1PartitionCreateRequest(id="sw-a", bootconfig=boot))

    def register(**fields):
        nics = [m.V1SwitchNic(mac=f"aa:00:00:00:00:0{n}", name=f"Ethernet{n * 4}", identifier=f"id{n}", actual="UP") for n in range(3)]
        return m.V1SwitchRegisterRequest(**{"id": "leaf1", "name": "leaf1", "nics": nics, "partition_id": "sw-a", "rack_id": "r1",
                                            "os": m.V1SwitchOS(vendor="SONiC", version="1", metal_core_version="v1"), **fields})
    _, status, _ = edit.switch.register_switch_with_http_info(register())
    assert status == 201
    switch, status, _ = edit.switch.register_switch_with_http_info(register(management_ip="10.1.1.1"))
    assert status == 200 and switch.management_ip == "10.1.1.1" and len(switch.nics) == 3
    refused(404, edit.switch.register_switch, register(partition_id="nowhere"))
    foreign = m.V1SwitchOS()
    foreign._vendor = "IOS"  # the setter knows the two vendors
    refused(422, edit.switch.register_switch, register(os=foreign))
    refused(400, edit.switch.register_switch, register(nics=register().nics[:1] * 2))
    session = m.MetalSwitchBGPPortState(neighbor="n", peer_group="g", vrf_name="Vrf1", bgp_state="established",
                                        bgp_timer_up_established=5, sent_prefix_counter=1, accepted_prefix_counter=2)
    status = m.V1SwitchNotifyRequest(sync_duration=1_000_000, error="", bgp_port_states={"Ethernet0": session},
                                     port_states={"Ethernet0": "UP", "Ethernet4": "DOWN"})
    status._error = None  # what the switch agent sends on success; the setter refuses it
    answer = edit.switch.notify_switch("leaf1", status)
    assert answer.last_sync.duration == 1_000_000
    read = admin.switch.find_switch("leaf1")
    assert {n.name: n.actual for n in read.nics} == {"Ethernet0": "UP", "Ethernet4": "DOWN", "Ethernet8": "UNKNOWN"}
    refused(400, admin.switch.toggle_switch_port, "leaf1", m.V1SwitchPortToggleRequest(nic="Ethernet0", status="DOWN"))
    refused(404, admin.switch.toggle_switch_port, "leaf1", m.V1SwitchPortToggleRequest(nic="nope", status="DOWN"))
    sideways = m.V1SwitchPortToggleRequest(nic="Ethernet0", status="UP")
    sideways._status = "SIDEWAYS"
    refused(400, admin.switch.toggle_switch_port, "leaf1", sideways)
    updated = admin.switch.update_switch(m.V1SwitchUpdateRequest(id="leaf1", rack_id="x", description="d", mode="replace"))
    assert updated.mode == "replace" and updated.rack_id == "r1"
    assert admin.switch.find_switches(m.V1SwitchFindRequest(osvendor="SONiC", partitionid="sw-a"))[0].id == "leaf1"
    refused(400, admin.switch.migrate_switch, m.V1SwitchMigrateRequest(old_switch_id="", new_switch_id=""))
    edit.switch.delete_switch("leaf1")
    refused(404, admin.switch.find_switch, "leaf1")
    admin.partition.delete_partition("sw-a")


def test_audit_and_disabled_features(admin):
    admin.tenant.create_tenant(m.V1TenantCreateRequest(meta=m.V1Meta(id="audited"), name="audited"))
    traces = admin.audit.find_audit_traces(m.V1AuditFindRequest(path="/v1/tenant", detail="PUT", user="metal-admin@metal-stack.io"))
    mine = [t for t in traces if "audited" in (t.body or "")]
    assert {t.phase for t in mine} >= {"request", "response"}
    assert [t.status_code for t in mine if t.phase == "response"] == [201]
    refused(500, admin.firmware.list_firmwares)
    refused(500, admin.vpn.get_vpn_auth_key, m.V1VPNRequest(pid="p", ephemeral=True, reason="because"))
