//! Why a decision was refused, in the classes the public API distinguishes.

use std::fmt;

/// Class of a refusal; each maps to one status code of the public API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The request itself is wrong (400).
    Invalid,
    /// Something it names does not exist (404).
    NotFound,
    /// It exists already, or was changed meanwhile (409).
    Conflict,
    /// The request is well-formed but the rules or the present state forbid it (422).
    Refused,
    /// A pool ran dry, or a feature is not configured (500, as existing clients expect).
    Internal,
}

/// A refusal with a message for the caller. Display is the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// Class, hence status code.
    pub class: Class,
    /// Field of the request that is to blame, in wire spelling.
    pub field: Option<&'static str>,
    /// What was refused and why.
    pub message: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl Error {
    fn of(class: Class, message: impl Into<String>) -> Self {
        Self { class, field: None, message: message.into() }
    }

    /// 400. The message ought to name the field; it is prefixed with it when it does not.
    pub fn invalid(field: &'static str, why: impl fmt::Display) -> Self {
        let why = why.to_string();
        let message = if why.contains(field) { why } else { format!("{field}: {why}") };
        Self { class: Class::Invalid, field: Some(field), message }
    }

    /// 404 in the form clients know: `NotFound no machine with id "x" found`.
    pub fn not_found(kind: &str, id: impl fmt::Display) -> Self {
        Self::of(Class::NotFound, format!("NotFound no {kind} with id \"{id}\" found"))
    }

    /// 409 for an id that exists.
    pub fn exists(kind: &str, id: impl fmt::Display) -> Self {
        Self::of(
            Class::Conflict,
            format!("Conflict cannot create {kind} in database, entity already exists: {id}"),
        )
    }

    /// 409 with another reason.
    pub fn conflict(why: impl fmt::Display) -> Self {
        Self::of(Class::Conflict, format!("Conflict {why}"))
    }

    /// 422.
    pub fn refused(why: impl Into<String>) -> Self {
        Self::of(Class::Refused, why)
    }

    /// 422 that names the field to blame.
    pub fn refused_field(field: &'static str, why: impl fmt::Display) -> Self {
        Self { field: Some(field), ..Self::refused(format!("{field}: {why}")) }
    }

    /// 500 in the form clients know.
    pub fn internal(why: impl fmt::Display) -> Self {
        Self::of(Class::Internal, format!("Internal {why}"))
    }

    /// The same refusal in another class: allocation answers 400 where a plain read answers 404.
    #[must_use]
    pub fn as_class(self, class: Class) -> Self {
        Self { class, ..self }
    }
}
