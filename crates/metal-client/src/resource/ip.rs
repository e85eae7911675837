//! Operations on addresses.

use metal_model::v1::{IpAllocateRequest, IpFindRequest, IpResponse, IpUpdateRequest, operation};

use crate::client::Client;
use crate::error::Error;
use crate::watch::Watch;

/// Operations on addresses.
#[derive(Debug, Clone, Copy)]
pub struct Ips<'a> {
    client: &'a Client,
}

impl Client {
    /// Operations on addresses.
    pub fn ip(&self) -> Ips<'_> {
        Ips { client: self }
    }
}

impl Ips<'_> {
    /// All addresses.
    pub async fn list(&self) -> Result<Vec<IpResponse>, Error> {
        self.client.request(&operation::LIST_IPS).send().await
    }

    /// Addresses that meet the criteria.
    pub async fn find(&self, request: &IpFindRequest) -> Result<Vec<IpResponse>, Error> {
        self.client.request(&operation::FIND_IPS).body(request).send().await
    }

    /// One address.
    pub async fn get(&self, address: &str) -> Result<IpResponse, Error> {
        self.client.request(&operation::FIND_IP).path(address).send().await
    }

    /// Acquires any address of a network.
    pub async fn allocate(&self, request: &IpAllocateRequest) -> Result<IpResponse, Error> {
        self.client.request(&operation::ALLOCATE_IP).body(request).send().await
    }

    /// What would be acquired; nothing is changed.
    pub async fn allocate_dry_run(&self, request: &IpAllocateRequest) -> Result<IpResponse, Error> {
        self.client.request(&operation::ALLOCATE_IP).body(request).dry_run().send().await
    }

    /// Acquires a given address.
    pub async fn allocate_specific(
        &self,
        address: &str,
        request: &IpAllocateRequest,
    ) -> Result<IpResponse, Error> {
        self.client.request(&operation::ALLOCATE_SPECIFIC_IP).path(address).body(request).send().await
    }

    /// Changes an address.
    pub async fn update(&self, request: &IpUpdateRequest) -> Result<IpResponse, Error> {
        self.client.request(&operation::UPDATE_IP).body(request).send().await
    }

    /// Releases an address.
    pub async fn free(&self, address: &str) -> Result<IpResponse, Error> {
        self.client.request(&operation::FREE_IP).path(address).send().await
    }

    /// Streams changes; those after a revision, or everything there is and then the changes.
    pub async fn watch(&self, after: Option<u64>) -> Result<Watch<IpResponse>, Error> {
        Watch::start(self.client.request(&operation::WATCH_IPS), after).await
    }
}
