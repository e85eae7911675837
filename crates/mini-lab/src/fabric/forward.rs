//! The way from the lab's management network to the control plane, which listens on the host's loopback only.
//!
//! The listening socket is made inside the management node's network, the connection onwards in the host's; a process
//! may have sockets of several networks at once, so no route and no rule of the host is touched.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context as _;
use metal_linux::namespace::Namespace;
use metal_runtime::TaskTree;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

/// Forwards connections to `listen` in `network` to `port` on the host's loopback, until the tree ends.
pub fn start(network: &Namespace, listen: SocketAddr, port: u16, tree: &TaskTree) -> anyhow::Result<()> {
    let listener = network
        .enter(move || std::net::TcpListener::bind(listen))
        .context("enter the management network")?
        .with_context(|| format!("listen on {listen} in the management network"))?;
    listener.set_nonblocking(true).context("listen without blocking")?;
    let listener = TcpListener::from_std(listener).context("listen in the runtime")?;
    let branch = tree.clone();
    tree.spawn_essential("forward", async move {
        loop {
            let accepted = tokio::select! {
                () = branch.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let Ok((inner, _)) = accepted else { continue };
            let own = branch.clone();
            branch.spawn("forwarded connection", async move {
                tokio::select! {
                    () = own.cancelled() => {}
                    () = forward(inner, port) => {}
                }
            });
        }
    });
    Ok(())
}

async fn forward(mut inner: TcpStream, port: u16) {
    // A control plane that is down looks like one: the connection ends.
    if let Ok(mut outer) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await {
        let _ = inner.set_nodelay(true);
        let _ = outer.set_nodelay(true);
        let _ = copy_bidirectional(&mut inner, &mut outer).await;
    }
}
