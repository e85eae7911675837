//! What goes wrong with a request, as a status and a message; rendered last of all, in the form the client reads.

use std::time::Duration;

use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use metal_model::v1;
use metal_plan::{Class, Error};
use metal_runtime::chain;
use metal_store::{FreshError, TransactError};
use serde::Serialize;

use super::reply::{Body, JSON};
use crate::audit::AuditError;
use crate::authn::AuthError;
use crate::authz::Denied;

/// Media type of errors for clients that ask for it (RFC 9457).
pub const PROBLEM: &str = "application/problem+json";

/// Why a request was not answered with success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// HTTP status.
    pub status: u16,
    /// Told to the client.
    pub message: String,
    /// Field of the request that is to blame.
    pub field: Option<String>,
    /// Methods that would be allowed, where the method is the problem.
    pub allow: Option<String>,
    /// When asking again may help.
    pub retry_after: Option<Duration>,
}

impl Fault {
    /// A status and a message.
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), field: None, allow: None, retry_after: None }
    }

    /// 400 that names the field.
    pub fn invalid(field: &'static str, why: impl std::fmt::Display) -> Self {
        Error::invalid(field, why).into()
    }

    /// The answer, in the form this client reads.
    pub fn render(&self, wants_problem: bool, rqid: &str) -> Response<Body> {
        let (kind, body) = if wants_problem {
            (PROBLEM, self.problem(rqid))
        } else {
            (JSON, v1::error::body(self.status, &self.message))
        };
        let mut response = Response::new(Body::full(body));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        if let Some(allow) = self.allow.as_deref().and_then(|text| text.parse().ok()) {
            headers.insert(ALLOW, allow);
        }
        if let Some(after) = self.retry_after {
            // At least a second: the header has no smaller unit.
            headers.insert(RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
        }
        response
    }

    fn problem(&self, rqid: &str) -> String {
        #[derive(Serialize)]
        struct Problem<'a> {
            r#type: &'static str,
            title: &'a str,
            status: u16,
            detail: &'a str,
            instance: String,
            #[serde(skip_serializing_if = "Option::is_none")]
            field: Option<&'a str>,
        }
        let status = StatusCode::from_u16(self.status).ok();
        let problem = Problem {
            r#type: "about:blank",
            title: status.and_then(|status| status.canonical_reason()).unwrap_or("Error"),
            status: self.status,
            detail: &self.message,
            instance: format!("urn:request:{rqid}"),
            field: self.field.as_deref(),
        };
        serde_json::to_string(&problem).expect("strings and a number always serialise")
    }
}

/// The one mapping from the classes of refusals to statuses.
const fn status_of(class: Class) -> u16 {
    match class {
        Class::Invalid => 400,
        Class::NotFound => 404,
        Class::Conflict => 409,
        Class::Refused => 422,
        Class::Internal => 500,
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let field = error.field.map(str::to_owned);
        Self { field, ..Self::new(status_of(error.class), error.message) }
    }
}

impl From<TransactError<Error>> for Fault {
    fn from(error: TransactError<Error>) -> Self {
        match error {
            TransactError::Refused(refusal) => refusal.into(),
            TransactError::Conflict { key, .. } => changed_meanwhile(&key),
            TransactError::Contended { .. } => changed_meanwhile("store"),
            TransactError::TooLarge { operations, max_operations, .. } => Self::new(
                422,
                format!("the request changes {operations} records at once, {max_operations} are possible"),
            ),
            TransactError::Unavailable(_) | TransactError::Closed => {
                tracing::error!(error = chain(&error), "transaction not possible");
                Self {
                    retry_after: Some(Duration::from_secs(1)),
                    ..Self::new(503, "Internal the store is not available, nothing was changed")
                }
            }
            TransactError::Unknown(_) => {
                tracing::error!(error = chain(&error), "transaction with unknown outcome");
                Self::new(500, "Internal the store failed; it is unknown whether the change was made")
            }
            TransactError::Panicked { .. } => {
                tracing::error!(error = chain(&error), "decision panicked");
                Self::new(500, "Internal the request met a defect of this server; nothing was changed")
            }
        }
    }
}

fn changed_meanwhile(key: &str) -> Fault {
    let (kind, id) = key.split_once('/').unwrap_or((key, ""));
    Fault::new(
        409,
        format!("Conflict cannot update {kind} ({id}): the entity was changed from another, please retry"),
    )
}

impl From<FreshError> for Fault {
    fn from(error: FreshError) -> Self {
        tracing::warn!(error = chain(&error), "fresh read not possible");
        let retry_after = Some(Duration::from_secs(1));
        Self { retry_after, ..Self::new(503, "Internal the store is not available") }
    }
}

impl From<v1::json::DecodeError> for Fault {
    fn from(error: v1::json::DecodeError) -> Self {
        let field = match &error {
            v1::json::DecodeError::Field { field, .. } => Some(field.clone()),
            v1::json::DecodeError::Malformed { .. } => None,
        };
        Self { field, ..Self::new(400, error.to_string()) }
    }
}

impl From<AuthError> for Fault {
    fn from(error: AuthError) -> Self {
        Self::new(403, error.to_string())
    }
}

impl From<Denied> for Fault {
    fn from(denied: Denied) -> Self {
        Self::new(403, denied.to_string())
    }
}

impl From<AuditError> for Fault {
    fn from(error: AuditError) -> Self {
        tracing::error!(error = chain(&error), "audit trace not stored, request refused");
        Self::new(500, "Internal the audit trace cannot be stored")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_map_to_the_published_statuses() {
        let statuses = [Class::Invalid, Class::NotFound, Class::Conflict, Class::Refused, Class::Internal];
        assert_eq!(statuses.map(status_of), [400, 404, 409, 422, 500]);
    }

    #[test]
    fn a_lost_update_reads_as_clients_know_it() {
        let fault = changed_meanwhile("machine/m1");
        assert_eq!(
            (fault.status, fault.message.as_str()),
            (409, "Conflict cannot update machine (m1): the entity was changed from another, please retry")
        );
    }
}
