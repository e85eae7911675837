//! Where packets are sent from and looked for: a node's network namespace, and each routing table of a switch that is a
//! namespace or a device of its own.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use metal_linux::namespace::Namespace;
use metal_linux::netlink::{LinkKind, Netlink};
use rustix::net::sockopt::{
    Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, set_ip_mtu_discover, set_ipv6_mtu_discover,
};
use socket2::{Domain, Protocol, Socket, Type};

/// Room for answers that all come at once, octets.
const BUFFER: usize = 4 << 20;

/// A routing table of a node.
#[derive(Debug)]
pub struct Place {
    /// Whose.
    pub node: String,
    /// Empty for the node's own table.
    pub table: String,
    pub network: Namespace,
    /// A VRF device, where the table is one.
    device: Option<String>,
    /// Whether other places are in the same namespace.
    is_shared: bool,
}

/// What a socket does besides sending from any address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// An address the node need not hold.
    pub source: Option<IpAddr>,
    /// Chooses a routing table made for it.
    pub mark: u32,
    /// Whether no router may cut packets into pieces, nor the sender remember that one could not carry them.
    pub whole: bool,
}

impl Place {
    /// The namespace of a process.
    pub fn of_process(node: &str, pid: u32) -> anyhow::Result<Self> {
        let network = Namespace::of_process(pid).with_context(|| format!("find the network of {node}"))?;
        Ok(Self { node: node.to_owned(), table: String::new(), network, device: None, is_shared: false })
    }

    /// A namespace that is open already.
    #[cfg(test)]
    pub fn of_namespace(node: &str, network: Namespace) -> Self {
        Self { node: node.to_owned(), table: String::new(), network, device: None, is_shared: false }
    }

    /// Only what comes in over a device, in a namespace with other places.
    #[cfg(test)]
    pub fn of_device(node: &str, network: Namespace, device: Option<&str>) -> Self {
        let device = device.map(str::to_owned);
        Self { device, is_shared: true, ..Self::of_namespace(node, network) }
    }

    /// All of a node: its own table and those of its VRFs.
    pub fn all(node: &str, pid: u32) -> anyhow::Result<Vec<Self>> {
        let mut own = Self::of_process(node, pid)?;
        let mut all = Vec::new();
        let links = Netlink::open(Some(&own.network)).and_then(|mut netlink| netlink.links());
        let links = links.with_context(|| format!("list the links of {node}"))?;
        for link in links.into_iter().filter(|link| matches!(link.kind, LinkKind::Vrf { .. })) {
            let network = Namespace::of_process(pid)?;
            own.is_shared = true;
            all.push(Self {
                node: node.to_owned(),
                table: link.name.clone(),
                network,
                device: Some(link.name),
                is_shared: true,
            });
        }
        for (table, path) in inner(pid)? {
            // One that is just being made or taken away is no namespace.
            if let Ok(network) = Namespace::open(&path) {
                all.push(Self { node: node.to_owned(), table, network, device: None, is_shared: false });
            }
        }
        all.insert(0, own);
        Ok(all)
    }

    /// Whether it is a switch's table that is a namespace of its own.
    pub fn is_inner(&self) -> bool {
        !self.table.is_empty() && self.device.is_none()
    }

    /// Node and table, for messages.
    pub fn label(&self) -> String {
        if self.table.is_empty() { self.node.clone() } else { format!("{} {}", self.node, self.table) }
    }

    /// A UDP socket in this table. Port 0 is any.
    pub fn socket(&self, is_v4: bool, port: u16, manner: &Manner) -> io::Result<Socket> {
        let entered = self.network.enter(|| open(is_v4, port, self, manner));
        entered.map_err(io::Error::other)?
    }
}

/// Named namespaces as the node sees them.
fn inner(pid: u32) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let directory = Path::new("/proc").join(pid.to_string()).join("root/run/netns");
    let entries = match std::fs::read_dir(&directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.with_context(|| format!("list {}", directory.display()))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.with_context(|| format!("list {}", directory.display()))?;
        found.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
    }
    found.sort();
    Ok(found)
}

fn open(is_v4: bool, port: u16, place: &Place, manner: &Manner) -> io::Result<Socket> {
    let domain = if is_v4 { Domain::IPV4 } else { Domain::IPV6 };
    let socket = Socket::new(domain, Type::DGRAM.nonblocking().cloexec(), Some(Protocol::UDP))?;
    if !is_v4 {
        socket.set_only_v6(true)?;
    }
    // One port for all: what comes in over a VRF goes to the socket that is bound to it.
    socket.set_reuse_address(place.is_shared)?;
    if let Some(device) = &place.device {
        socket.bind_device(Some(device.as_bytes()))?;
    }
    if manner.mark != 0 {
        socket.set_mark(manner.mark)?;
    }
    // As much as the kernel gives; less loses answers, which are asked for again.
    let _ = socket.set_recv_buffer_size(BUFFER);
    if manner.whole && is_v4 {
        set_ip_mtu_discover(&socket, Ipv4PathMtuDiscovery::PROBE)?;
    } else if manner.whole {
        set_ipv6_mtu_discover(&socket, Ipv6PathMtuDiscovery::PROBE)?;
    }
    if manner.source.is_some() && is_v4 {
        socket.set_ip_transparent_v4(true)?;
    } else if manner.source.is_some() {
        socket.set_ip_transparent_v6(true)?;
    }
    let any = if is_v4 { IpAddr::from(Ipv4Addr::UNSPECIFIED) } else { IpAddr::from(Ipv6Addr::UNSPECIFIED) };
    socket.bind(&SocketAddr::from((manner.source.unwrap_or(any), port)).into())?;
    Ok(socket)
}
