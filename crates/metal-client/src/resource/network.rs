//! Operations on networks.

use metal_model::v1::{
    NetworkAllocateRequest, NetworkCreateRequest, NetworkFindRequest, NetworkResponse, NetworkUpdateRequest,
    operation,
};

use crate::client::Client;
use crate::error::Error;
use crate::watch::Watch;

/// Operations on networks.
#[derive(Debug, Clone, Copy)]
pub struct Networks<'a> {
    client: &'a Client,
}

impl Client {
    /// Operations on networks.
    pub fn network(&self) -> Networks<'_> {
        Networks { client: self }
    }
}

impl Networks<'_> {
    /// All networks.
    pub async fn list(&self) -> Result<Vec<NetworkResponse>, Error> {
        self.client.request(&operation::LIST_NETWORKS).send().await
    }

    /// Networks that meet the criteria.
    pub async fn find(&self, request: &NetworkFindRequest) -> Result<Vec<NetworkResponse>, Error> {
        self.client.request(&operation::FIND_NETWORKS).body(request).send().await
    }

    /// One network.
    pub async fn get(&self, id: &str) -> Result<NetworkResponse, Error> {
        self.client.request(&operation::FIND_NETWORK).path(id).send().await
    }

    /// Creates a network.
    pub async fn create(&self, request: &NetworkCreateRequest) -> Result<NetworkResponse, Error> {
        self.client.request(&operation::CREATE_NETWORK).body(request).send().await
    }

    /// Changes a network.
    pub async fn update(
        &self,
        request: &NetworkUpdateRequest,
        force: bool,
    ) -> Result<NetworkResponse, Error> {
        self.client.request(&operation::UPDATE_NETWORK).body(request).query("force", &force).send().await
    }

    /// Takes a child network out of a super network.
    pub async fn allocate(&self, request: &NetworkAllocateRequest) -> Result<NetworkResponse, Error> {
        self.client.request(&operation::ALLOCATE_NETWORK).body(request).send().await
    }

    /// What an allocation would choose; nothing is changed.
    pub async fn allocate_dry_run(&self, request: &NetworkAllocateRequest) -> Result<NetworkResponse, Error> {
        self.client.request(&operation::ALLOCATE_NETWORK).body(request).dry_run().send().await
    }

    /// Releases a child network.
    pub async fn free(&self, id: &str) -> Result<NetworkResponse, Error> {
        self.client.request(&operation::FREE_NETWORK).path(id).send().await
    }

    /// Deletes a network.
    pub async fn delete(&self, id: &str) -> Result<NetworkResponse, Error> {
        self.client.request(&operation::DELETE_NETWORK).path(id).send().await
    }

    /// Streams changes; those after a revision, or everything there is and then the changes.
    pub async fn watch(&self, after: Option<u64>) -> Result<Watch<NetworkResponse>, Error> {
        Watch::start(self.client.request(&operation::WATCH_NETWORKS), after).await
    }
}
