//! Bearer tokens: JSON web tokens of the issuer the provider's tenant names, or of Dex.
//!
//! The token's own words choose the verifier and nothing else: which algorithms count is decided here, and the key
//! comes from the issuer, so a token cannot choose how it is verified.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, Validation};
use metal_plan::{Caller, Snapshot};
use serde::Deserialize;
use serde_json::Value;

use super::group::{Directory, translate};
use super::issuer::{Issuer, Place};
use super::{AuthError, User};
use crate::config::{Config, Dex};
use crate::outbound::Outbound;

/// How long Dex's keys are believed.
const DEX_KEYS: Duration = Duration::from_secs(600);
/// Tolerated difference of clocks for tokens that are not valid yet.
const LEEWAY: i64 = 60;
/// Longest token looked at.
const MOST_BYTES: usize = 16 << 10;

/// The token of an `Authorization` header.
pub fn token(shown: &str) -> Option<&str> {
    let (scheme, token) = shown.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Verifies bearer tokens.
#[derive(Debug)]
pub struct Bearer {
    provider: String,
    max_age: Duration,
    outbound: Outbound,
    dex: Option<(Dex, Issuer)>,
    issuers: Mutex<HashMap<(String, String), Arc<Issuer>>>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Claims {
    iss: String,
    aud: Audience,
    exp: Option<f64>,
    nbf: Option<f64>,
    name: String,
    preferred_username: String,
    email: String,
    roles: Value,
    groups: Value,
    federated_claims: Federated,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Federated {
    connector_id: String,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Default for Audience {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl Audience {
    fn contains(&self, client: &str) -> bool {
        match self {
            Self::One(one) => one == client,
            Self::Many(many) => many.iter().any(|one| one == client),
        }
    }
}

impl Bearer {
    /// From the configuration.
    pub fn new(config: &Config, outbound: Outbound) -> Self {
        let dex = config.dex.clone().map(|dex| {
            let place = Place::Fixed(format!("{}/keys", dex.address.trim_end_matches('/')));
            (dex, Issuer::new(place, DEX_KEYS, outbound.clone()))
        });
        let issuers = Mutex::default();
        let provider = config.provider_tenant.clone();
        Self { provider, max_age: config.issuer_cache_interval, outbound, dex, issuers }
    }

    /// The user of a token.
    pub async fn identify(
        &self,
        token: &str,
        now: Timestamp,
        snapshot: &Snapshot,
    ) -> Result<User, AuthError> {
        let (header, claims) = read(token)?;
        if let Some((dex, issuer)) = &self.dex
            && claims.iss == dex.address
            && claims.aud.contains(&dex.client_id)
        {
            let claims = verify(token, &header, issuer, now, &[Algorithm::RS256, Algorithm::RS512]).await?;
            return self.dex_user(claims);
        }
        let (issuer, directory) = self.trusted(&claims, snapshot)?;
        let algorithms = [Algorithm::RS256, Algorithm::RS384, Algorithm::RS512];
        // The claims verified are the ones read: it is the same token.
        let claims = verify(token, &header, &issuer, now, &algorithms).await?;
        let name = first_of(&claims.preferred_username, &claims.name);
        let roles = strings(&claims.roles);
        let names = if roles.is_empty() { strings(&claims.groups) } else { roles };
        let groups = translate(directory, &self.provider, true, &names);
        let caller = Caller { name, email: claims.email, tenant: self.provider.clone() };
        Ok(User::new(caller, groups))
    }

    /// The issuer, if it is the one the provider's tenant names, and the kind of its directory.
    fn trusted(&self, claims: &Claims, snapshot: &Snapshot) -> Result<(Arc<Issuer>, Directory), AuthError> {
        let unknown = || AuthError::Token("its issuer or audience is not known here");
        let tenant = snapshot.tenants.get(&self.provider).ok_or_else(unknown)?;
        let iam = tenant.iam.as_ref().ok_or_else(unknown)?;
        let config = iam.issuer_config.as_ref().ok_or_else(unknown)?;
        let is_known = !config.url.is_empty() && !config.client_id.is_empty();
        if !is_known || claims.iss != config.url || !claims.aud.contains(&config.client_id) {
            return Err(unknown());
        }
        let kind = iam.idm_config.as_ref().map_or("", |idm| idm.idm_type.as_str());
        let directory = Directory::parse(kind)
            .ok_or(AuthError::Token("the directory of its tenant is not known here"))?;
        let mut issuers = self.issuers.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (config.url.clone(), config.client_id.clone());
        // One issuer is trusted at a time: a record that changed replaces it.
        if !issuers.contains_key(&key) {
            issuers.clear();
        }
        let place = Place::Discovery(config.url.clone());
        let issuer = issuers
            .entry(key)
            .or_insert_with(|| Arc::new(Issuer::new(place, self.max_age, self.outbound.clone())));
        Ok((issuer.clone(), directory))
    }

    fn dex_user(&self, claims: Claims) -> Result<User, AuthError> {
        let missing = AuthError::Token("it does not tell its tenant and directory");
        let mut connector = claims.federated_claims.connector_id.split('_');
        let (Some(tenant), Some(kind)) = (connector.next(), connector.next()) else { return Err(missing) };
        if tenant.is_empty() {
            return Err(missing);
        }
        let directory = Directory::parse(kind)
            .ok_or(AuthError::Token("the directory of its tenant is not known here"))?;
        let is_provider = tenant.eq_ignore_ascii_case(&self.provider);
        let groups = translate(directory, tenant, is_provider, &strings(&claims.groups));
        let caller = Caller { name: claims.name, email: claims.email, tenant: tenant.to_owned() };
        Ok(User::new(caller, groups))
    }
}

/// Reads a token without believing it.
fn read(token: &str) -> Result<(Header, Claims), AuthError> {
    const MALFORMED: AuthError = AuthError::Token("it is malformed");
    if token.len() > MOST_BYTES {
        return Err(MALFORMED);
    }
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, _signature] = parts.as_slice() else { return Err(MALFORMED) };
    let decode = |part: &&str| URL_SAFE_NO_PAD.decode(part).map_err(|_| MALFORMED);
    let header = serde_json::from_slice(&decode(header)?).map_err(|_| MALFORMED)?;
    let claims = serde_json::from_slice(&decode(claims)?).map_err(|_| MALFORMED)?;
    Ok((header, claims))
}

/// The claims of a token, signed by the issuer and valid now. Issuer and audience have been compared before.
async fn verify(
    token: &str,
    header: &Header,
    issuer: &Issuer,
    now: Timestamp,
    allowed: &[Algorithm],
) -> Result<Claims, AuthError> {
    let algorithm = header.alg.parse::<Algorithm>().ok().filter(|one| allowed.contains(one));
    let algorithm = algorithm.ok_or(AuthError::Token("its algorithm is not allowed"))?;
    let key = issuer.key(header.kid.as_deref(), now).await?;
    let mut rules = Validation::new(algorithm);
    rules.required_spec_claims.clear();
    // Times are compared below, with the clock of this server; the audience has been compared already.
    rules.validate_exp = false;
    rules.validate_nbf = false;
    rules.validate_aud = false;
    let decoded = jsonwebtoken::decode::<Claims>(token, &key, &rules);
    let claims = decoded.map_err(|_| AuthError::Token("its signature does not match"))?.claims;
    let seconds = now.as_duration().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a minute is exact")]
    let leeway = LEEWAY as f64;
    match (claims.exp, claims.nbf) {
        (None, _) => Err(AuthError::Token("it never expires")),
        (Some(end), _) if seconds >= end => Err(AuthError::Token("it has expired")),
        (_, Some(start)) if seconds + leeway < start => Err(AuthError::Token("it is not valid yet")),
        _ => Ok(claims),
    }
}

fn first_of(one: &str, other: &str) -> String {
    if one.is_empty() { other.to_owned() } else { one.to_owned() }
}

/// The strings of a list; anything else is nothing.
fn strings(value: &Value) -> Vec<String> {
    let list = value.as_array().into_iter().flatten();
    list.filter_map(|entry| entry.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_are_compared_without_case() {
        assert_eq!(token("Bearer abc"), Some("abc"));
        assert_eq!(token("bearer abc"), Some("abc"));
        assert_eq!(token("Basic abc"), None);
        assert_eq!(token("abc"), None);
    }

    #[test]
    fn malformed_tokens_are_told_apart_from_nothing() {
        for token in ["", "a", "a.b", "a.b.c", "e30.e30.", "e30.e30.e30.e30"] {
            assert!(read(token).is_err(), "{token}");
        }
    }
}
