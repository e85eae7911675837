//! Packet filters of a switch: what machines may send to the switch itself, as nftables rules.
//!
//! Linux answers for every address it has on whichever link it is asked, so a machine of nobody would reach the switch's
//! loopback and management addresses through the switch's address in the PXE segment. There is one table of ours, and it
//! is exchanged as a whole in one transaction; nobody else's rules are looked at.
//!
//! Versions of nft print the same rule differently. So each rule bears its own words as its comment, and a table is
//! compared by its [`Outline`]: hooks and comments in order. A rule that somebody adds, removes or moves shows; one whose
//! body alone is exchanged while its comment is kept does not.

mod outline;
mod rule;
#[cfg(test)]
mod tests;

use std::fmt::{self, Write as _};
use std::net::Ipv4Addr;

pub use self::outline::{ChainOutline, Outline, OutlineError};
pub use self::rule::{Hook, Interface, Match, Rule, Verdict};
use crate::intent::Pxe;
use crate::name::Vni;

/// The table's family and name, as nft's commands take them.
pub const TABLE: &str = "inet metal-core";
/// The table's family.
pub const FAMILY: &str = "inet";
/// The table's name.
pub const NAME: &str = "metal-core";

/// UDP port of DHCP servers and relays.
const DHCP_SERVER: u16 = 67;

/// The transaction that takes the table away, whether it is there or not.
pub const REMOVAL: &str = "table inet metal-core\ndelete table inet metal-core\n";

/// All rules of ours in one network namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Chains, at most one for each hook.
    pub chains: Vec<(Hook, Vec<Rule>)>,
}

/// Machines of nobody reach the switch's own address in their segment by ICMP and for DHCP, and nothing else of it;
/// nothing is forwarded between the segment and anywhere else. ARP and frames within the segment are not seen here; should
/// the kernel show bridged packets to these rules, they come from the segment's interface and leave over it.
#[must_use]
pub fn pxe(pxe: &Pxe) -> Table {
    use Match::{Destination, From, Icmp, NotFrom, NotTo, To, UdpPort};
    let segment = Interface::Vlan(pxe.vlan);
    let mut input = Vec::new();
    if let Some(own) = pxe.address {
        let own = own.addr();
        input.push(Rule::accept([From(segment), Destination(own), Icmp]));
        for address in [own, Ipv4Addr::BROADCAST] {
            input.push(Rule::accept([From(segment), Destination(address), UdpPort(DHCP_SERVER)]));
        }
    }
    input.push(Rule::drop([From(segment)]));
    let forward =
        vec![Rule::drop([From(segment), NotTo(segment)]), Rule::drop([NotFrom(segment), To(segment)])];
    Table { chains: vec![(Hook::Input, input), (Hook::Forward, forward)] }
}

/// A tenant's machines send IPv6 only from addresses that are routed back to them over the port it comes in, as the
/// kernel's own `rp_filter` sees to it for IPv4. What comes out of the tunnel was looked at where it went in.
///
/// For the namespace of the tenant's routing table: which links there are in it is known, all but two are machines'.
/// With VRF devices a packet is seen twice, on its port and on the device, and kernels differ in which table the second
/// look is made; so there is no such filter there.
#[must_use]
pub fn tenant(vni: Vni) -> Table {
    use Match::{From, Ipv4, LinkLocal, NeighborDiscovery, NotRoutedBack};
    let rules = vec![
        Rule::accept([Ipv4]),
        Rule::accept([From(Interface::Loopback)]),
        Rule::accept([From(Interface::Bridge(vni))]),
        Rule::accept([LinkLocal]),
        Rule::accept([NeighborDiscovery]),
        Rule::drop([NotRoutedBack]),
    ];
    Table { chains: vec![(Hook::Prerouting, rules)] }
}

impl Table {
    /// The transaction that makes the table what it shall be, whatever it was.
    #[must_use]
    pub fn transaction(&self) -> String {
        format!("{REMOVAL}{self}")
    }

    /// What can be told of the table when nft lists it.
    #[must_use]
    pub fn outline(&self) -> Outline {
        let chains = self.chains.iter().map(|(hook, rules)| {
            let comments = rules.iter().map(Rule::comment).collect();
            (hook.name().to_owned(), ChainOutline::of(*hook, comments))
        });
        Outline { chains: chains.collect(), strange: 0 }
    }

    /// How many rules there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.chains.iter().map(|(_, rules)| rules.len()).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "table {TABLE} {{")?;
        for (hook, rules) in &self.chains {
            let name = hook.name();
            writeln!(f, "\tchain {name} {{")?;
            writeln!(f, "\t\ttype filter hook {name} priority {}; policy accept;", hook.priority())?;
            for rule in rules {
                writeln!(f, "\t\t{rule} comment \"{}\"", rule.comment())?;
            }
            f.write_str("\t}\n")?;
        }
        f.write_char('}')?;
        f.write_char('\n')
    }
}
