//! The keys of an issuer of tokens: found by discovery or at a fixed place, kept, and asked for again when they are
//! old or when a token names a key that is not among them (issuers rotate). However many tokens arrive, an issuer
//! is asked by one request at a time, and strangers cannot make us ask it more than now and then.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;

use super::AuthError;
use crate::outbound::{Outbound, OutboundError};

/// Least time between two requests that a token with an unknown key caused.
const BETWEEN_MISSES: SignedDuration = SignedDuration::from_secs(10);
/// Least time between two requests when the issuer does not answer.
const BETWEEN_FAILURES: SignedDuration = SignedDuration::from_secs(5);

/// Where the keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The issuer tells, at the well-known place below its URL.
    Discovery(String),
    /// At this URL.
    Fixed(String),
}

/// The keys of one issuer.
#[derive(Debug)]
pub struct Issuer {
    place: Place,
    max_age: SignedDuration,
    outbound: Outbound,
    keys: ArcSwapOption<Keys>,
    asking: Mutex<Asked>,
}

#[derive(Debug, Default)]
struct Asked {
    missed: Option<Timestamp>,
    failed: Option<Timestamp>,
}

#[derive(Debug)]
struct Keys {
    fetched: Timestamp,
    keys: Vec<(String, DecodingKey)>,
}

impl Keys {
    /// The key with this name; without a name, the only key.
    fn find(&self, name: Option<&str>) -> Option<DecodingKey> {
        let found = match name {
            Some(name) => self.keys.iter().find(|(known, _)| known == name),
            None => self.keys.first().filter(|_| self.keys.len() == 1),
        };
        found.map(|(_, key)| key.clone())
    }
}

#[derive(Deserialize)]
struct Discovered {
    issuer: String,
    jwks_uri: String,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

impl Issuer {
    /// Nothing is asked before the first token.
    pub fn new(place: Place, max_age: Duration, outbound: Outbound) -> Self {
        let max_age = SignedDuration::try_from(max_age).unwrap_or(SignedDuration::MAX);
        Self { place, max_age, outbound, keys: ArcSwapOption::empty(), asking: Mutex::default() }
    }

    /// The key a token names.
    pub async fn key(&self, name: Option<&str>, now: Timestamp) -> Result<DecodingKey, AuthError> {
        if let Some(key) = self.fresh(name, now) {
            return Ok(key);
        }
        let mut asked = self.asking.lock().await;
        // Somebody else may have asked while this token waited.
        if let Some(key) = self.fresh(name, now) {
            return Ok(key);
        }
        let known = self.keys.load_full();
        let is_old = known.as_ref().is_none_or(|keys| now.duration_since(keys.fetched) >= self.max_age);
        let since = |then: Option<Timestamp>| then.map(|then| now.duration_since(then));
        if since(asked.failed).is_some_and(|passed| passed < BETWEEN_FAILURES) {
            return known.and_then(|keys| keys.find(name)).ok_or(AuthError::Issuer);
        }
        if !is_old && since(asked.missed).is_some_and(|passed| passed < BETWEEN_MISSES) {
            return Err(AuthError::Token("it is signed with an unknown key"));
        }
        if !is_old {
            asked.missed = Some(now);
        }
        match self.fetch().await {
            Ok(keys) => {
                asked.failed = None;
                let keys = Arc::new(Keys { fetched: now, keys });
                self.keys.store(Some(keys.clone()));
                keys.find(name).ok_or(AuthError::Token("it is signed with an unknown key"))
            }
            Err(error) => {
                asked.failed = Some(now);
                let reason = metal_runtime::chain(&error);
                tracing::warn!(reason, "issuer of tokens cannot be asked for its keys");
                // Old keys are better than nobody being able to log in while the issuer is away.
                known.and_then(|keys| keys.find(name)).ok_or(AuthError::Issuer)
            }
        }
    }

    fn fresh(&self, name: Option<&str>, now: Timestamp) -> Option<DecodingKey> {
        let keys = self.keys.load();
        let keys = keys.as_ref()?;
        (now.duration_since(keys.fetched) < self.max_age).then(|| keys.find(name))?
    }

    async fn fetch(&self) -> Result<Vec<(String, DecodingKey)>, OutboundError> {
        let url = match &self.place {
            Place::Fixed(url) => url.clone(),
            Place::Discovery(issuer) => {
                let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
                let found: Discovered = self.outbound.get_json(&url).await?;
                if found.issuer != *issuer {
                    let why = format!("it speaks for the issuer {:?}", found.issuer);
                    return Err(OutboundError::Content { url, why });
                }
                found.jwks_uri
            }
        };
        let set: KeySet = self.outbound.get_json(&url).await?;
        Ok(set.keys.iter().filter_map(usable).collect())
    }
}

/// An RSA key for signatures; everything else is not for us.
fn usable(key: &Value) -> Option<(String, DecodingKey)> {
    let text = |name| key.get(name).and_then(Value::as_str);
    if text("kty") != Some("RSA") || text("use").is_some_and(|usage| usage != "sig") {
        return None;
    }
    let decoded = DecodingKey::from_rsa_components(text("n")?, text("e")?).ok()?;
    Some((text("kid").unwrap_or_default().to_owned(), decoded))
}
