//! How failures reach agents: one mapping from refusals and store errors to gRPC statuses.

use metal_plan::{Class, Error};
use metal_store::{FreshError, TransactError};
use tonic::{Code, Status};

/// A refusal by a decision.
pub fn refused(error: &Error) -> Status {
    let code = match error.class {
        Class::Invalid => Code::InvalidArgument,
        Class::NotFound => Code::NotFound,
        Class::Conflict => Code::AlreadyExists,
        Class::Refused => Code::FailedPrecondition,
        Class::Internal => Code::ResourceExhausted,
    };
    Status::new(code, error.message.clone())
}

/// A transaction that did not happen. What agents do about it is try again, so everything that may pass is
/// *unavailable*.
#[expect(clippy::needless_pass_by_value, reason = "used with map_err")]
pub fn transact(error: TransactError<Error>) -> Status {
    match &error {
        TransactError::Refused(refusal) => refused(refusal),
        TransactError::TooLarge { .. } => Status::new(Code::OutOfRange, error.to_string()),
        TransactError::Panicked { .. } => internal(&error),
        TransactError::Conflict { .. }
        | TransactError::Contended { .. }
        | TransactError::Unavailable(_)
        | TransactError::Unknown(_)
        | TransactError::Closed => {
            tracing::warn!(error = metal_runtime::chain(&error), "transaction of an agent failed");
            Status::new(Code::Unavailable, error.to_string())
        }
    }
}

/// A read that is not possible now.
#[expect(clippy::needless_pass_by_value, reason = "used with map_err")]
pub fn fresh(error: FreshError) -> Status {
    tracing::warn!(error = metal_runtime::chain(&error), "read for an agent failed");
    Status::new(Code::Unavailable, error.to_string())
}

/// A bug or a broken environment; the agent learns nothing more.
pub fn internal(error: &(dyn std::error::Error + 'static)) -> Status {
    tracing::error!(error = metal_runtime::chain(error), "call of an agent failed");
    Status::internal("internal error")
}
