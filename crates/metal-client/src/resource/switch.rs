//! Operations on switches.

use metal_model::v1::{
    SwitchFindRequest, SwitchMigrateRequest, SwitchNotifyRequest, SwitchNotifyResponse,
    SwitchPortToggleRequest, SwitchRegisterRequest, SwitchResponse, SwitchUpdateRequest, operation,
};

use crate::client::Client;
use crate::error::Error;
use crate::watch::Watch;

/// Operations on switches.
#[derive(Debug, Clone, Copy)]
pub struct Switches<'a> {
    client: &'a Client,
}

impl Client {
    /// Operations on switches.
    pub fn switch(&self) -> Switches<'_> {
        Switches { client: self }
    }
}

impl Switches<'_> {
    /// All switches.
    pub async fn list(&self) -> Result<Vec<SwitchResponse>, Error> {
        self.client.request(&operation::LIST_SWITCHES).send().await
    }

    /// Switches that meet the criteria.
    pub async fn find(&self, request: &SwitchFindRequest) -> Result<Vec<SwitchResponse>, Error> {
        self.client.request(&operation::FIND_SWITCHES).body(request).send().await
    }

    /// One switch.
    pub async fn get(&self, id: &str) -> Result<SwitchResponse, Error> {
        self.client.request(&operation::FIND_SWITCH).path(id).send().await
    }

    /// Makes a switch known, or reports it anew.
    pub async fn register(&self, request: &SwitchRegisterRequest) -> Result<SwitchResponse, Error> {
        self.client.request(&operation::REGISTER_SWITCH).body(request).send().await
    }

    /// Changes a switch.
    pub async fn update(&self, request: &SwitchUpdateRequest) -> Result<SwitchResponse, Error> {
        self.client.request(&operation::UPDATE_SWITCH).body(request).send().await
    }

    /// Deletes a switch.
    pub async fn delete(&self, id: &str, force: bool) -> Result<SwitchResponse, Error> {
        self.client.request(&operation::DELETE_SWITCH).path(id).query("force", &force).send().await
    }

    /// Moves the machines of a switch to another.
    pub async fn migrate(&self, request: &SwitchMigrateRequest) -> Result<SwitchResponse, Error> {
        self.client.request(&operation::MIGRATE_SWITCH).body(request).send().await
    }

    /// Switches a port on or off.
    pub async fn toggle_port(
        &self,
        id: &str,
        request: &SwitchPortToggleRequest,
    ) -> Result<SwitchResponse, Error> {
        self.client.request(&operation::TOGGLE_SWITCH_PORT).path(id).body(request).send().await
    }

    /// Reports what became of the last configuration.
    pub async fn notify(
        &self,
        id: &str,
        request: &SwitchNotifyRequest,
    ) -> Result<SwitchNotifyResponse, Error> {
        self.client.request(&operation::NOTIFY_SWITCH).path(id).body(request).send().await
    }

    /// Streams changes; those after a revision, or everything there is and then the changes.
    pub async fn watch(&self, after: Option<u64>) -> Result<Watch<SwitchResponse>, Error> {
        Watch::start(self.client.request(&operation::WATCH_SWITCHES), after).await
    }
}
