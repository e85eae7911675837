//! Reaching the agents' API: being somebody there, staying so, and connections that come back.
//!
//! A switch without a certificate trades its one-time token for one and keeps it, with its key, in one file in the state
//! directory, so that a crash leaves both or none. It is renewed when two thirds of its remaining life are over. Connections
//! made before go on; new calls use the new certificate.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use metal_proto::v1::join_service_client::JoinServiceClient;
use metal_proto::v1::switch_service_client::SwitchServiceClient;
use metal_proto::v1::{CertificateResponse, JoinRequest, RenewRequest};
use metal_runtime::pki::{self, Identity};
use metal_runtime::tls::{self, KeyPair};
use metal_runtime::{Secret, TaskTree, chain, clock, file};
use tokio::sync::watch;
use tokio::time::sleep;
use tonic::Status;
use tonic::transport::{Certificate, Channel, ClientTlsConfig};

use crate::config::{Api, Config};

/// Nothing the control plane does for us takes longer.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long a connection may be silent until it is asked for a sign of life, and how long that may take.
const PING_EVERY: Duration = Duration::from_secs(10);
const PING_PATIENCE: Duration = Duration::from_secs(5);
const CONNECT: Duration = Duration::from_secs(5);
/// Pauses between attempts to get a certificate.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Why there is no access.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// A file cannot be read.
    #[error("read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// There is neither a certificate nor a token.
    #[error("there is no certificate in {} and api.token_file is not given", .0.display())]
    NoToken(PathBuf),
    /// What is kept cannot be used.
    #[error("use the certificate and key in {}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: tls::TlsError,
    },
    /// The address or the certificates make no channel.
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
    /// The certificate cannot be kept.
    #[error("keep the certificate")]
    Keep(#[source] file::WriteError),
    /// The control plane does not give a certificate.
    #[error("{what} as {identity}")]
    Refused {
        /// Joining or renewing.
        what: &'static str,
        /// As whom.
        identity: String,
        /// Why not.
        #[source]
        source: Box<Status>,
    },
}

/// Makes clients; nothing until there is access.
#[derive(Debug, Clone)]
pub struct Endpoint {
    channel: watch::Receiver<Option<Channel>>,
}

impl Endpoint {
    /// A client of the switches' service, once there is access. Never resolves if there never is.
    pub async fn switch(&mut self) -> SwitchServiceClient<Channel> {
        match self.channel.wait_for(Option::is_some).await.map(|channel| channel.clone()) {
            Ok(Some(channel)) => SwitchServiceClient::new(channel),
            // The process is ending.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// Resolves when connections are to be made with another certificate.
    pub async fn changed(&mut self) {
        self.channel.mark_unchanged();
        if self.channel.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Waits for an answer as long as any answer may take.
///
/// # Errors
/// The answer's, or that there was none in time.
pub async fn patiently<T>(call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    tokio::time::timeout(PATIENCE, call)
        .await
        .unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer in time")))
}

/// Who we are, and the files that prove it.
pub struct Access {
    api: Api,
    identity: Identity,
    kept: PathBuf,
    authority: PathBuf,
    channel: watch::Sender<Option<Channel>>,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl Access {
    /// Access of this switch; nothing is read yet.
    #[must_use]
    pub fn new(config: &Config, api: &Api) -> Self {
        Self {
            api: api.clone(),
            identity: Identity::Switch {
                partition: config.partition.clone(),
                id: config.hostname.to_string(),
            },
            kept: config.state_dir.join("agent.pem"),
            authority: config.state_dir.join("authority.pem"),
            channel: watch::Sender::new(None),
        }
    }

    /// Where clients come from.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        Endpoint { channel: self.channel.subscribe() }
    }

    /// Gets access and keeps it until cancelled.
    pub async fn run(self, tree: TaskTree) {
        tokio::select! {
            () = tree.cancelled() => {}
            () = self.keep() => {}
        }
    }

    async fn keep(&self) {
        let mut pause = Duration::from_millis(500);
        let own = loop {
            match self.obtain().await.and_then(|own| self.open(&own).map(|()| own)) {
                Ok(own) => break own,
                Err(error) => tracing::warn!(error = chain(&error), "no access to the control plane"),
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        };
        if self.api.own_files.is_some() {
            return std::future::pending().await;
        }
        self.renew_for_ever(own).await;
    }

    async fn renew_for_ever(&self, mut own: KeyPair) {
        loop {
            sleep(pause_until_renewal(&own.certificate_pem, clock::now())).await;
            match self.renew(&own).await {
                Ok(fresh) => {
                    tracing::info!(identity = %self.identity, "certificate renewed");
                    own = fresh;
                }
                Err(error) => {
                    tracing::warn!(error = chain(&error), "certificate not renewed");
                    sleep(LONGEST_PAUSE).await;
                }
            }
        }
    }

    /// The certificate and key that are there, or new ones for the token.
    async fn obtain(&self) -> Result<KeyPair, AccessError> {
        if let Some((certificate, key)) = &self.api.own_files {
            return checked(read(certificate)?, read(key)?.into(), certificate.clone());
        }
        if self.kept.exists() {
            let text = read(&self.kept)?;
            return checked(text.clone(), text.into(), self.kept.clone());
        }
        let token = self.api.token_file.as_ref().ok_or_else(|| AccessError::NoToken(self.kept.clone()))?;
        let token = read(token)?;
        let request = pki::request().map_err(AccessError::Request)?;
        let join = JoinRequest {
            token: token.trim().to_owned(),
            csr_pem: request.csr_pem,
            identity: self.identity.to_string(),
        };
        let mut client = JoinServiceClient::new(self.channel(None)?);
        let answer = patiently(client.join(join)).await.map_err(|source| self.refused("join", source))?;
        tracing::info!(identity = %self.identity, "joined");
        self.store(answer.into_inner(), request.key_pem)
    }

    async fn renew(&self, own: &KeyPair) -> Result<KeyPair, AccessError> {
        let request = pki::request().map_err(AccessError::Request)?;
        let mut client = JoinServiceClient::new(self.channel(Some(own))?);
        let renew = RenewRequest { csr_pem: request.csr_pem };
        let answer = patiently(client.renew(renew))
            .await
            .map_err(|source| self.refused("renew the certificate", source))?;
        let own = self.store(answer.into_inner(), request.key_pem)?;
        self.open(&own)?;
        Ok(own)
    }

    fn refused(&self, what: &'static str, source: Status) -> AccessError {
        AccessError::Refused { what, identity: self.identity.to_string(), source: Box::new(source) }
    }

    fn store(&self, answer: CertificateResponse, key_pem: Secret<String>) -> Result<KeyPair, AccessError> {
        if !answer.ca_pem.is_empty() {
            file::write_private(&self.authority, answer.ca_pem.as_bytes()).map_err(AccessError::Keep)?;
        }
        let both = Secret::new(format!("{}\n{}", answer.certificate_pem.trim_end(), key_pem.expose()));
        file::write_private(&self.kept, both.expose().as_bytes()).map_err(AccessError::Keep)?;
        Ok(KeyPair { certificate_pem: answer.certificate_pem, key_pem })
    }

    fn open(&self, own: &KeyPair) -> Result<(), AccessError> {
        self.channel.send_replace(Some(self.channel(Some(own))?));
        Ok(())
    }

    /// A channel that connects when it is first used, and again when it was cut.
    fn channel(&self, own: Option<&KeyPair>) -> Result<Channel, AccessError> {
        let fail = |source| AccessError::Channel { address: self.api.address.clone(), source };
        let mut authorities = read(&self.api.ca_file)?;
        if self.authority.exists() {
            authorities = format!("{}\n{}", authorities.trim_end(), read(&self.authority)?);
        }
        let mut tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(&authorities))
            .domain_name(&self.api.server_name);
        if let Some(own) = own {
            tls = tls
                .identity(tonic::transport::Identity::from_pem(&own.certificate_pem, own.key_pem.expose()));
        }
        let endpoint = tonic::transport::Endpoint::from_shared(format!("https://{}", self.api.address))
            .and_then(|endpoint| endpoint.tls_config(tls))
            .map_err(fail)?;
        Ok(endpoint
            .connect_timeout(CONNECT)
            .http2_keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_PATIENCE)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(65_535)
            .initial_connection_window_size(65_535)
            .buffer_size(8)
            .connect_lazy())
    }
}

fn read(path: &PathBuf) -> Result<String, AccessError> {
    std::fs::read_to_string(path).map_err(|source| AccessError::Read { path: path.clone(), source })
}

/// Certificate and key, if they can be parsed.
fn checked(certificate_pem: String, key_pem: Secret<String>, path: PathBuf) -> Result<KeyPair, AccessError> {
    let unusable = |source| AccessError::Unusable { path, source };
    match tls::parse_certificates(&certificate_pem).and_then(|_| tls::parse_key(&key_pem)) {
        Ok(_) => Ok(KeyPair { certificate_pem, key_pem }),
        Err(source) => Err(unusable(source)),
    }
}

/// Two thirds of what is left of the certificate's life, a minute at least: a control plane whose clock is off must not be
/// asked in a tight loop.
fn pause_until_renewal(certificate_pem: &str, now: Timestamp) -> Duration {
    let expires = pki::expiry(certificate_pem).unwrap_or(now);
    let left = Duration::try_from(expires.duration_since(now)).unwrap_or_default();
    (left * 2 / 3).max(Duration::from_secs(60))
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn certificates_are_renewed_well_before_they_end() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let authority = pki::Authority::generate("test", SignedDuration::from_hours(9000), now).unwrap();
        let life = SignedDuration::from_hours(90 * 24);
        let identity = Identity::Switch { partition: "fra".to_owned(), id: "leaf01".to_owned() };
        let (own, _) = authority.issue(&identity, &[], life, now).unwrap();
        let pause = pause_until_renewal(&own.certificate_pem, now);
        assert_eq!(pause, Duration::from_secs(60 * 24 * 3600));
        let late = pause_until_renewal(&own.certificate_pem, now + SignedDuration::from_hours(100 * 24));
        assert_eq!(late, Duration::from_secs(60));
    }
}
