//! Which parts of Debian's kernel the guest carries: of its thousands of modules a fabric needs a few dozen.
//!
//! Pure: it reads what depmod wrote about all modules and answers what has to be there for those wanted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// What it takes to reach the root directory and our programs, loaded at boot.
pub const BOOT: [&str; 7] =
    ["crc32c_generic", "virtio_blk", "ext4", "overlay", "9pnet_virtio", "9p", "virtio_rng"];

/// What a switch, a machine or a firewall may ask the kernel for; loaded when they do.
pub const WANTED: [&str; 70] = [
    // Devices.
    "8021q",
    "bonding",
    "bridge",
    "dummy",
    "geneve",
    "ifb",
    "ip_gre",
    "ip6_tunnel",
    "ipvlan",
    "macvlan",
    "tun",
    "veth",
    "virtio_net",
    "vrf",
    "vxlan",
    // Packet filter.
    "nf_conntrack",
    "nf_conntrack_bridge",
    "nf_conntrack_netlink",
    "nf_log_syslog",
    "nf_nat",
    "nf_tables",
    "nfnetlink_log",
    "nft_chain_nat",
    "nft_compat",
    "nft_ct",
    "nft_dup_netdev",
    "nft_fib",
    "nft_fib_inet",
    "nft_fib_ipv4",
    "nft_fib_ipv6",
    "nft_flow_offload",
    "nft_fwd_netdev",
    "nft_hash",
    "nft_limit",
    "nft_log",
    "nft_masq",
    "nft_meta_bridge",
    "nft_nat",
    "nft_numgen",
    "nft_queue",
    "nft_quota",
    "nft_redir",
    "nft_reject",
    "nft_reject_inet",
    "nft_reject_ipv4",
    "nft_reject_ipv6",
    "nft_socket",
    "nft_tproxy",
    "br_netfilter",
    // Queues and their filters.
    "act_gact",
    "act_mirred",
    "act_police",
    "cls_flower",
    "cls_matchall",
    "cls_u32",
    "sch_fq_codel",
    "sch_htb",
    "sch_ingress",
    "sch_netem",
    "sch_tbf",
    // What ss, tcpdump and images need.
    "af_packet_diag",
    "inet_diag",
    "netlink_diag",
    "raw_diag",
    "tcp_diag",
    "udp_diag",
    "unix_diag",
    "libcrc32c",
    "loop",
    "squashfs",
];

/// All modules of a kernel.
#[derive(Debug, Default)]
pub struct Modules {
    /// By name: where it is, below the modules' directory, and the paths of what it depends on.
    loadable: BTreeMap<String, (String, Vec<String>)>,
    builtin: BTreeSet<String>,
}

impl Modules {
    /// Reads `modules.dep` and `modules.builtin`.
    #[must_use]
    pub fn parse(dependencies: &str, builtin: &str) -> Self {
        let loadable = dependencies.lines().filter_map(|line| {
            let (path, depends) = line.split_once(':')?;
            let depends = depends.split_whitespace().map(str::to_owned).collect();
            Some((name(path), (path.to_owned(), depends)))
        });
        Self { loadable: loadable.collect(), builtin: builtin.lines().map(name).collect() }
    }

    /// The paths of those wanted and of all they depend on.
    ///
    /// # Errors
    /// Answers the name of a module that this kernel has neither as a file nor built in.
    pub fn closure(&self, wanted: &[&str]) -> Result<BTreeSet<String>, String> {
        let mut found = BTreeSet::new();
        let mut open: Vec<String> = wanted.iter().map(|module| name(module)).collect();
        while let Some(module) = open.pop() {
            match self.loadable.get(&module) {
                Some((path, depends)) => {
                    if found.insert(path.clone()) {
                        open.extend(depends.iter().map(|path| name(path)));
                    }
                }
                None if self.builtin.contains(&module) => {}
                None => return Err(module),
            }
        }
        Ok(found)
    }

    /// `modules.dep` for these paths alone, as uncompressed files.
    #[must_use]
    pub fn dependencies(&self, paths: &BTreeSet<String>) -> String {
        let mut text = String::new();
        for (path, depends) in self.loadable.values().filter(|(path, _)| paths.contains(path)) {
            text.push_str(uncompressed(path));
            text.push(':');
            for other in depends {
                let _ = write!(text, " {}", uncompressed(other));
            }
            text.push('\n');
        }
        text
    }
}

/// The lines of `modules.alias` that lead to these paths.
#[must_use]
pub fn aliases(all: &str, paths: &BTreeSet<String>) -> String {
    let names: BTreeSet<String> = paths.iter().map(|path| name(path)).collect();
    let of_them =
        all.lines().filter(|line| line.split_whitespace().nth(2).is_some_and(|to| names.contains(to)));
    of_them.flat_map(|line| [line, "\n"]).collect()
}

/// A module's path without the ending that says how it is compressed.
#[must_use]
pub fn uncompressed(path: &str) -> &str {
    path.strip_suffix(".xz").unwrap_or(path)
}

/// A module's name from its path: the kernel takes `-` and `_` for the same.
fn name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split(".ko").next().unwrap_or(file).replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEPENDENCIES: &str = "kernel/fs/9p/9p.ko.xz: kernel/net/9p/9pnet.ko.xz kernel/fs/netfs/netfs.ko.xz\n\
        kernel/net/9p/9pnet.ko.xz: kernel/fs/netfs/netfs.ko.xz\n\
        kernel/fs/netfs/netfs.ko.xz:\n\
        kernel/drivers/net/vrf.ko.xz:\n\
        kernel/drivers/char/hw_random/virtio-rng.ko.xz:\n";
    const BUILTIN: &str = "kernel/drivers/char/virtio_console.ko\nkernel/drivers/virtio/virtio-pci.ko\n";

    #[test]
    fn what_a_module_depends_on_comes_with_it() {
        let modules = Modules::parse(DEPENDENCIES, BUILTIN);
        let found = modules.closure(&["9p"]).unwrap();
        let found: Vec<&str> = found.iter().map(String::as_str).collect();
        assert_eq!(
            found,
            ["kernel/fs/9p/9p.ko.xz", "kernel/fs/netfs/netfs.ko.xz", "kernel/net/9p/9pnet.ko.xz"]
        );
    }

    #[test]
    fn dash_and_underscore_are_the_same_and_what_is_built_in_needs_no_file() {
        let modules = Modules::parse(DEPENDENCIES, BUILTIN);
        let found = modules.closure(&["virtio_rng", "virtio_pci", "virtio-console"]).unwrap();
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn a_module_the_kernel_lacks_is_named() {
        let modules = Modules::parse(DEPENDENCIES, BUILTIN);
        assert_eq!(modules.closure(&["vrf", "warp"]), Err("warp".to_owned()));
    }

    #[test]
    fn a_dependency_that_leads_back_ends() {
        let modules = Modules::parse("a.ko: b.ko\nb.ko: a.ko\n", "");
        assert_eq!(modules.closure(&["a"]).unwrap().len(), 2);
    }

    #[test]
    fn only_what_is_there_is_described_and_by_its_uncompressed_name() {
        let modules = Modules::parse(DEPENDENCIES, BUILTIN);
        let paths = modules.closure(&["9pnet"]).unwrap();
        let text = modules.dependencies(&paths);
        assert_eq!(text, "kernel/net/9p/9pnet.ko: kernel/fs/netfs/netfs.ko\nkernel/fs/netfs/netfs.ko:\n");
        let all = "# Aliases\nalias rtnl-link-vrf vrf\nalias fs-netfs netfs\nalias net-pf-9 9pnet\n";
        assert_eq!(aliases(all, &paths), "alias fs-netfs netfs\nalias net-pf-9 9pnet\n");
    }

    #[test]
    fn nothing_is_wanted_twice() {
        let all: BTreeSet<&str> = WANTED.iter().chain(&BOOT).copied().collect();
        assert_eq!(all.len(), WANTED.len() + BOOT.len());
    }
}
