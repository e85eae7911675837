//! Operations on firewalls.

use metal_model::v1::{FirewallCreateRequest, FirewallFindRequest, FirewallResponse, operation};

use crate::client::Client;
use crate::error::Error;
use metal_model::v1::Explanation;

/// Operations on firewalls.
#[derive(Debug, Clone, Copy)]
pub struct Firewalls<'a> {
    client: &'a Client,
}

impl Client {
    /// Operations on firewalls.
    pub fn firewall(&self) -> Firewalls<'_> {
        Firewalls { client: self }
    }
}

impl Firewalls<'_> {
    /// All firewalls.
    pub async fn list(&self) -> Result<Vec<FirewallResponse>, Error> {
        self.client.request(&operation::LIST_FIREWALLS).send().await
    }

    /// Firewalls that meet the criteria.
    pub async fn find(&self, request: &FirewallFindRequest) -> Result<Vec<FirewallResponse>, Error> {
        self.client.request(&operation::FIND_FIREWALLS).body(request).send().await
    }

    /// One firewall.
    pub async fn get(&self, id: &str) -> Result<FirewallResponse, Error> {
        self.client.request(&operation::FIND_FIREWALL).path(id).send().await
    }

    /// Allocates a firewall.
    pub async fn allocate(&self, request: &FirewallCreateRequest) -> Result<FirewallResponse, Error> {
        self.client.request(&operation::ALLOCATE_FIREWALL).body(request).send().await
    }

    /// What an allocation would choose; nothing is changed.
    pub async fn allocate_dry_run(&self, request: &FirewallCreateRequest) -> Result<Explanation, Error> {
        self.client.request(&operation::ALLOCATE_FIREWALL).body(request).dry_run().send().await
    }
}
