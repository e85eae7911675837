//! Certificates for the partition and the switches: kept from an earlier run, or joined with fresh tokens.

use std::collections::BTreeMap;

use anyhow::Context as _;
use jiff::SignedDuration;
use metal_client::Client;
use metal_model::v1::{PkiCaResponse, PkiTokenRequest, PkiTokenResponse, operation};
use metal_runtime::clock;
use metal_runtime::pki::{self, Identity};
use metal_runtime::tls::KeyPair;
use metal_sim::{Access, Config, Endpoint};

use crate::directory::{Directory, Plan};

/// Certificates with less than this left are replaced.
const LEAST_LEFT: SignedDuration = SignedDuration::from_hours(24 * 14);

/// Everything the simulated agents need to reach the control plane.
pub async fn access(
    directory: &Directory,
    plan: &Plan,
    config: &Config,
    client: &Client,
) -> anyhow::Result<Access> {
    let mut access = partition_access(directory, plan, client).await?;
    for identity in config.identities()? {
        if let Identity::Switch { id, .. } = &identity {
            let own = credentials(directory, &access.endpoint, client, &identity).await?;
            access.switches.insert(id.clone(), own);
        }
    }
    Ok(access)
}

/// The same without switches, which join by themselves where they are real.
pub async fn partition_access(directory: &Directory, plan: &Plan, client: &Client) -> anyhow::Result<Access> {
    let ca: PkiCaResponse =
        client.request(&operation::GET_PKI_CA).send().await.context("ask for the agents' authority")?;
    let endpoint = Endpoint {
        address: format!("127.0.0.1:{}", plan.grpc_port),
        server_name: "localhost".to_owned(),
        ca_pem: ca.certificate,
    };
    let identity = Identity::Partition(plan.partition.clone());
    let partition = credentials(directory, &endpoint, client, &identity).await?;
    Ok(Access { endpoint, partition, switches: BTreeMap::new() })
}

async fn credentials(
    directory: &Directory,
    endpoint: &Endpoint,
    client: &Client,
    identity: &Identity,
) -> anyhow::Result<KeyPair> {
    let name = identity.to_string();
    if let Some(known) = directory.load_credentials(&name)
        && pki::expiry(&known.certificate_pem).is_ok_and(|expires| expires > clock::now() + LEAST_LEFT)
    {
        return Ok(known);
    }
    let request = PkiTokenRequest { identity: name.clone(), ttl_seconds: Some(600) };
    let token: PkiTokenResponse = client
        .request(&operation::CREATE_PKI_TOKEN)
        .body(&request)
        .send()
        .await
        .with_context(|| format!("get a join token for {name}"))?;
    let own = metal_sim::join(endpoint, &token.token, identity).await?;
    directory.store_credentials(&name, &own)?;
    Ok(own)
}
