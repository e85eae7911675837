//! Who is asking. Either three headers signed with a key that both sides know, or a bearer token.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::hmac;
use jiff::Timestamp;
use metal_runtime::{Secret, clock};

/// Type of an HMAC key, which is also its role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HmacKind {
    /// May read.
    View,
    /// May change.
    Edit,
    /// May do everything.
    #[default]
    Admin,
}

impl HmacKind {
    /// The type as it stands in the header.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::View => "Metal-View",
            Self::Edit => "Metal-Edit",
            Self::Admin => "Metal-Admin",
        }
    }
}

impl fmt::Display for HmacKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no type of key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no HMAC type; use Metal-View, Metal-Edit or Metal-Admin")]
pub struct UnknownHmacKind(String);

impl FromStr for HmacKind {
    type Err = UnknownHmacKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::View, Self::Edit, Self::Admin]
            .into_iter()
            .find(|k| k.as_str() == text)
            .ok_or_else(|| UnknownHmacKind(text.to_owned()))
    }
}

/// How requests are authenticated.
#[derive(Debug, Default)]
pub enum Auth {
    /// Not at all; enough for health and version.
    #[default]
    None,
    /// With a shared key.
    Hmac {
        /// Type of the key.
        kind: HmacKind,
        /// The key.
        key: Secret<String>,
    },
    /// With a token of an OIDC issuer.
    Bearer(Secret<String>),
}

impl Auth {
    /// The headers that authenticate a request made now.
    pub(crate) fn headers(&self, method: &str) -> Vec<(&'static str, String)> {
        match self {
            Self::None => Vec::new(),
            Self::Hmac { kind, key } => {
                let (at, salt) = (date(clock::now()), salt());
                let signature = sign(key.expose(), &at, method, &salt);
                vec![("authorization", format!("{kind} {signature}")), ("x-date", at), ("x-data-salt", salt)]
            }
            Self::Bearer(token) => vec![("authorization", format!("Bearer {}", token.expose()))],
        }
    }
}

/// The signature of a request: its date, method and salt, but neither its path nor its body.
pub fn sign(key: &str, date: &str, method: &str, salt: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    let mut context = hmac::Context::with_key(&key);
    for part in [date, method, salt] {
        context.update(part.as_bytes());
    }
    context.sign().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn date(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Twenty-four random letters.
fn salt() -> String {
    const LETTERS: &[u8; 52] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    clock::random::<24>().iter().map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_like_everybody_else() {
        assert_eq!(
            sign("metal-admin", "2024-01-01T00:00:00Z", "GET", "abcdefghijklmnopqrstuvwx"),
            "6e53f61787e125661d1d4fbae56ea4b8aaa0874a299f84b4cfc1a0eaa27e571f"
        );
    }

    #[test]
    fn dates_have_whole_seconds() {
        assert_eq!(date("2024-01-01T00:00:00.987Z".parse().unwrap()), "2024-01-01T00:00:00Z");
    }

    #[test]
    fn salts_are_letters_and_differ() {
        let (one, other) = (salt(), salt());
        assert_ne!(one, other);
        assert!(one.len() == 24 && one.bytes().all(|b| b.is_ascii_alphabetic()));
    }
}
