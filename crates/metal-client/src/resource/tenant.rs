//! Operations on tenants.

use metal_model::v1::{
    TenantCreateRequest, TenantFindRequest, TenantResponse, TenantUpdateRequest, operation,
};

use crate::client::Client;
use crate::error::Error;

/// Operations on tenants.
#[derive(Debug, Clone, Copy)]
pub struct Tenants<'a> {
    client: &'a Client,
}

impl Client {
    /// Operations on tenants.
    pub fn tenant(&self) -> Tenants<'_> {
        Tenants { client: self }
    }
}

impl Tenants<'_> {
    /// All tenants.
    pub async fn list(&self) -> Result<Vec<TenantResponse>, Error> {
        self.client.request(&operation::LIST_TENANTS).send().await
    }

    /// Tenants that meet the criteria.
    pub async fn find(&self, request: &TenantFindRequest) -> Result<Vec<TenantResponse>, Error> {
        self.client.request(&operation::FIND_TENANTS).body(request).send().await
    }

    /// One tenant.
    pub async fn get(&self, id: &str) -> Result<TenantResponse, Error> {
        self.client.request(&operation::GET_TENANT).path(id).send().await
    }

    /// Creates a tenant.
    pub async fn create(&self, request: &TenantCreateRequest) -> Result<TenantResponse, Error> {
        self.client.request(&operation::CREATE_TENANT).body(request).send().await
    }

    /// Changes a tenant.
    pub async fn update(&self, request: &TenantUpdateRequest) -> Result<TenantResponse, Error> {
        self.client.request(&operation::UPDATE_TENANT).body(request).send().await
    }

    /// Deletes a tenant.
    pub async fn delete(&self, id: &str) -> Result<TenantResponse, Error> {
        self.client.request(&operation::DELETE_TENANT).path(id).send().await
    }
}
