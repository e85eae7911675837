//! Operations on machines.

use metal_model::v1::{
    MachineAllocateRequest, MachineConsolePasswordRequest, MachineConsolePasswordResponse,
    MachineFindRequest, MachineIpmiReportResponse, MachineIpmiReports, MachineIpmiResponse, MachineIssue,
    MachineIssueResponse, MachineIssuesRequest, MachineReinstallRequest, MachineResponse, MachineState,
    MachineUpdateFirmwareRequest, MachineUpdateRequest, operation,
};

use crate::client::Client;
use crate::error::Error;
use crate::watch::Watch;
use metal_model::v1::Explanation;

/// Operations on machines.
#[derive(Debug, Clone, Copy)]
pub struct Machines<'a> {
    client: &'a Client,
}

impl Client {
    /// Operations on machines.
    pub fn machine(&self) -> Machines<'_> {
        Machines { client: self }
    }
}

impl Machines<'_> {
    /// All machines.
    pub async fn list(&self) -> Result<Vec<MachineResponse>, Error> {
        self.client.request(&operation::LIST_MACHINES).send().await
    }

    /// Machines that meet the criteria.
    pub async fn find(&self, request: &MachineFindRequest) -> Result<Vec<MachineResponse>, Error> {
        self.client.request(&operation::FIND_MACHINES).body(request).send().await
    }

    /// One machine.
    pub async fn get(&self, id: &str) -> Result<MachineResponse, Error> {
        self.client.request(&operation::FIND_MACHINE).path(id).send().await
    }

    /// Changes an allocated machine.
    pub async fn update(&self, request: &MachineUpdateRequest) -> Result<MachineResponse, Error> {
        self.client.request(&operation::UPDATE_MACHINE).body(request).send().await
    }

    /// Allocates a machine.
    pub async fn allocate(&self, request: &MachineAllocateRequest) -> Result<MachineResponse, Error> {
        self.client.request(&operation::ALLOCATE_MACHINE).body(request).send().await
    }

    /// What an allocation would choose; nothing is changed.
    pub async fn allocate_dry_run(&self, request: &MachineAllocateRequest) -> Result<Explanation, Error> {
        self.client.request(&operation::ALLOCATE_MACHINE).body(request).dry_run().send().await
    }

    /// Releases a machine.
    pub async fn free(&self, id: &str) -> Result<MachineResponse, Error> {
        self.client.request(&operation::FREE_MACHINE).path(id).send().await
    }

    /// Forgets a dead machine.
    pub async fn delete(&self, id: &str) -> Result<MachineResponse, Error> {
        self.client.request(&operation::DELETE_MACHINE).path(id).send().await
    }

    /// Installs an allocated machine anew.
    pub async fn reinstall(
        &self,
        id: &str,
        request: &MachineReinstallRequest,
    ) -> Result<MachineResponse, Error> {
        self.client.request(&operation::REINSTALL_MACHINE).path(id).body(request).send().await
    }

    /// Reserves or locks a machine, or undoes it.
    pub async fn set_state(&self, id: &str, request: &MachineState) -> Result<MachineResponse, Error> {
        self.client.request(&operation::SET_MACHINE_STATE).path(id).body(request).send().await
    }

    /// The console password of a machine.
    pub async fn console_password(
        &self,
        request: &MachineConsolePasswordRequest,
    ) -> Result<MachineConsolePasswordResponse, Error> {
        self.client.request(&operation::GET_MACHINE_CONSOLE_PASSWORD).body(request).send().await
    }

    /// One machine with its BMC.
    pub async fn ipmi(&self, id: &str) -> Result<MachineIpmiResponse, Error> {
        self.client.request(&operation::FIND_IPMI_MACHINE).path(id).send().await
    }

    /// Machines that meet the criteria, with their BMCs.
    pub async fn find_ipmi(&self, request: &MachineFindRequest) -> Result<Vec<MachineIpmiResponse>, Error> {
        self.client.request(&operation::FIND_IPMI_MACHINES).body(request).send().await
    }

    /// Reports what BMCs said.
    pub async fn report_ipmi(
        &self,
        request: &MachineIpmiReports,
    ) -> Result<MachineIpmiReportResponse, Error> {
        self.client.request(&operation::IPMI_REPORT).body(request).send().await
    }

    /// The kinds of problems machines can have.
    pub async fn issue_kinds(&self) -> Result<Vec<MachineIssue>, Error> {
        self.client.request(&operation::LIST_ISSUES).send().await
    }

    /// Machines with problems.
    pub async fn issues(&self, request: &MachineIssuesRequest) -> Result<Vec<MachineIssueResponse>, Error> {
        self.client.request(&operation::ISSUES).body(request).send().await
    }

    /// Installs firmware on a machine.
    pub async fn update_firmware(
        &self,
        id: &str,
        request: &MachineUpdateFirmwareRequest,
    ) -> Result<MachineResponse, Error> {
        self.client.request(&operation::UPDATE_FIRMWARE).path(id).body(request).send().await
    }

    /// Switches a machine on.
    pub async fn on(&self, id: &str) -> Result<MachineResponse, Error> {
        self.client.request(&operation::MACHINE_ON).path(id).send().await
    }

    /// Switches a machine off.
    pub async fn off(&self, id: &str) -> Result<MachineResponse, Error> {
        self.client.request(&operation::MACHINE_OFF).path(id).send().await
    }

    /// Resets a machine.
    pub async fn reset(&self, id: &str) -> Result<MachineResponse, Error> {
        self.client.request(&operation::MACHINE_RESET).path(id).send().await
    }

    /// Takes power away from a machine and gives it back.
    pub async fn cycle(&self, id: &str) -> Result<MachineResponse, Error> {
        self.client.request(&operation::MACHINE_CYCLE).path(id).send().await
    }

    /// Boots a machine into its firmware's setup.
    pub async fn bios(&self, id: &str) -> Result<MachineResponse, Error> {
        self.client.request(&operation::MACHINE_BIOS).path(id).send().await
    }

    /// Makes a machine boot from disk.
    pub async fn disk(&self, id: &str) -> Result<MachineResponse, Error> {
        self.client.request(&operation::MACHINE_DISK).path(id).send().await
    }

    /// Makes a machine boot from the network.
    pub async fn pxe(&self, id: &str) -> Result<MachineResponse, Error> {
        self.client.request(&operation::MACHINE_PXE).path(id).send().await
    }

    /// Switches the identification light on.
    pub async fn identify_on(&self, id: &str, description: &str) -> Result<MachineResponse, Error> {
        self.client
            .request(&operation::CHASSIS_IDENTIFY_LED_ON)
            .path(id)
            .query("description", description)
            .send()
            .await
    }

    /// Switches the identification light off.
    pub async fn identify_off(&self, id: &str, description: &str) -> Result<MachineResponse, Error> {
        self.client
            .request(&operation::CHASSIS_IDENTIFY_LED_OFF)
            .path(id)
            .query("description", description)
            .send()
            .await
    }

    /// Streams changes; those after a revision, or everything there is and then the changes.
    pub async fn watch(&self, after: Option<u64>) -> Result<Watch<MachineResponse>, Error> {
        Watch::start(self.client.request(&operation::WATCH_MACHINES), after).await
    }
}
