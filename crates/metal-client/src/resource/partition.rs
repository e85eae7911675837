//! Operations on partitions.

use metal_model::v1::{
    PartitionCapacity, PartitionCapacityRequest, PartitionCreateRequest, PartitionResponse,
    PartitionUpdateRequest, operation,
};

use crate::client::Client;
use crate::error::Error;

/// Operations on partitions.
#[derive(Debug, Clone, Copy)]
pub struct Partitions<'a> {
    client: &'a Client,
}

impl Client {
    /// Operations on partitions.
    pub fn partition(&self) -> Partitions<'_> {
        Partitions { client: self }
    }
}

impl Partitions<'_> {
    /// All partitions.
    pub async fn list(&self) -> Result<Vec<PartitionResponse>, Error> {
        self.client.request(&operation::LIST_PARTITIONS).send().await
    }

    /// One partition.
    pub async fn get(&self, id: &str) -> Result<PartitionResponse, Error> {
        self.client.request(&operation::FIND_PARTITION).path(id).send().await
    }

    /// Creates a partition.
    pub async fn create(&self, request: &PartitionCreateRequest) -> Result<PartitionResponse, Error> {
        self.client.request(&operation::CREATE_PARTITION).body(request).send().await
    }

    /// Changes a partition.
    pub async fn update(&self, request: &PartitionUpdateRequest) -> Result<PartitionResponse, Error> {
        self.client.request(&operation::UPDATE_PARTITION).body(request).send().await
    }

    /// Deletes a partition.
    pub async fn delete(&self, id: &str) -> Result<PartitionResponse, Error> {
        self.client.request(&operation::DELETE_PARTITION).path(id).send().await
    }

    /// How full partitions are.
    pub async fn capacity(
        &self,
        request: &PartitionCapacityRequest,
    ) -> Result<Vec<PartitionCapacity>, Error> {
        self.client.request(&operation::PARTITION_CAPACITY).body(request).send().await
    }
}
