//! Operations on images.

use metal_model::v1::{ImageCreateRequest, ImageFindRequest, ImageResponse, ImageUpdateRequest, operation};

use crate::client::Client;
use crate::error::Error;

/// Operations on images.
#[derive(Debug, Clone, Copy)]
pub struct Images<'a> {
    client: &'a Client,
}

impl Client {
    /// Operations on images.
    pub fn image(&self) -> Images<'_> {
        Images { client: self }
    }
}

impl Images<'_> {
    /// All images.
    pub async fn list(&self, show_usage: bool) -> Result<Vec<ImageResponse>, Error> {
        self.client.request(&operation::LIST_IMAGES).query("show-usage", &show_usage).send().await
    }

    /// Images that meet the criteria.
    pub async fn find(
        &self,
        request: &ImageFindRequest,
        show_usage: bool,
    ) -> Result<Vec<ImageResponse>, Error> {
        self.client
            .request(&operation::FIND_IMAGES)
            .body(request)
            .query("show-usage", &show_usage)
            .send()
            .await
    }

    /// One image.
    pub async fn get(&self, id: &str) -> Result<ImageResponse, Error> {
        self.client.request(&operation::FIND_IMAGE).path(id).send().await
    }

    /// The newest image that matches.
    pub async fn latest(&self, id: &str) -> Result<ImageResponse, Error> {
        self.client.request(&operation::FIND_LATEST_IMAGE).path(id).send().await
    }

    /// All images that match.
    pub async fn query(&self, id: &str) -> Result<Vec<ImageResponse>, Error> {
        self.client.request(&operation::QUERY_IMAGES_BY_ID).path(id).send().await
    }

    /// Registers an image.
    pub async fn create(&self, request: &ImageCreateRequest) -> Result<ImageResponse, Error> {
        self.client.request(&operation::CREATE_IMAGE).body(request).send().await
    }

    /// Changes an image.
    pub async fn update(&self, request: &ImageUpdateRequest) -> Result<ImageResponse, Error> {
        self.client.request(&operation::UPDATE_IMAGE).body(request).send().await
    }

    /// Deletes an image.
    pub async fn delete(&self, id: &str) -> Result<ImageResponse, Error> {
        self.client.request(&operation::DELETE_IMAGE).path(id).send().await
    }
}
