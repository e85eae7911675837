//! The one error of our interfaces: a message anybody may read, and a cause only the log does.
//!
//! The mapping to gRPC codes stands here; the REST side maps the same variants to its status codes. Something the
//! caller may not see is [`ApiError::NotFound`].

use std::error::Error;

use tonic::{Code, Status};

/// A cause kept for the log.
pub type Cause = Box<dyn Error + Send + Sync>;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// What was named does not exist, or not for this caller.
    #[error("{kind} {id:?} not found")]
    NotFound {
        /// The kind of resource.
        kind: &'static str,
        /// Its id as given.
        id: String,
    },
    /// Something of this id exists.
    #[error("{kind} {id:?} already exists")]
    AlreadyExists {
        /// The kind of resource.
        kind: &'static str,
        /// Its id.
        id: String,
    },
    /// The state is not what the call relies on.
    #[error("expected {expected}, found {found}")]
    Conflict {
        /// What the call relies on.
        expected: String,
        /// What is.
        found: String,
    },
    /// A field's value cannot be accepted.
    #[error("{field}: {why}")]
    Invalid {
        /// The field, as the request spells it.
        field: String,
        /// Why not.
        why: String,
    },
    /// There is none left.
    #[error("no {what} left")]
    Exhausted {
        /// Of what.
        what: String,
    },
    /// The caller is known and may not do this.
    #[error("forbidden: {why}")]
    Forbidden {
        /// Why not.
        why: String,
    },
    /// The caller is not known.
    #[error("unauthenticated: {why}")]
    Unauthenticated {
        /// Why not.
        why: String,
    },
    /// It could work later.
    #[error("unavailable: {why}")]
    Unavailable {
        /// Why not now.
        why: String,
        /// For the log.
        #[source]
        cause: Option<Cause>,
    },
    /// A bug or broken environment; the caller learns nothing more.
    #[error("internal error")]
    Internal {
        /// For the log.
        #[source]
        cause: Cause,
    },
}

impl ApiError {
    /// An unknown (or invisible) resource.
    pub fn not_found(kind: &'static str, id: impl Into<String>) -> Self {
        Self::NotFound { kind, id: id.into() }
    }

    /// An existing resource.
    pub fn already_exists(kind: &'static str, id: impl Into<String>) -> Self {
        Self::AlreadyExists { kind, id: id.into() }
    }

    /// A bad value.
    pub fn invalid(field: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), why: why.into() }
    }

    /// A state other than the call relies on.
    pub fn conflict(expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self::Conflict { expected: expected.into(), found: found.into() }
    }

    /// A known caller overstepping.
    pub fn forbidden(why: impl Into<String>) -> Self {
        Self::Forbidden { why: why.into() }
    }

    /// An unknown caller.
    pub fn unauthenticated(why: impl Into<String>) -> Self {
        Self::Unauthenticated { why: why.into() }
    }

    /// A temporary failure without a cause worth logging.
    pub fn unavailable(why: impl Into<String>) -> Self {
        Self::Unavailable { why: why.into(), cause: None }
    }

    /// A failure that is ours.
    pub fn internal(cause: impl Into<Cause>) -> Self {
        Self::Internal { cause: cause.into() }
    }

    /// The gRPC code of this error.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::NotFound { .. } => Code::NotFound,
            Self::AlreadyExists { .. } => Code::AlreadyExists,
            Self::Conflict { .. } => Code::FailedPrecondition,
            Self::Invalid { .. } => Code::InvalidArgument,
            Self::Exhausted { .. } => Code::ResourceExhausted,
            Self::Forbidden { .. } => Code::PermissionDenied,
            Self::Unauthenticated { .. } => Code::Unauthenticated,
            Self::Unavailable { .. } => Code::Unavailable,
            Self::Internal { .. } => Code::Internal,
        }
    }
}

impl From<ApiError> for Status {
    /// The public part only; log the cause before converting.
    fn from(error: ApiError) -> Self {
        Status::new(error.code(), error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_stays_inside() {
        let status = Status::from(ApiError::internal("password is hunter2"));
        assert_eq!(status.code(), Code::Internal);
        assert_eq!(status.message(), "internal error");
        let error = ApiError::internal("disk on fire");
        assert_eq!(error.source().unwrap().to_string(), "disk on fire");
    }

    #[test]
    fn a_field_is_named() {
        let status = Status::from(ApiError::invalid("machine", "not a UUID"));
        assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "machine: not a UUID"));
    }
}
