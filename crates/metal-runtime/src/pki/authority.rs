//! Issuing: a self-signed authority, leaf certificates from it, and signing requests for it.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SanType, SerialNumber, string::Ia5String,
};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::{Identity, PkiError};
use crate::secret::Secret;
use crate::tls;

/// Clocks of agents differ from ours a little; certificates begin this much earlier.
const BACKDATED: SignedDuration = SignedDuration::from_mins(5);

/// An authority that can sign.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
    key_pem: Secret<String>,
    expires: Timestamp,
}

/// A certificate and when it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The certificate.
    pub certificate_pem: String,
    /// When it ends.
    pub expires: Timestamp,
}

/// A signing request with the private key that stays with the agent.
#[derive(Clone, Debug)]
pub struct SigningRequest {
    /// What is sent to the authority.
    pub csr_pem: String,
    /// What is not.
    pub key_pem: Secret<String>,
}

/// A fresh key and a signing request for it.
///
/// # Errors
/// Fails when no key can be generated.
pub fn request() -> Result<SigningRequest, PkiError> {
    let key = generate_key()?;
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    let csr = params.serialize_request(&key).map_err(crypto("make a signing request"))?;
    let csr_pem = csr.pem().map_err(crypto("encode a signing request"))?;
    Ok(SigningRequest { csr_pem, key_pem: Secret::new(key.serialize_pem()) })
}

fn generate_key() -> Result<KeyPair, PkiError> {
    KeyPair::generate().map_err(crypto("generate a key"))
}

fn crypto(what: &'static str) -> impl FnOnce(rcgen::Error) -> PkiError {
    move |source| PkiError::Crypto { what, source }
}

impl Authority {
    /// A new authority with a fresh key.
    ///
    /// # Errors
    /// Fails when no key can be generated or `validity` reaches beyond what a certificate can express.
    pub fn generate(name: &str, validity: SignedDuration, now: Timestamp) -> Result<Self, PkiError> {
        let key = generate_key()?;
        let expires = end(now, validity);
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        limit(&mut params, now, expires)?;
        let certificate = params.self_signed(&key).map_err(crypto("sign the authority's certificate"))?;
        let key_pem = Secret::new(key.serialize_pem());
        Ok(Self { issuer: Issuer::new(params, key), certificate_pem: certificate.pem(), key_pem, expires })
    }

    /// An authority as [`Authority::certificate_pem`] and [`Authority::key_pem`] gave it.
    ///
    /// # Errors
    /// Fails when either is malformed, they do not belong together, or the certificate is no authority's.
    pub fn from_pem(certificate_pem: &str, key_pem: &Secret<String>) -> Result<Self, PkiError> {
        let key = KeyPair::from_pem(key_pem.expose()).map_err(crypto("parse the authority's key"))?;
        let chain = tls::parse_certificates(certificate_pem).map_err(PkiError::Authority)?;
        let [der] = chain.as_slice() else {
            return Err(PkiError::NotAnAuthority("the PEM text holds more than one certificate"));
        };
        let (_, parsed) = X509Certificate::from_der(der)
            .map_err(|_| PkiError::NotAnAuthority("the certificate cannot be parsed"))?;
        if !parsed.is_ca() {
            return Err(PkiError::NotAnAuthority("the certificate may not sign others"));
        }
        if parsed.public_key().raw != key.subject_public_key_info() {
            return Err(PkiError::NotAnAuthority("the key is not the certificate's"));
        }
        let expires = Timestamp::from_second(parsed.validity().not_after.timestamp())
            .map_err(|_| PkiError::NotAnAuthority("the certificate's end is out of range"))?;
        let issuer =
            Issuer::from_ca_cert_der(der, key).map_err(crypto("parse the authority's certificate"))?;
        let certificate_pem = certificate_pem.to_owned();
        Ok(Self { issuer, certificate_pem, key_pem: key_pem.clone(), expires })
    }

    /// The authority's certificate: what peers trust.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The authority's key: what only it knows.
    #[must_use]
    pub fn key_pem(&self) -> &Secret<String> {
        &self.key_pem
    }

    /// When the authority ends; nothing it signs lasts longer.
    #[must_use]
    pub fn expires(&self) -> Timestamp {
        self.expires
    }

    /// Issues a certificate together with its key, for holders that live where the authority does. `names` are DNS
    /// names and IP addresses the holder serves under.
    ///
    /// # Errors
    /// Fails on a malformed name, when the authority has expired, or when signing fails.
    pub fn issue(
        &self,
        identity: &Identity,
        names: &[&str],
        validity: SignedDuration,
        now: Timestamp,
    ) -> Result<(tls::KeyPair, Timestamp), PkiError> {
        let key = generate_key()?;
        let signed = self.certify(&key, identity, names, validity, now)?;
        let key_pem = Secret::new(key.serialize_pem());
        Ok((tls::KeyPair { certificate_pem: signed.certificate_pem, key_pem }, signed.expires))
    }

    /// Signs a request. Only its public key is taken over; whatever else it asks for is ignored.
    ///
    /// # Errors
    /// Fails when the request is malformed or not signed by its own key, or the authority has expired.
    pub fn sign(
        &self,
        csr_pem: &str,
        identity: &Identity,
        validity: SignedDuration,
        now: Timestamp,
    ) -> Result<Signed, PkiError> {
        let csr = CertificateSigningRequestParams::from_pem(csr_pem)
            .map_err(crypto("parse the certificate signing request"))?;
        self.certify(&csr.public_key, identity, &[], validity, now)
    }

    fn certify(
        &self,
        key: &impl PublicKeyData,
        identity: &Identity,
        names: &[&str],
        validity: SignedDuration,
        now: Timestamp,
    ) -> Result<Signed, PkiError> {
        if now >= self.expires {
            return Err(PkiError::Expired(self.expires));
        }
        let uri = identity.to_string();
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, common_name(identity));
        params.subject_alt_names = vec![SanType::URI(ia5(&uri)?)];
        for name in names {
            params.subject_alt_names.push(match name.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(ia5(name)?),
            });
        }
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![match identity {
            Identity::Server(_) => ExtendedKeyUsagePurpose::ServerAuth,
            _ => ExtendedKeyUsagePurpose::ClientAuth,
        }];
        params.use_authority_key_identifier_extension = true;
        let expires = end(now, validity).min(self.expires);
        limit(&mut params, now, expires)?;
        let certificate = params.signed_by(key, &self.issuer).map_err(crypto("sign the certificate"))?;
        Ok(Signed { certificate_pem: certificate.pem(), expires })
    }
}

/// A name for people who look at the certificate; nothing trusts it. 64 characters is X.509's limit.
fn common_name(identity: &Identity) -> String {
    let name = match identity {
        Identity::Server(name) => name.clone(),
        Identity::Partition(id) | Identity::Switch { id, .. } => id.clone(),
        Identity::Machine { machine, .. } => machine.to_string(),
    };
    name.chars().take(64).collect()
}

fn ia5(name: &str) -> Result<Ia5String, PkiError> {
    Ia5String::try_from(name).map_err(|source| PkiError::Name { name: name.to_owned(), source })
}

/// Certificates count in whole seconds.
fn end(now: Timestamp, validity: SignedDuration) -> Timestamp {
    let end = now.saturating_add(validity).unwrap_or(Timestamp::MAX);
    Timestamp::from_second(end.as_second()).unwrap_or(end)
}

fn limit(params: &mut CertificateParams, now: Timestamp, expires: Timestamp) -> Result<(), PkiError> {
    let begins = now.saturating_sub(BACKDATED).unwrap_or(Timestamp::UNIX_EPOCH);
    let since_epoch = |time: Timestamp| {
        u64::try_from(time.as_second()).map(Duration::from_secs).map_err(|_| PkiError::Time(time))
    };
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + since_epoch(begins)?;
    params.not_after = epoch + since_epoch(expires)?;
    // Positive and never zero, as RFC 5280 wants.
    let mut serial = crate::clock::random::<16>();
    serial[0] = (serial[0] & 0x7f) | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    Ok(())
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("expires", &self.expires).finish_non_exhaustive()
    }
}
