//! What can go wrong with a request, told so that a person on call knows where to look.

use std::time::Duration;

use metal_model::v1::json::DecodeError;

/// An error the API answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{operation} was refused with status {status}: {message}")]
pub struct ApiError {
    /// Operation that was asked for.
    pub operation: &'static str,
    /// HTTP status.
    pub status: u16,
    /// What the server said.
    pub message: String,
    /// Whether the operation declares this status as one of its own.
    pub typed: bool,
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The client could not be set up.
    #[error("set up the client for {url:?}: {why}")]
    Setup {
        /// URL of the API.
        url: String,
        /// What is wrong.
        why: String,
    },
    /// The server could not be reached.
    #[error("connect to {url}")]
    Connect {
        /// URL of the request.
        url: String,
        /// Why not.
        #[source]
        source: reqwest::Error,
    },
    /// The server did not answer in time.
    #[error("no answer from {url} within {} s", after.as_secs())]
    Timeout {
        /// URL of the request.
        url: String,
        /// How long was waited.
        after: Duration,
    },
    /// The connection broke.
    #[error("exchange with {url} broke off")]
    Broken {
        /// URL of the request.
        url: String,
        /// How.
        #[source]
        source: reqwest::Error,
    },
    /// The request cannot be written as JSON.
    #[error("write the request of {operation} as JSON")]
    Encode {
        /// Operation that was asked for.
        operation: &'static str,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
    /// The answer is not what this operation answers.
    #[error("understand the answer of {url}")]
    Decode {
        /// URL of the request.
        url: String,
        /// What is wrong with it.
        #[source]
        source: DecodeError,
    },
    /// The server refused.
    #[error(transparent)]
    Api(#[from] ApiError),
}

impl Error {
    /// The status the server answered, if it answered.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Api(error) => Some(error.status),
            _ => None,
        }
    }

    /// Whether the server answered that the thing exists, or was changed by somebody else, and the operation
    /// declares that it may.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Api(ApiError { status: 409, typed: true, .. }))
    }

    /// Whether the server answered that there is no such thing.
    pub fn is_not_found(&self) -> bool {
        self.status() == Some(404)
    }

    /// What to do next.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Setup { .. } => "check the URL and the certificate authority of the context",
            Self::Connect { source, .. } if is_certificate(source) => {
                "the server's certificate is not trusted: check certificate_authority_data of the context"
            }
            Self::Connect { .. } => {
                "check that the URL is right, and that the server is running and reachable from here"
            }
            Self::Timeout { .. } => "the request may still have taken effect: look before asking again",
            Self::Broken { .. } => "look whether the request has taken effect, then ask again",
            Self::Encode { .. } => "this is a bug, please report it",
            Self::Decode { .. } => "the URL may belong to something else, or the server to another version",
            Self::Api(error) => return hint(error.status),
        })
    }
}

fn hint(status: u16) -> Option<&'static str> {
    Some(match status {
        401 | 403 => "check the HMAC key and its type, or log in again; the role may also be too low",
        404 => "check the identifier; listing shows what is there",
        409 => "it exists already, or was changed meanwhile: read it again",
        413 => "send less at once",
        429 => "wait a little, then ask again",
        502..=504 => "the server is overloaded or restarting: ask again in a moment",
        500 => "see the server's log",
        _ => return None,
    })
}

/// Whether a certificate was the reason, which is buried in the chain of causes.
fn is_certificate(error: &reqwest::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if error.to_string().contains("certificate") {
            return true;
        }
        cause = error.source();
    }
    false
}
