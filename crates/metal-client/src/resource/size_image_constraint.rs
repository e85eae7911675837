//! Operations on constraints of sizes on images.

use metal_model::v1::{
    EmptyBody, SizeImageConstraintCreateRequest, SizeImageConstraintResponse, SizeImageConstraintTryRequest,
    SizeImageConstraintUpdateRequest, operation,
};

use crate::client::Client;
use crate::error::Error;

/// Operations on constraints of sizes on images.
#[derive(Debug, Clone, Copy)]
pub struct SizeImageConstraints<'a> {
    client: &'a Client,
}

impl Client {
    /// Operations on constraints of sizes on images.
    pub fn size_image_constraint(&self) -> SizeImageConstraints<'_> {
        SizeImageConstraints { client: self }
    }
}

impl SizeImageConstraints<'_> {
    /// All constraints.
    pub async fn list(&self) -> Result<Vec<SizeImageConstraintResponse>, Error> {
        self.client.request(&operation::LIST_SIZE_IMAGE_CONSTRAINTS).send().await
    }

    /// One constraint.
    pub async fn get(&self, id: &str) -> Result<SizeImageConstraintResponse, Error> {
        self.client.request(&operation::FIND_SIZE_IMAGE_CONSTRAINT).path(id).send().await
    }

    /// Creates a constraint.
    pub async fn create(
        &self,
        request: &SizeImageConstraintCreateRequest,
    ) -> Result<SizeImageConstraintResponse, Error> {
        self.client.request(&operation::CREATE_SIZE_IMAGE_CONSTRAINT).body(request).send().await
    }

    /// Changes a constraint.
    pub async fn update(
        &self,
        request: &SizeImageConstraintUpdateRequest,
    ) -> Result<SizeImageConstraintResponse, Error> {
        self.client.request(&operation::UPDATE_SIZE_IMAGE_CONSTRAINT).body(request).send().await
    }

    /// Deletes a constraint.
    pub async fn delete(&self, id: &str) -> Result<SizeImageConstraintResponse, Error> {
        self.client.request(&operation::DELETE_SIZE_IMAGE_CONSTRAINT).path(id).send().await
    }

    /// Whether an image may run on a size.
    pub async fn check(&self, request: &SizeImageConstraintTryRequest) -> Result<EmptyBody, Error> {
        self.client.request(&operation::TRY_SIZE_IMAGE_CONSTRAINT).body(request).send().await
    }
}
