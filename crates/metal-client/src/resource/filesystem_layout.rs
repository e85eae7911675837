//! Operations on filesystem layouts.

use metal_model::v1::{
    FilesystemLayoutCreateRequest, FilesystemLayoutMatchRequest, FilesystemLayoutResponse,
    FilesystemLayoutTryRequest, FilesystemLayoutUpdateRequest, operation,
};

use crate::client::Client;
use crate::error::Error;

/// Operations on filesystem layouts.
#[derive(Debug, Clone, Copy)]
pub struct FilesystemLayouts<'a> {
    client: &'a Client,
}

impl Client {
    /// Operations on filesystem layouts.
    pub fn filesystem_layout(&self) -> FilesystemLayouts<'_> {
        FilesystemLayouts { client: self }
    }
}

impl FilesystemLayouts<'_> {
    /// All layouts.
    pub async fn list(&self) -> Result<Vec<FilesystemLayoutResponse>, Error> {
        self.client.request(&operation::LIST_FILESYSTEM_LAYOUTS).send().await
    }

    /// One layout.
    pub async fn get(&self, id: &str) -> Result<FilesystemLayoutResponse, Error> {
        self.client.request(&operation::GET_FILESYSTEM_LAYOUT).path(id).send().await
    }

    /// Creates a layout.
    pub async fn create(
        &self,
        request: &FilesystemLayoutCreateRequest,
    ) -> Result<FilesystemLayoutResponse, Error> {
        self.client.request(&operation::CREATE_FILESYSTEM_LAYOUT).body(request).send().await
    }

    /// Replaces a layout.
    pub async fn update(
        &self,
        request: &FilesystemLayoutUpdateRequest,
    ) -> Result<FilesystemLayoutResponse, Error> {
        self.client.request(&operation::UPDATE_FILESYSTEM_LAYOUT).body(request).send().await
    }

    /// Deletes a layout.
    pub async fn delete(&self, id: &str) -> Result<FilesystemLayoutResponse, Error> {
        self.client.request(&operation::DELETE_FILESYSTEM_LAYOUT).path(id).send().await
    }

    /// Which layout a size and an image get.
    pub async fn select(
        &self,
        request: &FilesystemLayoutTryRequest,
    ) -> Result<FilesystemLayoutResponse, Error> {
        self.client.request(&operation::TRY_FILESYSTEM_LAYOUT).body(request).send().await
    }

    /// Whether a layout fits a machine.
    pub async fn matches(
        &self,
        request: &FilesystemLayoutMatchRequest,
    ) -> Result<FilesystemLayoutResponse, Error> {
        self.client.request(&operation::MATCH_FILESYSTEM_LAYOUT).body(request).send().await
    }
}
