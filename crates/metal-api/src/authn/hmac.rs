//! The signatures of the three technical users: HMAC-SHA256 over time, method and salt. Neither path nor body is
//! signed; that is what existing clients do, and why the lifetime is short and TLS belongs in front.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use http::HeaderMap;
use jiff::Timestamp;
use metal_model::v1::Access;
use metal_plan::Caller;

use super::{AuthError, User};
use crate::authz;
use crate::config::{Config, HmacKey};

/// Header with the time that is signed.
pub const DATE: &str = "x-date";
/// Header with the random text that is signed.
pub const SALT: &str = "x-data-salt";

/// The three technical users and their keys.
#[derive(Debug)]
pub struct Hmac {
    users: [Technical; 3],
}

#[derive(Debug)]
struct Technical {
    kind: &'static str,
    key: hmac::Key,
    lifetime: Duration,
    user: Arc<User>,
}

impl Technical {
    fn new(kind: &'static str, role: Access, key: &HmacKey, tenant: &str) -> Self {
        let email = format!("{}@metal-stack.io", kind.to_ascii_lowercase());
        let caller = Caller { name: kind.to_owned(), email, tenant: tenant.to_owned() };
        let groups = authz::groups(role).iter().map(ToString::to_string).collect();
        Self {
            kind,
            key: hmac::Key::new(hmac::HMAC_SHA256, key.key.expose().as_bytes()),
            lifetime: key.lifetime,
            user: Arc::new(User::new(caller, groups)),
        }
    }
}

impl Hmac {
    /// From the configuration.
    pub fn new(config: &Config) -> Self {
        let technical = |kind, role, key| Technical::new(kind, role, key, &config.provider_tenant);
        Self {
            users: [
                technical("Metal-View", Access::View, &config.hmac.view),
                technical("Metal-Edit", Access::Edit, &config.hmac.edit),
                technical("Metal-Admin", Access::Admin, &config.hmac.admin),
            ],
        }
    }

    /// The user whose signature this is; none when it is no signature of ours.
    pub fn identify(
        &self,
        shown: &str,
        method: &str,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<Option<Arc<User>>, AuthError> {
        let Some((kind, signature)) = shown.split_once(' ').filter(|(_, rest)| !rest.contains(' ')) else {
            return Ok(None);
        };
        let Some(technical) = self.users.iter().find(|t| t.kind == kind) else { return Ok(None) };
        let text = |name| headers.get(name).map_or(Ok(""), http::HeaderValue::to_str);
        let date = text(DATE).map_err(|_| AuthError::Date)?;
        let salt = text(SALT).map_err(|_| AuthError::Signature)?;
        let date: Timestamp = date.parse().map_err(|_| AuthError::Date)?;
        let lifetime = technical.lifetime;
        if !lifetime.is_zero()
            && now.duration_since(date) > jiff::SignedDuration::try_from(lifetime).unwrap_or_default()
        {
            return Err(AuthError::Expired);
        }
        let signature = unhex(signature).ok_or(AuthError::Signature)?;
        hmac::verify(&technical.key, message(date, method, salt).as_bytes(), &signature)
            .map_err(|_| AuthError::Signature)?;
        Ok(Some(technical.user.clone()))
    }
}

/// What is signed: the time in whole seconds, the method, the salt.
fn message(date: Timestamp, method: &str, salt: &str) -> String {
    let seconds = Timestamp::from_second(date.as_second()).unwrap_or(date);
    format!("{seconds}{method}{salt}")
}

/// The signature of a request, as clients send it.
pub fn sign(key: &str, date: Timestamp, method: &str, salt: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    let tag = hmac::sign(&key, message(date, method, salt).as_bytes());
    tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads lower-case hexadecimal digits.
fn unhex(text: &str) -> Option<[u8; 32]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let text: &[u8; 64] = text.as_bytes().try_into().ok()?;
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use metal_runtime::Secret;

    use super::*;

    const SALTED: &str = "abcdefghijklmnopqrstuvwx";
    const VECTOR: &str = "6e53f61787e125661d1d4fbae56ea4b8aaa0874a299f84b4cfc1a0eaa27e571f";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn hmac() -> Hmac {
        let mut config = Config::default();
        config.hmac.admin = HmacKey { key: Secret::from("metal-admin"), lifetime: Duration::from_secs(90) };
        Hmac::new(&config)
    }

    fn identify(shown: &str, date: &str, method: &str, salt: &str) -> Result<Option<Arc<User>>, AuthError> {
        let mut headers = HeaderMap::new();
        headers.insert(DATE, date.parse().unwrap());
        headers.insert(SALT, salt.parse().unwrap());
        hmac().identify(shown, method, &headers, at("2024-01-01T00:01:00Z"))
    }

    #[test]
    fn agrees_with_the_published_vector() {
        let date = "2024-01-01T00:00:00Z";
        assert_eq!(sign("metal-admin", at(date), "GET", SALTED), VECTOR);
        let shown = format!("Metal-Admin {VECTOR}");
        let user = identify(&shown, date, "GET", SALTED).unwrap().unwrap();
        assert_eq!(user.role, Access::Admin);
        assert_eq!(user.caller.email, "metal-admin@metal-stack.io");
        // Fractions are dropped and offsets converted before signing.
        assert!(identify(&shown, "2024-01-01T02:00:00.9+02:00", "GET", SALTED).unwrap().is_some());
        assert_eq!(identify(&shown, date, "POST", SALTED), Err(AuthError::Signature));
        assert_eq!(identify(&shown, date, "GET", "other"), Err(AuthError::Signature));
        assert_eq!(
            identify(&shown.to_uppercase().replace("METAL-ADMIN", "Metal-Admin"), date, "GET", SALTED),
            Err(AuthError::Signature)
        );
    }

    #[test]
    fn age_is_limited_and_the_future_is_not() {
        let shown = |date: &str| format!("Metal-Admin {}", sign("metal-admin", at(date), "GET", SALTED));
        let old = "2023-12-31T23:59:29Z";
        assert_eq!(identify(&shown(old), old, "GET", SALTED), Err(AuthError::Expired));
        let coming = "2034-01-01T00:00:00Z";
        assert!(identify(&shown(coming), coming, "GET", SALTED).unwrap().is_some());
        assert_eq!(identify(&shown(coming), "tomorrow", "GET", SALTED), Err(AuthError::Date));
    }

    #[test]
    fn other_schemes_are_left_to_others() {
        let date = "2024-01-01T00:00:00Z";
        for shown in ["Bearer x", "Metal-Admin", "Metal-Admin a b", "Metal-Viewer x", ""] {
            assert_eq!(identify(shown, date, "GET", SALTED), Ok(None), "{shown}");
        }
        for shown in ["Metal-View ", "Metal-View zz", &format!("Metal-View {VECTOR}")] {
            assert_eq!(
                identify(shown, date, "GET", SALTED),
                Err(AuthError::Expired),
                "view lasts 30 s: {shown}"
            );
        }
    }
}
