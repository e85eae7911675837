//! Which images may run on a size.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Version expressions by operating system.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::SizeImageConstraintBase)]
pub struct SizeImageConstraintBase {
    /// Operating system to version expression.
    #[schema(required = true)]
    pub images: BTreeMap<String, String>,
}

/// The images that may run on a size.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::SizeImageConstraintResponse)]
pub struct SizeImageConstraintResponse {
    /// Identifier.
    #[schema(required = true)]
    pub id: String,
    /// Name.
    pub name: String,
    /// Description.
    pub description: String,
    /// Version expressions.
    #[schema(required = true)]
    pub constraints: SizeImageConstraintBase,
}

/// Creates the constraint of a size.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::SizeImageConstraintCreateRequest)]
pub struct SizeImageConstraintCreateRequest {
    /// Size.
    #[schema(required = true)]
    pub id: String,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Version expressions.
    #[schema(required = true)]
    pub constraints: SizeImageConstraintBase,
}

/// Changes the constraint of a size.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::SizeImageConstraintUpdateRequest)]
pub struct SizeImageConstraintUpdateRequest {
    /// Size.
    #[schema(required = true)]
    pub id: String,
    /// Name; absent keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Description; absent keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Version expressions; absent keeps them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub constraints: Option<SizeImageConstraintBase>,
}

/// Asks whether an image may run on a size.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::SizeImageConstraintTryRequest)]
pub struct SizeImageConstraintTryRequest {
    /// Size.
    #[schema(required = true)]
    pub size: String,
    /// Image.
    #[schema(required = true)]
    pub image: String,
}
