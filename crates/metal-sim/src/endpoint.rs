//! Reaching the control plane: lazily connected channels over mutual TLS, and joining with a one-time token.

use std::time::Duration;

use metal_proto::v1::JoinRequest;
use metal_proto::v1::join_service_client::JoinServiceClient;
use metal_runtime::pki;
use metal_runtime::tls::KeyPair;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity};

/// Where the agents' API is and whom to trust there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// `host:port`.
    pub address: String,
    /// The name in the server's certificate.
    pub server_name: String,
    /// The authority, PEM.
    pub ca_pem: String,
}

/// Why a simulation cannot run.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// The endpoint makes no channel.
    #[error("open a channel to {address}")]
    Channel {
        /// Where to.
        address: String,
        /// Why not.
        #[source]
        source: tonic::transport::Error,
    },
    /// No key could be made.
    #[error("make a signing request")]
    Request(#[source] pki::PkiError),
    /// The control plane does not accept the token.
    #[error("join as {identity}")]
    Join {
        /// As whom.
        identity: String,
        /// Why not.
        #[source]
        source: Box<tonic::Status>,
    },
    /// A switch of the plan has no credentials.
    #[error("no credentials for switch {0}")]
    Credentials(String),
    /// The machine's system failed.
    #[error("{what} the system of a machine")]
    System {
        /// What it was to do.
        what: &'static str,
        /// Why it cannot.
        #[source]
        source: crate::system::Failure,
    },
    /// A machine of the site has no system.
    #[error("no system for machine {0}")]
    NoSystem(uuid::Uuid),
    /// The plan is larger than a simulated data centre gets.
    #[error("{0}")]
    Plan(String),
}

impl Endpoint {
    /// A channel that connects when it is first used, and again when it was cut.
    ///
    /// # Errors
    /// Fails on a malformed address, authority or key pair.
    pub fn channel(&self, own: Option<&KeyPair>) -> Result<Channel, SimError> {
        let fail = |source| SimError::Channel { address: self.address.clone(), source };
        let mut tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(&self.ca_pem))
            .domain_name(&self.server_name);
        if let Some(own) = own {
            tls = tls.identity(Identity::from_pem(&own.certificate_pem, own.key_pem.expose()));
        }
        let endpoint = tonic::transport::Endpoint::from_shared(format!("https://{}", self.address))
            .and_then(|endpoint| endpoint.tls_config(tls))
            .map_err(fail)?;
        Ok(endpoint
            .connect_timeout(Duration::from_secs(10))
            .http2_keep_alive_interval(Duration::from_secs(30))
            .keep_alive_while_idle(true)
            // A thousand machines share this process: no more than the protocol's smallest default each.
            .initial_stream_window_size(65_535)
            .initial_connection_window_size(65_535)
            .buffer_size(8)
            .connect_lazy())
    }
}

/// Trades a one-time token for a certificate.
///
/// # Errors
/// Fails when the control plane cannot be reached or refuses the token.
pub async fn join(endpoint: &Endpoint, token: &str, identity: &pki::Identity) -> Result<KeyPair, SimError> {
    let request = pki::request().map_err(SimError::Request)?;
    let answer = JoinServiceClient::new(endpoint.channel(None)?)
        .join(JoinRequest {
            token: token.to_owned(),
            csr_pem: request.csr_pem,
            identity: identity.to_string(),
        })
        .await
        .map_err(|source| SimError::Join { identity: identity.to_string(), source: Box::new(source) })?
        .into_inner();
    Ok(KeyPair { certificate_pem: answer.certificate_pem, key_pem: request.key_pem })
}
