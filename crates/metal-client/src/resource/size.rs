//! Operations on sizes.

use metal_model::v1::{
    SizeConstraint, SizeCreateRequest, SizeResponse, SizeSuggestRequest, SizeUpdateRequest, operation,
};

use crate::client::Client;
use crate::error::Error;

/// Operations on sizes.
#[derive(Debug, Clone, Copy)]
pub struct Sizes<'a> {
    client: &'a Client,
}

impl Client {
    /// Operations on sizes.
    pub fn size(&self) -> Sizes<'_> {
        Sizes { client: self }
    }
}

impl Sizes<'_> {
    /// All sizes.
    pub async fn list(&self) -> Result<Vec<SizeResponse>, Error> {
        self.client.request(&operation::LIST_SIZES).send().await
    }

    /// One size.
    pub async fn get(&self, id: &str) -> Result<SizeResponse, Error> {
        self.client.request(&operation::FIND_SIZE).path(id).send().await
    }

    /// Creates a size.
    pub async fn create(&self, request: &SizeCreateRequest) -> Result<SizeResponse, Error> {
        self.client.request(&operation::CREATE_SIZE).body(request).send().await
    }

    /// Changes a size.
    pub async fn update(&self, request: &SizeUpdateRequest) -> Result<SizeResponse, Error> {
        self.client.request(&operation::UPDATE_SIZE).body(request).send().await
    }

    /// Deletes a size.
    pub async fn delete(&self, id: &str) -> Result<SizeResponse, Error> {
        self.client.request(&operation::DELETE_SIZE).path(id).send().await
    }

    /// Constraints a machine's hardware would match.
    pub async fn suggest(&self, request: &SizeSuggestRequest) -> Result<Vec<SizeConstraint>, Error> {
        self.client.request(&operation::SUGGEST).body(request).send().await
    }
}
