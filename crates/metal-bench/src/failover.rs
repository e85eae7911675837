//! How long writes pause when a leader of etcd or a replica of the API is killed, and that nothing acknowledged is lost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::bail;
use bytes::Bytes;
use http::Method;
use serde_json::json;

use crate::report::Report;
use crate::server::{self, Etcd, Server, work_dir};
use crate::{fill, load};

/// Kills the leader of three etcd members, then one of two API replicas, under a stream of writes.
pub async fn measure(report: &mut Report) -> anyhow::Result<()> {
    let mut members = server::etcd(3)?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    fill::write(server::etcd_engine(&members), fill::base(metal_runtime::clock::now())).await?;
    let (one, two) = (work_dir()?, work_dir()?);
    let mut first = Server::start(one.path(), Some(&members)).await?;
    let second = Server::start(two.path(), Some(&members)).await?;

    let mut acknowledged = Vec::new();
    let leader = leader(&members)?;
    let gap = pause(&[&first.address, &second.address], &first, &mut acknowledged, || {
        members[leader].process.kill();
    })
    .await?;
    report.add(
        "failover: etcd leader killed, longest pause of writes",
        gap.as_secs_f64(),
        "s",
        "<= 5",
        "3 members, 2 replicas",
    );

    let addresses = [first.address.clone(), second.address.clone()];
    let signer = Server { address: second.address.clone(), ..second };
    let gap =
        pause(&[&addresses[0], &addresses[1]], &signer, &mut acknowledged, || first.process.kill()).await?;
    report.add(
        "failover: API replica killed, longest pause of writes",
        gap.as_secs_f64(),
        "s",
        "<= 5",
        "client goes to the other one",
    );

    let mut sender = load::connect(&signer.address).await?;
    for address in &acknowledged {
        let request = (Method::GET, format!("/v1/ip/{address}"), Bytes::new());
        let (status, _) =
            load::send(&mut sender, &signer.signer.headers(&Method::GET), request, true).await?;
        if status != 200 {
            bail!("{address} was acknowledged and is gone: status {status}");
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a count for people")]
    report.add(
        "failover: acknowledged writes found again",
        acknowledged.len() as f64,
        "addresses",
        "all",
        "none lost",
    );
    Ok(())
}

/// Index of the member that leads, asked with etcd's own client.
fn leader(members: &[Etcd]) -> anyhow::Result<usize> {
    for (n, member) in members.iter().enumerate() {
        let output = std::process::Command::new("curl")
            .args(["-s", "-X", "POST", "-d", "{}", &format!("{}/v3/maintenance/status", member.endpoint)])
            .output()?;
        let status: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        if status["leader"].is_string() && status["leader"] == status["header"]["member_id"] {
            return Ok(n);
        }
    }
    bail!("no etcd member leads")
}

/// Writes one address after the other for ten seconds, kills something after two; returns the longest pause between
/// two acknowledged writes. A client that gets no answer goes to the next address.
async fn pause(
    addresses: &[&String],
    server: &Server,
    acknowledged: &mut Vec<String>,
    kill: impl FnOnce(),
) -> anyhow::Result<Duration> {
    let body: Arc<Bytes> = Arc::new(Bytes::from(
        json!({"networkid": "internet-0", "projectid": fill::PROJECT, "type": "static"}).to_string(),
    ));
    let (start, mut last, mut longest) = (Instant::now(), Instant::now(), Duration::ZERO);
    let mut kill = Some(kill);
    let (mut at, mut sender) = (0, None);
    while start.elapsed() < Duration::from_secs(12) {
        if start.elapsed() > Duration::from_secs(2)
            && let Some(kill) = kill.take()
        {
            kill();
        }
        if sender.is_none() {
            sender = load::connect(addresses[at % addresses.len()]).await.ok();
        }
        let request = (Method::POST, "/v1/ip/allocate".to_owned(), Bytes::clone(&body));
        let answered = match &mut sender {
            Some(sender) => {
                let headers = server.signer.headers(&Method::POST);
                tokio::time::timeout(Duration::from_secs(1), load::send(sender, &headers, request, true))
                    .await
                    .ok()
                    .and_then(Result::ok)
            }
            None => None,
        };
        match answered {
            Some((201, body)) => {
                let value: serde_json::Value = serde_json::from_slice(&body)?;
                acknowledged.push(value["ipaddress"].as_str().unwrap_or_default().to_owned());
                longest = longest.max(last.elapsed());
                last = Instant::now();
            }
            _ => {
                (at, sender) = (at + 1, None);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
    if last.elapsed() > Duration::from_secs(5) {
        bail!("writes did not resume");
    }
    Ok(longest)
}
