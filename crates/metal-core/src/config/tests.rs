//! Tests of reading the configuration.

use super::*;

const LEAF: &str = r#"
hostname = "leaf01"
partition = "fra"
rack = "r01"
asn = 4210000011
loopback = "10.0.0.11"
uplinks = ["swp31", "swp32"]
[api]
address = "[2001:db8::1]:50051"
ca_file = "/etc/metal-core/ca.pem"
[extra]
vlans = ["201-203", 300]
ports = ["swp30"]
"#;

/// A leaf for tests.
pub(crate) fn leaf() -> Config {
    Config::parse(LEAF).unwrap()
}

/// A spine for tests.
pub(crate) fn spine() -> Config {
    let text =
        "role = \"spine\"\nhostname = \"spine01\"\nasn = 1\nloopback = \"10.0.0.1\"\nuplinks = [\"swp1\"]\n";
    Config::parse(text).unwrap()
}

#[test]
fn a_leaf_needs_little() {
    let config = Config::parse(LEAF).unwrap();
    assert_eq!(config.role, Role::Leaf);
    assert_eq!(config.api.unwrap().server_name, "2001:db8::1");
    assert_eq!(config.base.pxe.unwrap().vlan.get(), 4000);
    let vlans: Vec<u16> = config.base.extra.vlans.iter().map(|vlan| vlan.get()).collect();
    assert_eq!(vlans, [201, 202, 203, 300]);
    assert_eq!(config.intervals.phone_home, Duration::from_secs(60));
    assert!(config.base.is_vtep);
}

#[test]
fn the_printed_defaults_are_the_defaults() {
    let needed =
        "hostname = \"leaf01\"\npartition = \"fra\"\nrack = \"r01\"\nasn = 1\nloopback = \"10.0.0.1\"\n";
    let api = "[api]\naddress = \"a:1\"\nca_file = \"ca\"\n";
    let bare = Config::parse(&format!("{needed}uplinks = [\"swp1\"]\n{api}")).unwrap();
    let text = DEFAULT
        .replace("uplinks = []", "uplinks = [\"swp1\"]")
        .replace("role = \"leaf\"", &format!("role = \"leaf\"\n{needed}"))
        .replace("[api]", api);
    let printed = Config::parse(&text).unwrap();
    assert_eq!(format!("{printed:?}"), format!("{bare:?}"));
}

#[test]
fn what_is_commented_out_can_be_commented_in() {
    let uncommented: Vec<&str> = DEFAULT
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.contains(" = ") || rest.starts_with("[[") => rest,
            _ => line,
        })
        .filter(|line| !line.starts_with("token_file"))
        .collect();
    let text = uncommented.join("\n").replace("uplinks = []", "uplinks = [\"swp1\"]");
    let faults = Config::parse(&text).unwrap_err();
    let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["[[external]] is for the role exit"]);
}

#[test]
fn all_faults_are_told_together() {
    let faults = Config::parse("[bgp]\nhold = 8\n[extra]\nvlans = [\"9-3\", 5000]\n[api]\naddress = \"x\"\n")
        .unwrap_err();
    let told = faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    for part in [
        "hostname",
        "asn",
        "loopback",
        "uplinks",
        "partition",
        "rack",
        "ca_file",
        "host and a port",
        "9-3",
        "5000",
    ] {
        assert!(told.contains(part), "{part} in {told}");
    }
}

#[test]
fn an_intent_that_contradicts_itself_is_a_fault_of_the_file() {
    let faults = Config::parse(&LEAF.replace("swp30", "swp31")).unwrap_err();
    assert!(faults[0].to_string().contains("swp31"), "{faults:?}");
}

#[test]
fn a_spine_needs_no_control_plane_and_is_no_tunnel_endpoint() {
    let config = spine();
    assert!(config.api.is_none() && !config.base.is_vtep && config.base.pxe.is_none());
}

#[test]
fn an_exit_has_external_networks() {
    let text = r#"
role = "exit"
hostname = "exit"
asn = 1
loopback = "10.0.0.1"
uplinks = ["swp1"]
[[external]]
vni = 104009
name = "vrfInternet"
port = "swp9"
addresses = ["203.0.113.2/30"]
routes = [{ to = "0.0.0.0/0", via = "203.0.113.1" }]
neighbors = [{ address = "203.0.113.1", asn = 64999 }]
"#;
    let config = Config::parse(text).unwrap();
    assert_eq!(config.base.externals.len(), 1);
    assert!(Config::parse(&text.replace("swp9", "swp 9")).is_err());
}
