//! Rules as types: no text from outside can become one.

use std::fmt;
use std::net::Ipv4Addr;

use crate::name::{VlanId, Vni};

/// Where a chain looks at packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hook {
    /// All that come in, before they are routed or tracked.
    Prerouting,
    /// Those for the switch itself.
    Input,
    /// Those that are passed on.
    Forward,
}

impl Hook {
    /// The hook's name, which its chain has as well.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Prerouting => "prerouting",
            Self::Input => "input",
            Self::Forward => "forward",
        }
    }

    /// Chains of one hook are passed in the order of their priorities.
    #[must_use]
    pub fn priority(self) -> i32 {
        match self {
            Self::Prerouting => -300,
            Self::Input | Self::Forward => 0,
        }
    }
}

/// A link of the switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interface {
    /// `lo`.
    Loopback,
    /// The interface in a VLAN.
    Vlan(VlanId),
    /// The bridge of a tenant's tunnel, in the layout with namespaces.
    Bridge(Vni),
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loopback => f.write_str("lo"),
            Self::Vlan(vlan) => write!(f, "vlan{vlan}"),
            Self::Bridge(vni) => write!(f, "br{vni}"),
        }
    }
}

/// What a packet has to be like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// Comes in here.
    From(Interface),
    /// Comes in anywhere else.
    NotFrom(Interface),
    /// Goes out here.
    To(Interface),
    /// Goes out anywhere else.
    NotTo(Interface),
    /// Is for this address.
    Destination(Ipv4Addr),
    /// Is ICMP. By number, as a system need not have the names of protocols.
    Icmp,
    /// Is for this UDP port.
    UdpPort(u16),
    /// Is IPv4.
    Ipv4,
    /// Has an IPv6 source that is valid on one link only, or none yet.
    LinkLocal,
    /// Is for finding routers and neighbours.
    NeighborDiscovery,
    /// Has a source that is not reached over the link it comes from.
    NotRoutedBack,
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::From(link) => write!(f, "iifname \"{link}\""),
            Self::NotFrom(link) => write!(f, "iifname != \"{link}\""),
            Self::To(link) => write!(f, "oifname \"{link}\""),
            Self::NotTo(link) => write!(f, "oifname != \"{link}\""),
            Self::Destination(address) => write!(f, "ip daddr {address}"),
            Self::Icmp => f.write_str("meta l4proto 1"),
            Self::UdpPort(port) => write!(f, "udp dport {port}"),
            Self::Ipv4 => f.write_str("meta nfproto ipv4"),
            Self::LinkLocal => f.write_str("ip6 saddr { ::, fe80::/10 }"),
            Self::NeighborDiscovery => f.write_str(
                "icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert }",
            ),
            Self::NotRoutedBack => f.write_str("fib saddr . iif oif missing"),
        }
    }
}

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The rest of the chain does not matter.
    Accept,
    /// It is lost.
    Drop,
}

/// A rule: what is like all of this, becomes that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Conditions.
    pub matches: Vec<Match>,
    /// What follows.
    pub verdict: Verdict,
}

impl Rule {
    /// Lets packets pass.
    #[must_use]
    pub fn accept(matches: impl Into<Vec<Match>>) -> Self {
        Self { matches: matches.into(), verdict: Verdict::Accept }
    }

    /// Lets no packet pass.
    #[must_use]
    pub fn drop(matches: impl Into<Vec<Match>>) -> Self {
        Self { matches: matches.into(), verdict: Verdict::Drop }
    }

    /// What the rule is known by when it is listed: its words without quotes, at most 128 octets.
    #[must_use]
    pub fn comment(&self) -> String {
        self.to_string().replace('"', "")
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for condition in &self.matches {
            write!(f, "{condition} ")?;
        }
        f.write_str(match self.verdict {
            Verdict::Accept => "accept",
            Verdict::Drop => "drop",
        })
    }
}
