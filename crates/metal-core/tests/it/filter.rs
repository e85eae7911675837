//! Packet filters on the running kernel: what machines can send to the switch and for whom they can pass themselves off.
//! Needs root and nft; every test has namespaces of its own.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::Command;
use std::time::Duration;

use ipnet::IpNet;
use metal_core::driver::linux::{Kernel, Nft};
use metal_linux::namespace::{Namespace, apart};
use metal_linux::netlink::{Netlink, Route};
use metal_netconf::intent::Switch;
use metal_netconf::linux::{Layout, Place, Step};
use metal_netconf::nftables;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, ipproto};

use crate::linux::{allocate, converge, leaf, on_a_switch, release, vni};

/// Longer than anything takes that happens at all.
const PATIENCE: Duration = Duration::from_secs(20);
/// After this it is tried again.
const AGAIN: Duration = Duration::from_millis(300);

/// A leaf with a management address, and machines on swp1 and swp2 in namespaces of their own.
fn on_a_cabled_switch(test: impl FnOnce(&Kernel, [&Namespace; 2]) + Send) {
    assert!(rustix::process::geteuid().is_root(), "run this test as root: it makes network namespaces");
    apart(|| {
        let machines = [Namespace::anonymous().unwrap(), Namespace::anonymous().unwrap()];
        let beyond = Namespace::anonymous().unwrap();
        let mut netlink = Netlink::open(None).unwrap();
        for (name, peer, at) in [
            ("swp1", "lan0", &machines[0]),
            ("swp2", "lan0", &machines[1]),
            ("swp31", "up1", &beyond),
            ("swp32", "up2", &beyond),
            ("eth0", "mgmt", &beyond),
        ] {
            netlink.veth(name, None, peer, Some(at)).unwrap();
            let mut there = Netlink::open(Some(at)).unwrap();
            let end = there.link(peer).unwrap();
            there.set_mtu(&end, 9216).unwrap();
            there.set_up(&end, true).unwrap();
        }
        let eth0 = netlink.link("eth0").unwrap();
        netlink.set_up(&eth0, true).unwrap();
        netlink.add_address(&eth0, net("192.168.250.11/24")).unwrap();
        test(&Kernel::new(Layout::Netns, vec!["swp".to_owned()]), [&machines[0], &machines[1]]);
    })
    .unwrap();
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

/// Gives a machine addresses, and a way to everything else.
fn settle(machine: &Namespace, addresses: &[&str], gateway: &str) {
    let mut netlink = Netlink::open(Some(machine)).unwrap();
    let link = netlink.link("lan0").unwrap();
    for address in addresses {
        netlink.add_address(&link, net(address)).unwrap();
    }
    let gateway: IpAddr = gateway.parse().unwrap();
    let destination = net(if gateway.is_ipv4() { "0.0.0.0/0" } else { "::/0" });
    let hops = vec![(Some(gateway), Some(link.index))];
    netlink.add_route(&Route { destination, hops, source: None }).unwrap();
}

fn listen(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind(address).unwrap();
    socket.set_read_timeout(Some(AGAIN)).unwrap();
    socket
}

/// Sends a word from an address, from inside a namespace.
fn send(from: &Namespace, source: &str, to: &str, word: &str) -> io::Result<()> {
    from.enter(|| {
        let socket = UdpSocket::bind(SocketAddr::new(source.parse().unwrap(), 0))?;
        socket.set_broadcast(true)?;
        socket.send_to(word.as_bytes(), to).map(drop)
    })
    .unwrap()
}

/// Everything that has come.
fn heard(socket: &UdpSocket) -> Vec<String> {
    socket.set_nonblocking(true).unwrap();
    let mut buffer = [0; 64];
    let mut all = Vec::new();
    loop {
        match socket.recv(&mut buffer) {
            Ok(length) => all.push(String::from_utf8_lossy(&buffer[..length]).into_owned()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(_) => {}
        }
    }
    socket.set_nonblocking(false).unwrap();
    all
}

/// Does it again and again until the word comes; what came before it is given back.
fn until(socket: &UdpSocket, word: &str, again: impl Fn()) -> Vec<String> {
    let begin = std::time::Instant::now();
    let mut before = Vec::new();
    while begin.elapsed() < PATIENCE {
        again();
        let mut buffer = [0; 64];
        while let Ok(length) = socket.recv(&mut buffer) {
            let said = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if said == word {
                return before;
            }
            before.push(said);
        }
    }
    panic!("{word} did not come, but {before:?}");
}

/// Whether an address answers an echo request from inside a namespace.
fn pings(from: &Namespace, to: &str) -> bool {
    let to = SocketAddr::new(to.parse().unwrap(), 0);
    let ask = || -> io::Result<bool> {
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::ICMP))?;
        rustix::net::sockopt::set_socket_timeout(&socket, rustix::net::sockopt::Timeout::Recv, Some(AGAIN))?;
        // Type 8, its checksum, and no more.
        rustix::net::sendto(&socket, &[8, 0, 0xf7, 0xff, 0, 0, 0, 0], SendFlags::empty(), &to)?;
        let mut buffer = [0; 128];
        loop {
            let (length, _) = match rustix::net::recv(&socket, &mut buffer[..], RecvFlags::empty()) {
                Err(rustix::io::Errno::AGAIN) => return Ok(false),
                other => other?,
            };
            // Behind 20 octets of IP; 0 answers.
            if length >= 28 && buffer[20] == 0 {
                return Ok(true);
            }
        }
    };
    from.enter(ask).unwrap().unwrap()
}

fn nft(arguments: &[&str]) -> String {
    let output = Command::new("nft").args(arguments).output().unwrap();
    assert!(output.status.success(), "nft {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn machines_of_nobody_reach_one_address_of_the_switch() {
    on_a_cabled_switch(|kernel, [machine, other]| {
        converge(kernel, &leaf());
        settle(machine, &["10.0.1.50/24"], "10.0.1.1");
        settle(other, &["10.0.1.51/24"], "10.0.1.1");
        let (dhcp, service) = (listen("0.0.0.0:67"), listen("0.0.0.0:9999"));
        let closed = ["10.0.0.11:9999", "192.168.250.11:9999", "10.0.1.1:9999", "192.168.250.11:67"];
        for open in ["10.0.1.1:67", "255.255.255.255:67"] {
            until(&dhcp, open, || send(machine, "10.0.1.50", open, open).unwrap());
            for to in closed {
                send(machine, "10.0.1.50", to, to).unwrap();
            }
            let more = until(&dhcp, "end", || send(machine, "10.0.1.50", open, "end").unwrap());
            assert!(more.iter().all(|word| word == "end" || word == open), "{more:?}");
            assert_eq!(heard(&service), [] as [&str; 0]);
        }
        assert!((0..10).any(|_| pings(machine, "10.0.1.1")));
        assert!((0..10).any(|_| pings(machine, "10.0.1.51")), "machines reach one another");
        for address in ["10.0.0.11", "192.168.250.11"] {
            assert!(!pings(machine, address), "{address} answers");
        }
        // It is the filter that does it.
        kernel.execute(&[Step::RemoveFilter(Place::Main)], &|_| Ok(())).unwrap();
        for to in &closed[..3] {
            until(&service, to, || send(machine, "10.0.1.50", to, to).unwrap());
        }
        assert!((0..10).any(|_| pings(machine, "10.0.0.11")));
    });
}

#[test]
fn machines_of_a_tenant_send_ipv6_from_their_own_addresses_only() {
    on_a_cabled_switch(|kernel, [one, other]| {
        let mut intent = leaf();
        allocate(&mut intent, "swp1", 3981);
        allocate(&mut intent, "swp2", 3981);
        converge(kernel, &intent);
        settle(
            one,
            &["2001:db8:1::1/128", "2001:db8:7::7/128", "2001:db8:66::6/128", "fe80::2/64"],
            "fe80::1",
        );
        settle(other, &["2001:db8:1::2/128", "2001:db8:7::7/128", "fe80::2/64"], "fe80::1");
        let vrf = Namespace::named("vrf3981").unwrap();
        let mut netlink = Netlink::open(Some(&vrf)).unwrap();
        let ports = ["swp1", "swp2"].map(|name| netlink.link(name).unwrap());
        let via = |index: u32| (Some("fe80::2".parse().unwrap()), Some(index));
        for port in &ports {
            netlink.add_address(port, net("fe80::1/64")).unwrap();
        }
        for (destination, hops) in [
            ("2001:db8:1::1/128", vec![via(ports[0].index)]),
            ("2001:db8:1::2/128", vec![via(ports[1].index)]),
            // Announced by both machines.
            ("2001:db8:7::7/128", vec![via(ports[0].index), via(ports[1].index)]),
            // A machine's that is reached through the tunnel.
            ("2001:db8:66::/64", vec![(None, Some(netlink.link("br3981").unwrap().index))]),
        ] {
            netlink.add_route(&Route { destination: net(destination), hops, source: None }).unwrap();
        }
        let socket = other.enter(|| listen("[2001:db8:1::2]:9999")).unwrap();
        let say = |source: &str, word: &str| send(one, source, "[2001:db8:1::2]:9999", word).unwrap();
        until(&socket, "own", || say("2001:db8:1::1", "own"));
        until(&socket, "shared", || say("2001:db8:7::7", "shared"));
        let heard_before = |end: &str| {
            say("2001:db8:66::6", "forged");
            until(&socket, end, || say("2001:db8:1::1", end))
        };
        assert!(!heard_before("end").contains(&"forged".to_owned()));
        // It is the filter that does it.
        kernel.execute(&[Step::RemoveFilter(Place::Vrf(intent.vrf_name(vni(3981))))], &|_| Ok(())).unwrap();
        assert!(heard_before("done").contains(&"forged".to_owned()));
    });
}

/// What is planned, in words.
fn plan(kernel: &Kernel, intent: &Switch) -> Vec<String> {
    kernel.plan(intent).unwrap().iter().map(Step::describe).collect()
}

#[test]
fn filters_are_put_right_taken_away_and_strangers_left_alone() {
    on_a_switch(|kernel| {
        nft(&["add", "table", "inet", "other"]);
        nft(&["add", "chain", "inet", "other", "input"]);
        let mut intent = leaf();
        allocate(&mut intent, "swp1", 3981);
        converge(kernel, &intent);
        let good = nft(&["-s", "list", "table", "inet", "metal-core"]);
        for wrong in [
            &["insert", "rule", "inet", "metal-core", "input", "accept"][..],
            &["flush", "chain", "inet", "metal-core", "forward"],
            &["add", "chain", "inet", "metal-core", "mine"],
            &["add", "set", "inet", "metal-core", "mine", "{ type mark; }"],
            &["delete", "table", "inet", "metal-core"],
        ] {
            nft(wrong);
            let steps = plan(kernel, &intent);
            assert_eq!(steps, ["set packet filter of the main namespace: 6 rules"], "{wrong:?}");
            kernel.check(&kernel.plan(&intent).unwrap()).unwrap();
            converge(kernel, &intent);
            assert_eq!(nft(&["-s", "list", "table", "inet", "metal-core"]), good);
        }
        release(&mut intent, "swp1");
        converge(kernel, &intent);
        let inside = Namespace::named("vrf3981").unwrap().enter(|| nft(&["list", "tables"])).unwrap();
        assert_eq!(inside, "");
        intent.unprovisioned.clear();
        intent.pxe = None;
        converge(kernel, &intent);
        assert_eq!(nft(&["list", "tables"]), "table inet other\n");
    });
}

#[test]
fn a_switch_without_nft_has_no_machines() {
    on_a_switch(|kernel| {
        let kernel = kernel.clone().with_nft(Nft::new("/does/not/exist/nft"));
        let mut intent = leaf();
        let steps = kernel.plan(&intent).unwrap();
        let error = kernel.check(&steps).unwrap_err();
        let said = metal_runtime::chain(&error);
        assert!(
            said.contains("check the packet filter of the main namespace")
                && said.contains("install nftables"),
            "{said}"
        );
        intent.unprovisioned.clear();
        intent.pxe = None;
        converge(&kernel, &intent);
        kernel.check(&kernel.plan(&intent).unwrap()).unwrap();
    });
}

#[test]
fn a_refused_transaction_changes_nothing() {
    on_a_switch(|kernel| {
        converge(kernel, &leaf());
        let before = nft(&["list", "ruleset"]);
        let broken = format!("{}table inet metal-core {{ chain input {{ nonsense }} }}\n", nftables::REMOVAL);
        assert!(Nft::default().check(&broken).is_err());
        assert!(Nft::default().apply(&broken).is_err());
        assert_eq!(nft(&["list", "ruleset"]), before);
    });
}
