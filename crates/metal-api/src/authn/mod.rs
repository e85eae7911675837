//! Who asks. Signed requests of the three technical users are tried first, then bearer tokens; a request without
//! either is a guest. Credentials that are there but wrong are an error, never a guest.

pub mod bearer;
pub mod group;
pub mod hmac;
pub mod issuer;

use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use jiff::Timestamp;
use metal_model::v1::Access;
use metal_plan::{Caller, Snapshot};

use crate::authz;
use crate::config::Config;
use crate::outbound::Outbound;

/// Who asks and what they may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Name, e-mail address, tenant.
    pub caller: Caller,
    /// Groups, in the form that makes roles.
    pub groups: Vec<String>,
    /// The greatest role the groups make.
    pub role: Access,
}

impl User {
    /// A user with the role that follows from the groups.
    pub fn new(caller: Caller, groups: Vec<String>) -> Self {
        let role = authz::role_of(&groups);
        Self { caller, groups, role }
    }

    /// Somebody who showed nothing.
    pub fn guest() -> Self {
        let email = "anonymous@metal-stack.io".to_owned();
        Self::new(Caller { name: "anonymous".to_owned(), email, tenant: String::new() }, Vec::new())
    }

    /// Whether nothing was shown.
    pub fn is_guest(&self) -> bool {
        self.caller.tenant.is_empty() && self.groups.is_empty()
    }
}

/// Credentials were shown and are not good. Display goes to the caller and tells nothing about keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The signature's time is no time.
    #[error("the header X-Date is not a time in RFC 3339")]
    Date,
    /// The signature is older than it may be.
    #[error("the signature is too old")]
    Expired,
    /// The signature is of something else or with another key.
    #[error("the signature does not match")]
    Signature,
    /// The token is not one this server trusts.
    #[error("the token is not valid: {0}")]
    Token(&'static str),
    /// The issuer of the token did not answer.
    #[error("the issuer of the token cannot be asked")]
    Issuer,
}

/// Tells who asks.
#[derive(Debug)]
pub struct Authenticator {
    hmac: hmac::Hmac,
    guest: Arc<User>,
    bearer: bearer::Bearer,
}

impl Authenticator {
    /// From the configuration.
    pub fn new(config: &Config, outbound: Outbound) -> Self {
        Self {
            hmac: hmac::Hmac::new(config),
            guest: Arc::new(User::guest()),
            bearer: bearer::Bearer::new(config, outbound),
        }
    }

    /// Who asks, by the headers of the request.
    pub async fn identify(
        &self,
        method: &str,
        headers: &HeaderMap,
        now: Timestamp,
        snapshot: &Snapshot,
    ) -> Result<Arc<User>, AuthError> {
        let Some(shown) = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()) else {
            return Ok(self.guest.clone());
        };
        if let Some(user) = self.hmac.identify(shown, method, headers, now)? {
            return Ok(user);
        }
        match bearer::token(shown) {
            Some(token) => self.bearer.identify(token, now, snapshot).await.map(Arc::new),
            None => Ok(self.guest.clone()),
        }
    }
}
