//! Changes as they are streamed: one event per changed object, numbered by the revision of the commit that changed
//! it, so that a client that lost its connection goes on where it was.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = v1::WatchKind)]
pub enum WatchKind {
    /// It is new to the stream.
    Added,
    /// It is different.
    #[default]
    Changed,
    /// It is gone.
    Deleted,
}

/// One change. `T` is what the resource's read operation answers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct WatchEvent<T> {
    /// Revision to resume after.
    pub revision: u64,
    /// What happened.
    pub kind: WatchKind,
    /// Identifier of the object.
    pub id: String,
    /// The object; null when it is gone.
    pub object: Option<T>,
}

/// The form of [`WatchEvent`], for the OpenAPI document, which has no generics.
#[derive(ToSchema)]
#[schema(as = v1::WatchEvent)]
#[expect(dead_code, reason = "only its description is used")]
pub(super) struct AnyWatchEvent {
    /// Revision to resume after.
    revision: u64,
    /// What happened.
    #[schema(inline)]
    kind: WatchKind,
    /// Identifier of the object.
    id: String,
    /// The object as its read operation answers it; null when it is gone.
    #[schema(value_type = Option<Object>)]
    object: Option<()>,
}
