//! Identities and their written form, `metal://<kind>/<part>/...`.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

const SCHEME: &str = "metal://";

/// Who holds a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Identity {
    /// A control plane server, by its DNS name.
    Server(String),
    /// The management server of a partition.
    Partition(String),
    /// A switch of a partition.
    Switch {
        /// The partition it stands in.
        partition: String,
        /// Its id.
        id: String,
    },
    /// One boot of one machine.
    Machine {
        /// The partition it boots in.
        partition: String,
        /// Its UUID.
        machine: Uuid,
        /// Names the boot; a certificate of an earlier boot has another.
        boot: String,
    },
}

/// Why a text or certificate names no identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The URI is not one of ours.
    #[error("{0:?} is not an identity")]
    Malformed(String),
    /// The bytes are no certificate.
    #[error("the certificate cannot be parsed")]
    NotACertificate,
    /// The certificate names no identity, or more than one.
    #[error("the certificate holds {0} identities instead of one")]
    Count(usize),
}

impl Identity {
    /// The partition the holder acts in, if it is bound to one.
    #[must_use]
    pub fn partition(&self) -> Option<&str> {
        match self {
            Self::Server(_) => None,
            Self::Partition(partition) | Self::Switch { partition, .. } | Self::Machine { partition, .. } => {
                Some(partition)
            }
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SCHEME)?;
        match self {
            Self::Server(name) => write!(f, "server/{}", Part(name)),
            Self::Partition(id) => write!(f, "partition/{}", Part(id)),
            Self::Switch { partition, id } => write!(f, "switch/{}/{}", Part(partition), Part(id)),
            Self::Machine { partition, machine, boot } => {
                write!(f, "machine/{}/{machine}/{}", Part(partition), Part(boot))
            }
        }
    }
}

/// One path segment, percent-encoded so that no id can pretend to be two segments.
struct Part<'a>(&'a str);

impl fmt::Display for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                write!(f, "{}", char::from(byte))?;
            } else {
                write!(f, "%{byte:02X}")?;
            }
        }
        Ok(())
    }
}

fn decode(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first == b'%' {
            let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok().filter(|text| !text.is_empty())
}

impl FromStr for Identity {
    type Err = IdentityError;

    fn from_str(uri: &str) -> Result<Self, Self::Err> {
        parse(uri).ok_or_else(|| IdentityError::Malformed(uri.to_owned()))
    }
}

fn parse(uri: &str) -> Option<Identity> {
    let mut parts = uri.strip_prefix(SCHEME)?.split('/');
    let kind = parts.next()?;
    let parts = parts.map(decode).collect::<Option<Vec<_>>>()?;
    match (kind, parts.as_slice()) {
        ("server", [name]) => Some(Identity::Server(name.clone())),
        ("partition", [id]) => Some(Identity::Partition(id.clone())),
        ("switch", [partition, id]) => {
            Some(Identity::Switch { partition: partition.clone(), id: id.clone() })
        }
        ("machine", [partition, machine, boot]) => Some(Identity::Machine {
            partition: partition.clone(),
            machine: machine.parse().ok()?,
            boot: boot.clone(),
        }),
        _ => None,
    }
}

/// The one identity in a peer's certificate (DER). The caller has verified the certificate; this only reads it.
///
/// # Errors
/// Fails when the bytes are no certificate or it does not name exactly one identity.
pub fn peer_identity(certificate: &[u8]) -> Result<Identity, IdentityError> {
    let (_, certificate) =
        X509Certificate::from_der(certificate).map_err(|_| IdentityError::NotACertificate)?;
    let names = certificate.subject_alternative_name().map_err(|_| IdentityError::NotACertificate)?;
    let uris: Vec<&str> = names
        .iter()
        .flat_map(|extension| &extension.value.general_names)
        .filter_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        })
        .collect();
    match uris.as_slice() {
        [uri] => uri.parse(),
        other => Err(IdentityError::Count(other.len())),
    }
}

/// When a certificate (PEM, the first one) ends. The caller has not verified it; this only reads it.
///
/// # Errors
/// Fails when the text holds no certificate.
pub fn expiry(certificate_pem: &str) -> Result<jiff::Timestamp, IdentityError> {
    let chain =
        crate::tls::parse_certificates(certificate_pem).map_err(|_| IdentityError::NotACertificate)?;
    let (_, certificate) =
        X509Certificate::from_der(&chain[0]).map_err(|_| IdentityError::NotACertificate)?;
    jiff::Timestamp::from_second(certificate.validity().not_after.timestamp())
        .map_err(|_| IdentityError::NotACertificate)
}
