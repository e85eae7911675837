//! What the agent says and hears at its ports, against others: our own LLDP on moving ports, lldpd, and a DHCP server and
//! client of other makers with our relay between them.
//!
//! Needs root, and a root file system with lldpd, dnsmasq and busybox (`METAL_FRR_ROOT`, otherwise `target/lab/rootfs`).
//! Everything happens in namespaces that nobody else sees.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod lldp;
mod node;
mod relay;

/// The part this program plays when it is started again, by a variable of the environment.
#[test]
fn reexecuted() {
    match std::env::var(node::PART).as_deref() {
        Ok("init") => metal_linux::sandbox::run_init().unwrap(),
        Ok("node") => node::run(),
        _ => {}
    }
}
