//! TLS settings for both ends: one provider, PEM in, rustls configurations out.
//!
//! Clients trust only the authority they are given, never the system's roots. Certificate times are judged by our
//! [`Clock`], so that tests own the time here too.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::clock::Clock;
use crate::secret::Secret;

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// PEM text is malformed.
    #[error("parse {what} from PEM")]
    Pem {
        /// Certificate or key.
        what: &'static str,
        /// What is wrong.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// PEM text holds no certificate.
    #[error("no certificate in the PEM text")]
    NoCertificate,
    /// The certificate and key do not work, or not together.
    #[error("use the certificate and key")]
    Rejected(#[source] rustls::Error),
    /// The authority cannot be used to verify clients.
    #[error("use the authority to verify clients")]
    Verifier(#[source] rustls::server::VerifierBuilderError),
}

/// Whether a server asks its clients for a certificate.
#[derive(Clone, Debug)]
pub enum ClientAuth {
    /// It does not.
    None,
    /// It does, and accepts clients without one; a wrong one is refused. The authority is PEM.
    Optional(String),
    /// It does and insists. The authority is PEM.
    Required(String),
}

/// A certificate chain with its private key, both PEM.
#[derive(Clone, Debug)]
pub struct KeyPair {
    /// The chain, leaf first.
    pub certificate_pem: String,
    /// The key (PKCS#8, PKCS#1 or SEC1).
    pub key_pem: Secret<String>,
}

/// Makes aws-lc-rs the process's TLS provider; calling it again does nothing.
pub fn install_provider() {
    // Fails only if one is installed already, and ours is the only one in the tree.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// All certificates of a PEM text, at least one.
///
/// # Errors
/// Fails on malformed PEM and when there is none.
pub fn parse_certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| TlsError::Pem { what: "a certificate", source })?;
    if certificates.is_empty() { Err(TlsError::NoCertificate) } else { Ok(certificates) }
}

/// The private key of a PEM text.
///
/// # Errors
/// Fails on malformed PEM and when there is none.
pub fn parse_key(pem: &Secret<String>) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(pem.expose().as_bytes())
        .map_err(|source| TlsError::Pem { what: "a private key", source })
}

fn roots(authority_pem: &str) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in parse_certificates(authority_pem)? {
        roots.add(certificate).map_err(TlsError::Rejected)?;
    }
    Ok(roots)
}

/// A server's settings; `alpn` lists the protocols it offers, best first (`h2`, `http/1.1`).
///
/// # Errors
/// Fails on malformed PEM or a key that does not belong to the certificate.
pub fn server_config(
    own: &KeyPair,
    client_auth: &ClientAuth,
    clock: &Clock,
    alpn: &[&str],
) -> Result<ServerConfig, TlsError> {
    let builder = ServerConfig::builder_with_details(provider(), Arc::new(clock.clone()))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Rejected)?;
    let verifier = |authority: &str| {
        Ok(WebPkiClientVerifier::builder_with_provider(Arc::new(roots(authority)?), provider()))
    };
    let builder = match client_auth {
        ClientAuth::None => builder.with_no_client_auth(),
        ClientAuth::Optional(authority) => builder.with_client_cert_verifier(
            verifier(authority)?.allow_unauthenticated().build().map_err(TlsError::Verifier)?,
        ),
        ClientAuth::Required(authority) => {
            builder.with_client_cert_verifier(verifier(authority)?.build().map_err(TlsError::Verifier)?)
        }
    };
    let mut config = builder
        .with_single_cert(parse_certificates(&own.certificate_pem)?, parse_key(&own.key_pem)?)
        .map_err(TlsError::Rejected)?;
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Ok(config)
}

/// A client's settings, trusting `authority_pem` only, showing `own` if asked.
///
/// # Errors
/// Fails on malformed PEM or a key that does not belong to the certificate.
pub fn client_config(
    authority_pem: &str,
    own: Option<&KeyPair>,
    clock: &Clock,
    alpn: &[&str],
) -> Result<ClientConfig, TlsError> {
    let builder = ClientConfig::builder_with_details(provider(), Arc::new(clock.clone()))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Rejected)?
        .with_root_certificates(roots(authority_pem)?);
    let mut config = match own {
        None => builder.with_no_client_auth(),
        Some(own) => builder
            .with_client_auth_cert(parse_certificates(&own.certificate_pem)?, parse_key(&own.key_pem)?)
            .map_err(TlsError::Rejected)?,
    };
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Ok(config)
}
