//! Operations on the service itself: health, version, who one is, the audit log, firmware, VPN keys, tasks.

use metal_model::v1::{
    AuditFindRequest, AuditResponse, FirmwaresResponse, HealthResponse, TaskResponse, User, Version,
    VpnRequest, VpnResponse, operation,
};

use crate::client::Client;
use crate::error::Error;

/// Which firmware is meant; none means any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FirmwareFilter {
    /// Installed on this machine.
    pub machine: Option<String>,
    /// `bios` or `bmc`.
    pub kind: Option<String>,
    /// Vendor.
    pub vendor: Option<String>,
    /// Board.
    pub board: Option<String>,
}

/// One revision of firmware.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirmwareId<'a> {
    /// `bios` or `bmc`.
    pub kind: &'a str,
    /// Vendor.
    pub vendor: &'a str,
    /// Board.
    pub board: &'a str,
    /// Revision.
    pub revision: &'a str,
}

impl Client {
    /// Whether the service, or one of its parts, works. The flag is false when it does not.
    pub async fn health(&self, service: Option<&str>) -> Result<(bool, HealthResponse), Error> {
        let request = self.request(&operation::HEALTH).query_some("service", service);
        let (status, health) = request.send_with_status().await?;
        Ok((status == 200, health))
    }

    /// Version of the server.
    pub async fn version(&self) -> Result<Version, Error> {
        self.request(&operation::INFO).send().await
    }

    /// Who is asking.
    pub async fn me(&self) -> Result<User, Error> {
        self.request(&operation::GET_ME).send().await
    }

    /// Searches the audit log.
    pub async fn audit(&self, request: &AuditFindRequest) -> Result<Vec<AuditResponse>, Error> {
        self.request(&operation::FIND_AUDIT_TRACES).body(request).send().await
    }

    /// Makes a key for the management VPN.
    pub async fn vpn_key(&self, request: &VpnRequest) -> Result<VpnResponse, Error> {
        self.request(&operation::GET_VPN_AUTH_KEY).body(request).send().await
    }

    /// Background tasks of the server.
    pub async fn tasks(&self) -> Result<Vec<TaskResponse>, Error> {
        self.request(&operation::LIST_TASKS).send().await
    }

    /// Lists firmware.
    pub async fn firmwares(&self, filter: &FirmwareFilter) -> Result<FirmwaresResponse, Error> {
        self.request(&operation::LIST_FIRMWARES)
            .query_some("machine-id", filter.machine.as_ref())
            .query_some("kind", filter.kind.as_ref())
            .query_some("vendor", filter.vendor.as_ref())
            .query_some("board", filter.board.as_ref())
            .send()
            .await
    }

    /// Uploads firmware.
    pub async fn upload_firmware(&self, id: FirmwareId<'_>, file: &str, content: &[u8]) -> Result<(), Error> {
        let request = self.request(&operation::UPLOAD_FIRMWARE);
        let request = request.path(id.kind).path(id.vendor).path(id.board).path(id.revision);
        request.file(file, content).send_for_nothing().await
    }

    /// Deletes firmware.
    pub async fn remove_firmware(&self, id: FirmwareId<'_>) -> Result<(), Error> {
        let request = self.request(&operation::REMOVE_FIRMWARE);
        request.path(id.kind).path(id.vendor).path(id.board).path(id.revision).send_for_nothing().await
    }
}
