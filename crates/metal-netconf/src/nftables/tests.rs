//! What nft is given, and what it says.

use super::{Outline, REMOVAL, TABLE, Table, pxe, tenant};
use crate::intent::Pxe;
use crate::name::{VlanId, Vni};

fn segment(address: Option<&str>) -> Table {
    let address = address.map(|address| address.parse().unwrap());
    pxe(&Pxe { vlan: VlanId::new(4000).unwrap(), address })
}

fn machines() -> Table {
    tenant(Vni::new(3981).unwrap())
}

/// The rules alone, without their comments.
fn rules(table: &Table) -> Vec<String> {
    table
        .chains
        .iter()
        .flat_map(|(hook, rules)| rules.iter().map(move |rule| format!("{}: {rule}", hook.name())))
        .collect()
}

#[test]
fn machines_of_nobody_reach_one_address_of_the_switch() {
    let table = segment(Some("10.0.1.1/24"));
    let expected = [
        r#"input: iifname "vlan4000" ip daddr 10.0.1.1 meta l4proto 1 accept"#,
        r#"input: iifname "vlan4000" ip daddr 10.0.1.1 udp dport 67 accept"#,
        r#"input: iifname "vlan4000" ip daddr 255.255.255.255 udp dport 67 accept"#,
        r#"input: iifname "vlan4000" drop"#,
        r#"forward: iifname "vlan4000" oifname != "vlan4000" drop"#,
        r#"forward: iifname != "vlan4000" oifname "vlan4000" drop"#,
    ];
    assert_eq!(rules(&table), expected);
    assert_eq!(rules(&segment(None)), expected[3..], "without an address nothing is reached");
}

#[test]
fn the_transaction_exchanges_the_whole_table() {
    let expected = "\
table inet metal-core
delete table inet metal-core
table inet metal-core {
\tchain prerouting {
\t\ttype filter hook prerouting priority -300; policy accept;
\t\tmeta nfproto ipv4 accept comment \"meta nfproto ipv4 accept\"
\t\tiifname \"lo\" accept comment \"iifname lo accept\"
\t\tiifname \"br3981\" accept comment \"iifname br3981 accept\"
\t\tip6 saddr { ::, fe80::/10 } accept comment \"ip6 saddr { ::, fe80::/10 } accept\"
\t\ticmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept \
comment \"icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept\"
\t\tfib saddr . iif oif missing drop comment \"fib saddr . iif oif missing drop\"
\t}
}
";
    assert_eq!(machines().transaction(), expected);
    assert!(expected.starts_with(REMOVAL) && REMOVAL.contains(TABLE));
}

#[test]
fn comments_are_short_enough_for_the_kernel_and_all_different() {
    for table in [segment(Some("255.255.255.254/32")), machines()] {
        for chain in table.outline().chains.values() {
            let mut comments = chain.comments.clone();
            assert!(comments.iter().all(|comment| comment.len() <= 128), "{comments:?}");
            comments.sort();
            comments.dedup();
            assert_eq!(comments.len(), chain.comments.len());
        }
    }
}

/// As nft 1.0.6 and 1.1.3 say it.
const LISTING: &str = r#"{"nftables": [
    {"metainfo": {"version": "1.1.3", "release_name": "Commodore Bullmoose #4", "json_schema_version": 1}},
    {"table": {"family": "inet", "name": "metal-core", "handle": 5}},
    {"chain": {"family": "inet", "table": "metal-core", "name": "input", "handle": 1, "type": "filter",
        "hook": "input", "prio": 0, "policy": "accept"}},
    {"chain": {"family": "inet", "table": "metal-core", "name": "forward", "handle": 2, "type": "filter",
        "hook": "forward", "prio": 0, "policy": "accept"}},
    {"rule": {"family": "inet", "table": "metal-core", "chain": "input", "handle": 6,
        "comment": "iifname vlan4000 drop", "expr": [{"drop": null}]}},
    {"rule": {"family": "inet", "table": "metal-core", "chain": "forward", "handle": 7,
        "comment": "iifname vlan4000 oifname != vlan4000 drop", "expr": [{"drop": null}]}},
    {"rule": {"family": "inet", "table": "metal-core", "chain": "forward", "handle": 8,
        "comment": "iifname != vlan4000 oifname vlan4000 drop", "expr": [{"drop": null}]}}
]}
a warning
"#;

#[test]
fn what_is_listed_is_recognized() {
    let wanted = segment(None).outline();
    let read = |text: &str| Outline::parse(text).unwrap();
    assert_eq!(read(LISTING), Some(wanted.clone()));
    let changes = [
        (r#""comment": "iifname vlan4000 drop", "#, ""),
        ("iifname vlan4000 drop", "iifname vlan4001 drop"),
        (r#""policy": "accept""#, r#""policy": "drop""#),
        (r#""hook": "input", "#, ""),
        (r#""prio": 0"#, r#""prio": 10"#),
        (r#""handle": 5"#, r#""handle": 5, "flags": ["dormant"]"#),
        (r#"{"rule": {"family""#, r#"{"set": {}}, {"rule": {"family""#),
    ];
    for (from, to) in changes {
        assert_ne!(read(&LISTING.replacen(from, to, 1)), Some(wanted.clone()), "{from} to {to}");
    }
    assert_eq!(read(&LISTING.replace("metal-core", "metal")), None, "somebody else's");
    assert_eq!(read(""), None);
    assert_eq!(read(r#"{"nftables": [{"metainfo": {"version": "1.0.6"}}]}"#), None);
    assert!(Outline::parse("Error: no").is_err());
}
