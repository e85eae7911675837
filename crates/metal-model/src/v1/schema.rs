//! The models by name, for the OpenAPI document.

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

use super::watch::AnyWatchEvent;
use super::*;

/// A model's name in the OpenAPI document and its description.
#[derive(Clone)]
pub struct NamedSchema {
    /// Name, for example `v1.MachineResponse`.
    pub name: String,
    /// Description.
    pub schema: RefOr<Schema>,
}

/// Names that mean the same as another model.
const ALIASES: &[(&str, &str)] = &[
    ("v1.FirewallResponse", "v1.MachineResponse"),
    ("v1.FirewallFindRequest", "v1.MachineFindRequest"),
    ("v1.MachineSearchQuery", "v1.MachineFindRequest"),
    ("v1.NetworkSearchQuery", "v1.NetworkFindRequest"),
    ("v1.IPSearchQuery", "v1.IPFindRequest"),
    ("v1.ImageSearchQuery", "v1.ImageFindRequest"),
    ("v1.SwitchSearchQuery", "v1.SwitchFindRequest"),
    ("v1.SwitchBGPPortState", "metal.SwitchBGPPortState"),
    ("v1.ProjectResponse", "v1.Project"),
    ("v1.ProjectCreateRequest", "v1.Project"),
    ("v1.ProjectUpdateRequest", "v1.Project"),
    ("v1.TenantResponse", "v1.Tenant"),
    ("v1.TenantCreateRequest", "v1.Tenant"),
    ("v1.TenantUpdateRequest", "v1.Tenant"),
];

fn named<T: ToSchema>() -> NamedSchema {
    NamedSchema { name: T::name().into_owned(), schema: <T as PartialSchema>::schema() }
}

/// Expands to the named schemas of the given types.
macro_rules! all {
    ($($model:ident)*) => { vec![$(named::<$model>()),*] };
}

/// Every model of the API.
pub fn schemas() -> Vec<NamedSchema> {
    let mut all = models();
    let aliases: Vec<NamedSchema> = ALIASES
        .iter()
        .filter_map(|(alias, of)| {
            let schema = all.iter().find(|s| s.name == *of)?.schema.clone();
            Some(NamedSchema { name: (*alias).to_owned(), schema })
        })
        .collect();
    all.extend(aliases);
    all
}

fn models() -> Vec<NamedSchema> {
    all! {
        DnsServer NtpServer EmptyBody MetalCpu MetalGpu MachineBlockDevice MachineNic MachineHardware
        MachineBios MachineFru PowerMetric PowerSupplyStatus PowerSupply MachineIpmi MachineState
        ChassisIdentifyLedState MachineProvisioningEvent MachineRecentProvisioningEvents BootInfo
        MachineNetwork MachineVpn MachineAllocation MachineResponse MachineIpmiResponse
        MachineAllocationNetwork MachineAllocateRequest MachineUpdateRequest MachineReinstallRequest
        MachineConsolePasswordRequest MachineConsolePasswordResponse MachineUpdateFirmwareRequest
        MachineIpmiReport MachineIpmiReports MachineIpmiReportResponse MachineIssue MachineIssueResponse
        FirewallEgressRule FirewallIngressRule FirewallRules FirewallAllocateRequest FirewallCreateRequest
        NetworkUsage NetworkConsumption NetworkResponse NetworkCreateRequest NetworkAllocateRequest
        NetworkUpdateRequest IpResponse IpAllocateRequest IpUpdateRequest ImageResponse ImageCreateRequest
        ImageUpdateRequest SizeConstraint SizeResponse SizeCreateRequest SizeUpdateRequest
        SizeSuggestRequest SizeReservationResponse SizeReservationCreateRequest
        SizeReservationUpdateRequest SizeReservationUsageResponse SizeReservationListRequest
        SizeImageConstraintBase SizeImageConstraintResponse SizeImageConstraintCreateRequest
        SizeImageConstraintUpdateRequest SizeImageConstraintTryRequest PartitionBootConfiguration
        PartitionResponse PartitionCreateRequest PartitionUpdateRequest PartitionCapacityRequest
        ServerCapacity PartitionCapacity FilesystemLayoutConstraints Filesystem DiskPartition Disk Raid
        VolumeGroup LogicalVolume FilesystemLayoutResponse FilesystemLayoutCreateRequest
        FilesystemLayoutUpdateRequest FilesystemLayoutTryRequest FilesystemLayoutMatchRequest SwitchOs
        BgpFilter SwitchBgpPortState SwitchLldpNeighbor SwitchBgpSession SwitchNic SwitchConnection SwitchSync SwitchResponse
        SwitchRegisterRequest SwitchUpdateRequest SwitchPortToggleRequest SwitchMigrateRequest
        SwitchNotifyRequest SwitchNotifyResponse Meta Quota QuotaSet Project ProjectFindRequest
        IssuerConfig IdmConfig IamConfig Tenant Paging TenantFindRequest BoardRevisions VendorRevisions
        FirmwaresResponse AuditFindRequest AuditResponse VpnRequest VpnResponse User HealthResponse
        Version MachineFindRequest MachineIssuesRequest NetworkFindRequest IpFindRequest ImageFindRequest
        SwitchFindRequest HttpErrorResponse TaskResponse AnyWatchEvent PkiTokenRequest PkiTokenResponse
        PkiCaResponse ChosenNetwork Chosen Rejected Explanation
    }
}

#[cfg(test)]
mod tests;
