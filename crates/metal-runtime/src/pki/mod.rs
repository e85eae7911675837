//! The built-in certificate authority: who a peer is, said by its certificate.
//!
//! Every agent has an identity of its own, written as a URI in its certificate: a server, a partition, a switch, or
//! one boot of one machine. Agents keep their private keys and hand in signing requests; of a request only the
//! public key is used, the identity is what the signer decided. Server certificates cannot authenticate a client's
//! role and clients' certificates cannot serve, because their extended key usages say so.

mod authority;
mod identity;

pub use authority::{Authority, Signed, SigningRequest, request};
pub use identity::{Identity, IdentityError, expiry, peer_identity};

/// Why a certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// Key generation, parsing or signing failed.
    #[error("{what}")]
    Crypto {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: rcgen::Error,
    },
    /// The authority's certificate cannot be parsed.
    #[error("parse the authority's certificate")]
    Authority(#[source] crate::tls::TlsError),
    /// The authority's certificate and key do not belong together, or it is not an authority.
    #[error("use the authority: {0}")]
    NotAnAuthority(&'static str),
    /// The authority has expired, it cannot sign any more.
    #[error("the authority expired at {0}")]
    Expired(jiff::Timestamp),
    /// A time lies outside what a certificate can express.
    #[error("express {0} in a certificate")]
    Time(jiff::Timestamp),
    /// A name in the certificate is not a DNS name or IP address.
    #[error("{name:?} is neither a DNS name nor an IP address")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        #[source]
        source: rcgen::Error,
    },
}

#[cfg(test)]
mod tests;
