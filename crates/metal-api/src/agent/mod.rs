//! The agents' API: what machines, switches and partitions tell and are told, over gRPC with mutual TLS.
//!
//! # How to join
//!
//! 1. An operator asks for a one-time token: `metal-api pki token --identity metal://partition/fra1` (or
//!    `metal://switch/fra1/leaf01`), which prints the token and the authority's certificate; `POST /v1/pki/token` is the
//!    same for programs. The partition must exist.
//! 2. The agent makes a key and a signing request (`metal_runtime::pki::request()`), connects to the gRPC port trusting
//!    only that authority (`metal_runtime::tls::client_config(ca, None, &clock, &["h2"])`; the server's certificate is
//!    good for `localhost`, the loopback addresses, the address it listens on, its host name, and `--grpc-names`), and
//!    calls `JoinService.Join` with token and request. It gets its certificate. A token works once.
//! 3. It connects again with certificate and key (`client_config(ca, Some(&key_pair), ..)`) and does its work. Before
//!    the certificate ends it calls `JoinService.Renew` on the old one.
//! 4. Machines never see a token. Their partition calls `BootService.Dhcp` and `BootService.MachineCertificate` with the
//!    signing request the machine made in RAM, for each boot anew; certificates of earlier boots are refused from then
//!    on. A machine that cannot reach the control plane lets its partition call `MachineService` for it.
//!
//! # How to behave
//!
//! *Unavailable* and *aborted* mean: try again, soon and then less often. All calls may be repeated. Streams break;
//! `Wait` is simply called again, `Desired` with the last generation applied, `Commands` with the newest sequence the
//! agent still works on (0 is always right: it sends everything that was not acknowledged). *Unauthenticated* on a
//! machine's certificate means that the machine has booted again; *permission denied* never goes away by itself.
//!
//! # Inside
//!
//! [`identity`] says who may act for whom and nothing else does; [`hub`] wakes streams; [`waits`] knows which machines
//! are parked here; [`crate::coalesce`] keeps signs of life off the disk. Each service is one file.

mod allocation;
mod bmc;
mod boot;
pub mod hub;
pub mod identity;
mod inventory;
mod join;
mod machine;
mod refusal;
mod server;
mod switch;
mod wait;
pub mod waits;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use metal_plan::switch::Desired;
use metal_runtime::TaskTree;
use metal_runtime::pki::Authority;
use tokio::net::TcpListener;
use tokio::sync::OnceCell;

use crate::app::App;
use crate::coalesce::Coalescer;
use crate::pki;

/// What the agents' API remembers between calls and never stores. Clones are the same memory.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    /// Pending signs of life; reads of machines and switches ask it for what is newer than stored.
    pub touches: Arc<Coalescer>,
    /// Who is to be woken by what.
    pub hub: Arc<hub::Hub>,
    /// Machines parked on this replica.
    pub waits: Arc<waits::Waits>,
    /// The authority, once it was needed.
    pub authority: Arc<OnceCell<Arc<Authority>>>,
    /// The last configuration sent to each switch, so that one that comes back with it is not sent it again.
    sent: Arc<Mutex<HashMap<String, (u64, Desired)>>>,
}

impl Memory {
    fn sent(&self, switch: &str) -> Option<(u64, Desired)> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).get(switch).cloned()
    }

    fn remember(&self, switch: &str, generation: u64, desired: &Desired) {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.insert(switch.to_owned(), (generation, desired.clone()));
    }
}

/// Starts to listen; what is spawned belongs to `tasks` and drains when it is cancelled. Gives the address.
pub async fn start(app: &Arc<App>, tasks: &TaskTree) -> anyhow::Result<Option<SocketAddr>> {
    let authority = pki::authority(app).await.context("prepare the agents' authority")?;
    if let Some(dir) = &app.config.data_dir {
        metal_runtime::file::write_public(&dir.join("ca.pem"), authority.certificate_pem().as_bytes())
            .context("publish the authority's certificate")?;
    }
    let certificates = server::Certificates::new(app, authority)?;
    let listen = (app.config.listen.address, app.config.listen.grpc_port);
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("listen for agents on {}:{}", listen.0, listen.1))?;
    let address = listener.local_addr().context("ask for the address agents are served on")?;
    let hub = Arc::clone(&app.agents.hub);
    tasks.spawn_essential("hub", hub.run(app.store.clone(), tasks.clone()));
    let server = server::Server::new(app, tasks, certificates);
    tasks.spawn_essential("agents", server.run(listener));
    tracing::info!(address = %address, "serving agents");
    Ok(Some(address))
}
