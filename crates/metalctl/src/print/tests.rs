//! What people see, as snapshots.

use metal_model::v1::json::decode_value;
use metal_model::v1::*;
use serde::Serialize;
use serde_json::{Value, json};

use super::*;

fn printer(format: Option<Format>, template: Option<&str>) -> Printer {
    let now = "2026-01-02T12:00:00Z".parse().unwrap();
    Printer::new(format, template, true, false, now).unwrap().plain()
}

fn model<T: serde::de::DeserializeOwned + Default>(value: Value) -> T {
    decode_value(value).unwrap()
}

/// Table and wide table of some items.
fn tables<T: Row + Serialize>(items: &[T]) -> String {
    let table = printer(Some(Format::Table), None).list_text(items, &[], &mut Vec::new()).unwrap();
    let wide = printer(Some(Format::Wide), None).list_text(items, &[], &mut Vec::new()).unwrap();
    if table == wide { table } else { format!("{table}\n{wide}") }
}

fn machines() -> Vec<MachineResponse> {
    model(json!([
        {
            "id": "m-1", "partition": {"id": "fra"}, "size": {"id": "c1"}, "rackid": "r1", "liveliness": "Alive",
            "tags": ["a", "b"], "state": {"value": "LOCKED", "description": "mine"},
            "events": {
                "log": [{"time": "2026-01-02T11:58:30Z", "event": "Phoned Home"}],
                "last_event_time": "2026-01-02T11:58:30Z"
            },
            "allocation": {
                "created": "2026-01-01T10:00:00Z", "name": "web", "description": "the shop", "project": "p1",
                "hostname": "web-1", "image": {"id": "ubuntu-24.04"}, "vpn": {"connected": true},
                "networks": [{"networkid": "n1", "ips": ["10.0.0.1", "fd00::1"]}]
            }
        },
        {
            "id": "m-2", "liveliness": "Dead", "rackid": "r2",
            "events": {
                "log": [{"time": "2026-01-02T11:00:00Z", "event": "Crashed"}], "crash_loop": true,
                "failed_machine_reclaim": true,
                "last_error_event": {"time": "2026-01-02T11:00:00Z", "event": "Crashed"}
            }
        },
        {"id": "m-3", "state": {"value": "RESERVED"}}
    ]))
}

#[test]
fn machine_tables() {
    insta::assert_snapshot!(tables(&machines()));
}

#[test]
fn markdown_has_no_broken_cells() {
    let mut machines = machines();
    machines[0].rackid = "a|b".into();
    insta::assert_snapshot!(
        printer(Some(Format::Markdown), None).list_text(&machines, &[], &mut Vec::new()).unwrap()
    );
}

#[test]
fn bmc_and_issue_and_firewall_tables() {
    let machine = json!({
        "id": "m-1", "partition": {"id": "fra"}, "size": {"id": "c1"}, "rackid": "r1", "liveliness": "Alive",
        "bios": {"version": "3.6"},
        "ipmi": {
            "address": "10.1.0.1:623", "mac": "aa:bb", "powerstate": "ON", "bmcversion": "1.7",
            "fru": {"board_part_number": "X11"}, "last_updated": "2026-01-02T11:00:00Z"
        }
    });
    let bmc = BmcRow(model(machine.clone()));
    let issues = vec![MachineIssue {
        id: "liveliness-dead".into(),
        severity: "major".into(),
        description: "the machine is dead".into(),
        ref_url: "https://example.com".into(),
        details: String::new(),
    }];
    let issue = IssueRow { machine: model(machine), issues: issues.clone() };
    let firewall = FirewallRow(machines().remove(0));
    let log = LogRow(machines()[0].events.log[0].clone());
    let parts = [tables(&[bmc]), tables(&[issue]), tables(&issues), tables(&[firewall]), tables(&[log])];
    insta::assert_snapshot!(parts.join("\n"));
}

#[test]
fn network_tables() {
    let usage = |used: u64, of: u64| json!({"used_ips": used, "available_ips": of, "used_prefixes": 0, "available_prefixes": 4});
    let networks: Vec<NetworkResponse> = model(json!([
        {"id": "child-b", "parentnetworkid": "super", "prefixes": ["10.0.4.0/22"], "vrf": 2, "consumption": {"ipv4": usage(1000, 1022)}},
        {"id": "internet", "name": "Internet", "nat": true, "shared": true, "prefixes": ["203.0.113.0/24", "2001:db8::/64"],
         "consumption": {"ipv4": usage(3, 254), "ipv6": usage(1, u64::MAX)}},
        {"id": "super", "privatesuper": true, "prefixes": ["10.0.0.0/16"], "labels": {"a": "b"}},
        {"id": "child-a", "parentnetworkid": "super", "projectid": "p1", "partitionid": "fra"}
    ]));
    let ips: Vec<IpResponse> = model(json!([
        {"ipaddress": "10.0.0.10", "networkid": "child-a", "type": "static", "allocationuuid": "u", "tags": ["t"]},
        {"ipaddress": "10.0.0.9", "networkid": "child-a", "type": "ephemeral"}
    ]));
    let sorted = printer(None, None).list_text(&ips, &["ip".into()], &mut Vec::new()).unwrap();
    insta::assert_snapshot!([tables(&tree(networks)), tables(&ips), sorted].join("\n"));
}

#[test]
fn switch_tables() {
    let switches: Vec<SwitchResponse> = model(json!([
        {
            "id": "leaf01", "partition": {"id": "fra"}, "rack_id": "r1", "mode": "operational", "management_ip": "10.2.0.1",
            "os": {"vendor": "SONiC", "version": "4.2", "metal_core_version": "0.1"},
            "last_sync": {"time": "2026-01-02T11:59:55Z", "duration": 120_000_000},
            "last_sync_error": {"time": "2026-01-01T12:00:00Z", "duration": 1, "error": "refused"},
            "nics": [{
                "name": "swp1", "mac": "aa", "actual": "UP", "vrf": "vrf2", "filter": {"cidrs": ["10.0.0.0/8"], "vnis": ["2"]},
                "bgp_port_state": {
                    "Neighbor": "m-1", "BgpState": "Established", "VrfName": "vrf2", "BgpTimerUpEstablished": 1_767_351_600,
                    "AcceptedPrefixCounter": 3, "SentPrefixCounter": 8
                }
            }],
            "connections": [{"nic": {"name": "swp1", "mac": "aa", "actual": "UP"}, "machine_id": "m-1"}]
        },
        {
            "id": "leaf02", "partition": {"id": "fra"}, "rack_id": "r1", "os": {"vendor": "Linux", "version": "6.12"},
            "last_sync": {"time": "2026-01-02T11:59:00Z", "duration": 1_500_000_000},
            "last_sync_error": {"time": "2026-01-02T11:59:50Z", "duration": 1, "error": "FRR refuses line 12:\nno such thing"},
            "nics": [
                {
                    "name": "swp1", "actual": "UP", "vrf": "Vrf2", "pending": true,
                    "lldp_neighbor": {"system_name": "m-1", "port_id": "lan0", "since": 1_767_351_600}
                },
                {"name": "swp2", "actual": "UP", "pending": true},
                {"name": "swp3", "actual": "UP", "vrf": "vrf3", "fault": "no network with VNI 3"},
                {"name": "swp31", "actual": "UP", "lldp_neighbor": {"system_name": "spine01", "port_id": "swp2"}}
            ],
            "connections": [{"nic": {"name": "swp1", "actual": "UP"}, "machine_id": "m-1"}],
            "bgp_sessions": [
                {"port": "swp1", "vrf": "default", "state": "Active"},
                {"port": "swp1", "vrf": "vrf2", "state": "Established", "established_since": 1_767_355_195, "accepted": 1, "sent": 5},
                {"port": "swp31", "vrf": "default", "state": "Established", "established_since": 1_767_351_600, "accepted": 9, "sent": 4}
            ]
        }
    ]));
    let ports: Vec<PortRow> = switches.iter().flat_map(PortRow::all).collect();
    let connection =
        ConnectionRow { machine: "m-1".into(), switch: "leaf01".into(), ..ConnectionRow::default() };
    insta::assert_snapshot!([tables(&switches), tables(&ports), tables(&[connection])].join("\n"));
}

#[test]
fn catalogue_tables() {
    let image: ImageResponse = model(json!({
        "id": "ubuntu-24.04.20241001", "name": "Ubuntu", "features": ["machine"], "classification": "supported",
        "expirationDate": "2026-02-02T12:00:00Z", "usedby": ["m-1", "m-2"]
    }));
    let size: SizeResponse = model(json!({
        "id": "c1", "constraints": [
            {"type": "cores", "min": 4, "max": 8}, {"type": "memory", "min": 17_179_869_184_u64, "max": 34_359_738_368_u64},
            {"type": "gpu", "min": 1, "max": 1, "identifier": "AD102*"}
        ]
    }));
    let reservation: SizeReservationResponse =
        model(json!({"id": "r", "sizeid": "c1", "projectid": "p1", "partitionids": ["fra"], "amount": 3}));
    let usage: SizeReservationUsageResponse =
        model(json!({"id": "r", "sizeid": "c1", "partitionid": "fra", "amount": 3, "usedamount": 1}));
    let constraint: SizeImageConstraintResponse =
        model(json!({"id": "c1", "constraints": {"images": {"ubuntu": ">= 22.04"}}}));
    let layout: FilesystemLayoutResponse = model(json!({
        "id": "default", "filesystems": [{"path": "/", "device": "/dev/sda1", "format": "ext4"}],
        "constraints": {"sizes": ["c1"], "images": {"ubuntu": "*"}}
    }));
    let parts = [
        tables(&[image]),
        tables(&size.constraints),
        tables(&[size]),
        tables(&[reservation]),
        tables(&[usage]),
        tables(&[constraint]),
        tables(&[layout]),
    ];
    insta::assert_snapshot!(parts.join("\n"));
}

#[test]
fn people_and_service_tables() {
    let capacity = CapacityRow::all(model(json!([{
        "id": "fra", "servers": [{"size": "c1", "total": 4, "allocated": 1, "free": 2, "faulty": 1, "reservations": 2, "usedreservations": 1}]
    }])));
    let partition: PartitionResponse = model(json!({"id": "fra", "name": "Frankfurt", "labels": {"a": "b"}}));
    let project: Project = model(json!({
        "meta": {"id": "p1", "labels": ["x"], "annotations": {"a": "b"}}, "name": "shop", "tenant_id": "acme",
        "quotas": {"machine": {"used": 1, "quota": 5}, "ip": {"used": 2}}
    }));
    let tenant: Tenant = model(json!({"meta": {"id": "acme"}, "name": "Acme"}));
    let trace: AuditResponse = model(json!({
        "timestamp": "2026-01-02T11:00:00Z", "rqid": "q1", "detail": "POST", "path": "/v1/machine", "status_code": 200, "user": "me"
    }));
    let task = TaskRow(model(json!({
        "name": "liveliness", "state": "idle", "replica": "api-0", "period": 60_000_000_000_i64, "runs": 7, "failures": 1,
        "last_started": "2026-01-02T11:59:30Z", "last_duration": 2_000_000, "last_error": "no store", "status": {"dead": 2}
    })));
    let health: HealthResponse =
        model(json!({"status": "degraded", "services": {"ipam": {"status": "healthy", "message": "ok"}}}));
    let context = ContextRow {
        current: true,
        name: "prod".into(),
        url: "https://a".into(),
        authentication: "none".into(),
    };
    let parts = [
        tables(&capacity),
        tables(&[partition]),
        tables(&[project]),
        tables(&[tenant]),
        tables(&[trace]),
        tables(&[task]),
        tables(&ServiceRow::all("metal-api", &health)),
        tables(&[context]),
    ];
    insta::assert_snapshot!(parts.join("\n"));
}

#[test]
fn documents_have_the_keys_of_the_wire() {
    let ip: IpResponse =
        model(json!({"ipaddress": "10.0.0.1", "type": "static", "created": "2026-01-02T11:00:00Z"}));
    let of = |format| {
        printer(Some(format), None).list_text(std::slice::from_ref(&ip), &[], &mut Vec::new()).unwrap()
    };
    insta::assert_snapshot!(format!("{}\n{}", of(Format::Json), of(Format::Yaml)));
}

#[test]
fn templates_are_applied_to_each() {
    let text = printer(None, Some("{{ .id }} {{ .rackid }}"))
        .list_text(&machines(), &["rack:desc".into()], &mut Vec::new())
        .unwrap();
    assert_eq!(text, "m-2 r2\nm-1 r1\nm-3 \n");
}

#[test]
fn sorting_by_what_is_not_there_names_what_is() {
    let error = printer(None, None)
        .list_text(&machines(), &["nope".into()], &mut Vec::new())
        .unwrap_err()
        .to_string();
    assert!(error.contains("last-event") && error.contains("rack"), "{error}");
}

#[test]
fn colours_are_left_out_unless_wanted_and_control_characters_always() {
    let row = vec![Cell::coloured("a\x1b[2Jb", Colour::Red)];
    let plain = Style::default();
    assert_eq!(render(&["x"], std::slice::from_ref(&row), plain, &mut Vec::new()), "a [2Jb\n");
    let coloured = Style { colour: true, ..plain };
    assert_eq!(render(&["x"], &[row], coloured, &mut Vec::new()), "\x1b[31ma [2Jb\x1b[0m\n");
}
