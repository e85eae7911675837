//! Kernel settings that matter for routing and for keeping machines from what is not theirs.

/// A value nobody has looked at yet: differs from every wanted one.
pub const UNKNOWN: u32 = u32::MAX;

/// Settings of every namespace, by path under `/proc/sys`, in the order in which they have to be made: switching on
/// forwarding resets settings of links.
///
/// Reverse path filtering is off for all links (the kernel takes the stricter of this and the link's own) and on where
/// machines are. Requests for an address are answered only on the link that has it, and asked with an address of that link.
/// Routes over links without carrier, and next hops that do not answer, are not used. Flows are spread by ports as well.
/// Addresses of IPv6 stay when a link goes down.
pub const SPACE: &[(&str, u32)] = &[
    (FORWARDING, 1),
    ("net/ipv6/conf/all/forwarding", 1),
    ("net/ipv4/conf/all/rp_filter", 0),
    ("net/ipv4/conf/default/rp_filter", 0),
    ("net/ipv4/conf/all/arp_announce", 2),
    ("net/ipv4/conf/all/arp_ignore", 1),
    ("net/ipv4/conf/all/arp_notify", 1),
    ("net/ipv4/conf/all/ignore_routes_with_linkdown", 1),
    ("net/ipv4/conf/default/ignore_routes_with_linkdown", 1),
    ("net/ipv6/conf/all/ignore_routes_with_linkdown", 1),
    ("net/ipv6/conf/default/ignore_routes_with_linkdown", 1),
    ("net/ipv6/conf/all/keep_addr_on_down", 1),
    ("net/ipv4/fib_multipath_hash_policy", 1),
    ("net/ipv6/fib_multipath_hash_policy", 1),
    ("net/ipv4/fib_multipath_use_neigh", 1),
];

/// Forwarding of IPv4, for the namespace and all its links at once.
pub const FORWARDING: &str = "net/ipv4/ip_forward";

/// A setting of one link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkSetting {
    /// Whether what comes in here is forwarded.
    Ipv4Forwarding,
    /// 1: drops what comes from an address that is not reached over this link.
    RpFilter,
    /// 1: no IPv6 at all.
    DisableIpv6,
    /// 1: makes itself no link-local address.
    AddrGenMode,
}

impl LinkSetting {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Ipv4Forwarding, Self::RpFilter, Self::DisableIpv6, Self::AddrGenMode];

    /// Its path under `/proc/sys`.
    #[must_use]
    pub fn path(self, link: &str) -> String {
        let (family, name) = match self {
            Self::Ipv4Forwarding => ("ipv4", "forwarding"),
            Self::RpFilter => ("ipv4", "rp_filter"),
            Self::DisableIpv6 => ("ipv6", "disable_ipv6"),
            Self::AddrGenMode => ("ipv6", "addr_gen_mode"),
        };
        format!("net/{family}/conf/{link}/{name}")
    }

    /// Its short name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ipv4Forwarding => "forwarding",
            Self::RpFilter => "rp_filter",
            Self::DisableIpv6 => "disable_ipv6",
            Self::AddrGenMode => "addr_gen_mode",
        }
    }
}
