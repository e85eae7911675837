//! Signs of life from a partition's machines, over the real agents' API with mutual TLS.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::Method;
use metal_proto::v1::machine_service_client::MachineServiceClient;
use metal_proto::v1::{MachineEvent, SendEventsRequest};
use metal_runtime::pki::Identity;
use metal_runtime::tls::KeyPair;
use metal_sim::Endpoint;
use metal_store::EngineConfig;
use serde_json::json;
use tokio::task::JoinSet;

use crate::report::Report;
use crate::server::{Server, work_dir};
use crate::{fill, load};

const MACHINES: usize = 10_000;
const BATCH: usize = 500;
const BATCHES: usize = 2_000;
const CONNECTIONS: usize = 8;

/// Alive events per second that the server absorbs, in batches as a partition sends them.
pub async fn alive(report: &mut Report) -> anyhow::Result<()> {
    let now = metal_runtime::clock::now();
    let dir = work_dir()?;
    let mut docs = fill::base(now);
    docs.extend(fill::machines(now, MACHINES, 0));
    fill::write(EngineConfig::Embedded { dir: dir.path().join("store") }, docs).await?;
    let server = Server::start(dir.path(), None).await?;
    let (endpoint, own) = join(&server).await?;

    let next = Arc::new(AtomicUsize::new(0));
    let mut workers = JoinSet::new();
    let start = Instant::now();
    for _ in 0..CONNECTIONS {
        let mut client = MachineServiceClient::new(endpoint.channel(Some(&own))?);
        let next = next.clone();
        workers.spawn(async move {
            loop {
                let batch = next.fetch_add(1, Ordering::Relaxed);
                if batch >= BATCHES {
                    return Ok(());
                }
                let events = (0..BATCH).map(|n| event(batch * BATCH + n)).collect();
                let answer = client.send_events(SendEventsRequest { events }).await?.into_inner();
                if let Some(failed) = answer.failed.first() {
                    bail!("an event was refused: {failed:?}");
                }
            }
        });
    }
    while let Some(done) = workers.join_next().await {
        done??;
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = (BATCH * BATCHES) as f64 / start.elapsed().as_secs_f64();
    let note = format!("{MACHINES} machines, batches of {BATCH}, {CONNECTIONS} connections");
    report.add("Alive events absorbed", rate, "/s", ">= 50000", note);
    Ok(())
}

fn event(n: usize) -> MachineEvent {
    MachineEvent {
        machine: fill::machine_id(n % MACHINES),
        event: "Alive".to_owned(),
        ..MachineEvent::default()
    }
}

/// Gets a one-time token over REST and trades it for the partition's certificate.
async fn join(server: &Server) -> anyhow::Result<(Endpoint, KeyPair)> {
    let identity: Identity =
        format!("metal://partition/{}", fill::PARTITION).parse().context("name the partition")?;
    let mut sender = load::connect(&server.address).await?;
    let body = Bytes::from(json!({"identity": identity.to_string()}).to_string());
    let request = (Method::POST, "/v1/pki/token".to_owned(), body);
    let (status, answer) =
        load::send(&mut sender, &server.signer.headers(&Method::POST), request, true).await?;
    if !(200..300).contains(&status) {
        bail!("no join token: {status} {}", String::from_utf8_lossy(&answer));
    }
    let answer: serde_json::Value = serde_json::from_slice(&answer)?;
    let endpoint = Endpoint {
        address: format!("127.0.0.1:{}", server.grpc_port),
        server_name: "localhost".to_owned(),
        ca_pem: answer["ca"].as_str().context("the authority in the answer")?.to_owned(),
    };
    let own =
        metal_sim::join(&endpoint, answer["token"].as_str().context("a token in the answer")?, &identity)
            .await?;
    Ok((endpoint, own))
}
