//! Figures of the REST API: addresses, allocations, reads and lists.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::Method;
use http_body_util::{BodyExt as _, Full};
use metal_store::EngineConfig;
use serde_json::json;

use crate::load::{self, Make, Outcome};
use crate::report::{Report, ms, quantile};
use crate::server::{self, Engine, Server, work_dir};
use crate::{fill, footprint};

fn post(path: &str, body: &serde_json::Value) -> Make {
    let (path, body) = (path.to_owned(), Bytes::from(body.to_string()));
    Arc::new(move |_| (Method::POST, path.clone(), body.clone()))
}

fn checked(outcome: Outcome, what: &str) -> anyhow::Result<Outcome> {
    if outcome.failed > 0 {
        bail!(
            "{what}: {} requests failed, first: {}",
            outcome.failed,
            outcome.first_failure.unwrap_or_default()
        );
    }
    Ok(outcome)
}

fn latency(outcome: &Outcome) -> String {
    format!(
        "p50 {:.1} ms, p99 {:.1} ms",
        ms(quantile(&outcome.latencies, 0.5)),
        ms(quantile(&outcome.latencies, 0.99))
    )
}

async fn filled(
    engine: Engine,
    docs: Vec<metal_model::doc::Doc>,
) -> anyhow::Result<(tempfile::TempDir, Vec<server::Etcd>, Server)> {
    let dir = work_dir()?;
    let members = if engine == Engine::Etcd { server::etcd(1)? } else { Vec::new() };
    let target = match engine {
        // The server keeps its documents in this directory of its data directory.
        Engine::Embedded => EngineConfig::Embedded { dir: dir.path().join("store") },
        Engine::Etcd => server::etcd_engine(&members),
    };
    fill::write(target, docs).await?;
    let running = Server::start(dir.path(), (engine == Engine::Etcd).then_some(&members[..])).await?;
    Ok((dir, members, running))
}

/// Durable address acquires per second by 256 clients in networks of different fill.
pub async fn ip_acquires(report: &mut Report, engine: Engine) -> anyhow::Result<()> {
    let now = metal_runtime::clock::now();
    let (_dir, _members, server) = filled(engine, fill::base(now)).await?;
    let (label, target, fills, total): (_, _, &[usize], _) = match engine {
        Engine::Embedded => ("embedded", ">= 10000", &[0, 1_000, 10_000, 50_000], 20_000),
        Engine::Etcd => ("etcd", "", &[0, 10_000], 5_000),
    };
    let mut rates = Vec::new();
    for (n, used) in fills.iter().enumerate() {
        let body =
            json!({"networkid": format!("internet-{n}"), "projectid": fill::PROJECT, "type": "ephemeral"});
        if *used > 0 {
            checked(
                load::run(&server.address, &server.signer, 256, *used, false, post("/v1/ip/allocate", &body))
                    .await?,
                "fill network",
            )?;
        }
        let outcome =
            load::run(&server.address, &server.signer, 256, total, true, post("/v1/ip/allocate", &body))
                .await?;
        let outcome = checked(outcome, "acquire addresses")?;
        distinct(&outcome, "ipaddress", total)?;
        rates.push(outcome.rate());
        report.add(
            &format!("IP acquires, {label}, 256 concurrent, {used} used"),
            outcome.rate(),
            "/s",
            target,
            latency(&outcome),
        );
    }
    let (least, most) = rates.iter().fold((f64::MAX, 0.0_f64), |(a, b), rate| (a.min(*rate), b.max(*rate)));
    report.add(&format!("IP acquires, {label}: slowest / fastest"), least / most, "ratio", ">= 0.8", "");
    Ok(())
}

fn distinct(outcome: &Outcome, field: &str, total: usize) -> anyhow::Result<()> {
    let mut seen = HashSet::new();
    for body in &outcome.bodies {
        let value: serde_json::Value = serde_json::from_slice(body).context("read an answer")?;
        seen.insert(value[field].as_str().unwrap_or_default().to_owned());
    }
    if seen.len() != total {
        bail!("{} distinct values of {field} in {total} answers", seen.len());
    }
    Ok(())
}

/// Allocations per second by 1,000 clients on 10,000 free machines, until none is left.
pub async fn allocations(report: &mut Report, engine: Engine) -> anyhow::Result<()> {
    let now = metal_runtime::clock::now();
    let (count, label) = if engine == Engine::Embedded { (10_000, "embedded") } else { (1_000, "etcd") };
    let mut docs = fill::base(now);
    docs.extend(fill::machines(now, count, 0));
    let (_dir, _members, server) = filled(engine, docs).await?;
    let body = json!({
        "name": "bench", "projectid": fill::PROJECT, "partitionid": fill::PARTITION, "sizeid": fill::SIZE, "imageid": fill::IMAGE,
        "ssh_pub_keys": [], "networks": [{"networkid": fill::CHILD, "autoacquire": true}], "tags": ["bench"],
    });
    let run = load::run(
        &server.address,
        &server.signer,
        1_000.min(count),
        count,
        true,
        post("/v1/machine/allocate", &body),
    )
    .await?;
    let outcome = checked(run, "allocate machines")?;
    distinct(&outcome, "id", count)?;
    let note = format!("{}, each of {count} machines once", latency(&outcome));
    report.add(
        &format!("machine allocations, {label}, 1,000 concurrent"),
        outcome.rate(),
        "/s",
        ">= 1000",
        note,
    );
    Ok(())
}

/// `GET /v1/machine` of 10,000 machines: whole answer and first byte.
pub async fn list(report: &mut Report) -> anyhow::Result<()> {
    let now = metal_runtime::clock::now();
    let mut docs = fill::base(now);
    docs.extend(fill::machines(now, 10_000, 5_000));
    let (_dir, _members, server) = filled(Engine::Embedded, docs).await?;
    let mut sender = load::connect(&server.address).await?;
    let (mut whole, mut first, mut bytes) = (Vec::new(), Vec::new(), 0);
    for _ in 0..15 {
        let mut request = http::Request::builder().uri("/v1/machine").header("host", "bench");
        for (name, value) in server.signer.headers(&Method::GET) {
            request = request.header(name, value);
        }
        sender.ready().await?;
        let start = Instant::now();
        let mut body = sender.send_request(request.body(Full::new(Bytes::new()))?).await?.into_body();
        bytes = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame?;
            if let Some(data) = frame.data_ref() {
                if bytes == 0 {
                    first.push(start.elapsed());
                }
                bytes += data.len();
            }
        }
        whole.push(start.elapsed());
    }
    whole.sort_unstable();
    first.sort_unstable();
    let note = format!("median of {}, {} MB", whole.len(), bytes >> 20);
    report.add("GET /v1/machine, 10,000 machines, whole", ms(quantile(&whole, 0.5)), "ms", "<= 150", note);
    report.add("GET /v1/machine, 10,000 machines, first byte", ms(quantile(&first, 0.5)), "ms", "<= 20", "");
    Ok(())
}

/// Start, memory and reads of a large fleet, all of it allocated in projects of fifty.
pub async fn large_fleet(report: &mut Report, machines: usize) -> anyhow::Result<()> {
    let now = metal_runtime::clock::now();
    let mut docs = fill::base(now);
    docs.extend(fill::machines(now, machines, machines));
    let (_dir, _members, server) = filled(Engine::Embedded, docs).await?;
    let label = format!("{machines} machines");
    report.add(&format!("start from disk, {label}"), server.started_in.as_secs_f64(), "s", "<= 5", "");
    report.add(
        &format!("memory after start, {label}"),
        footprint::resident_mib(server.process.id())?,
        "MiB",
        "<= 1536",
        "resident",
    );

    let get: Make = Arc::new(move |n| {
        (Method::GET, format!("/v1/machine/{}", fill::machine_id(n * 7919 % machines)), Bytes::new())
    });
    let outcome =
        checked(load::run(&server.address, &server.signer, 64, 100_000, false, get).await?, "get machines")?;
    report.add(
        &format!("GET /v1/machine/{{id}}, {label}"),
        outcome.rate(),
        "/s",
        ">= 20000",
        latency(&outcome),
    );

    let find: Make = Arc::new(move |n| {
        let body = json!({"allocation_project": fill::project_of(n * 7919 % machines)}).to_string();
        (Method::POST, "/v1/machine/find".to_owned(), Bytes::from(body))
    });
    let outcome =
        checked(load::run(&server.address, &server.signer, 64, 10_000, false, find).await?, "find machines")?;
    report.add(
        &format!("POST /v1/machine/find by project, 50 of {label}"),
        outcome.rate(),
        "/s",
        ">= 5000",
        latency(&outcome),
    );
    report.add(
        &format!("memory after load, {label}"),
        footprint::resident_mib(server.process.id())?,
        "MiB",
        "<= 1536",
        "resident",
    );
    Ok(())
}
