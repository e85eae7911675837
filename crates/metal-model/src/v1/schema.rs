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
        BgpFilter SwitchBgpPortState SwitchNic SwitchConnection SwitchSync SwitchResponse
        SwitchRegisterRequest SwitchUpdateRequest SwitchPortToggleRequest SwitchMigrateRequest
        SwitchNotifyRequest SwitchNotifyResponse Meta Quota QuotaSet Project ProjectFindRequest
        IssuerConfig IdmConfig IamConfig Tenant Paging TenantFindRequest BoardRevisions VendorRevisions
        FirmwaresResponse AuditFindRequest AuditResponse VpnRequest VpnResponse User HealthResponse
        Version MachineFindRequest MachineIssuesRequest NetworkFindRequest IpFindRequest ImageFindRequest
        SwitchFindRequest HttpErrorResponse TaskResponse AnyWatchEvent PkiTokenRequest PkiTokenResponse
        PkiCaResponse
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde::Serialize;
    use serde::de::DeserializeOwned;
    use serde_json::Value;

    use super::*;

    #[test]
    fn names_are_unique_and_references_resolve() {
        let all: BTreeMap<String, Value> =
            schemas().into_iter().map(|s| (s.name, serde_json::to_value(s.schema).unwrap())).collect();
        assert_eq!(all.len(), schemas().len());
        let text = serde_json::to_string(&all).unwrap();
        let wanted: BTreeSet<&str> =
            text.split("#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        for name in wanted {
            assert!(all.contains_key(name), "{name} is referred to and not there");
        }
        assert!(all.contains_key("v1.MachineResponse") && all.contains_key("rest.version"));
    }

    /// Defaults round-trip, null members are absent members, and unknown members are ignored.
    fn is_tolerant<T: ToSchema + Serialize + DeserializeOwned + Default + PartialEq + std::fmt::Debug>() {
        let name = T::name();
        let default = T::default();
        let bytes = serde_json::to_vec(&default).unwrap();
        assert_eq!(json::decode::<T>(&bytes).unwrap(), default, "{name}");
        assert_eq!(json::decode::<T>(b"null").unwrap(), default, "{name}");
        let schema = serde_json::to_value(T::schema()).unwrap();
        let nulls = schema["properties"].as_object().into_iter().flat_map(|p| p.keys());
        let mut nulls: serde_json::Map<String, Value> = nulls.map(|k| (k.clone(), Value::Null)).collect();
        nulls.insert("no such member".into(), Value::Bool(true));
        let read: T = json::decode_value(Value::Object(nulls)).unwrap();
        assert_eq!(read, default, "{name}");
    }

    #[test]
    fn every_model_is_tolerant() {
        macro_rules! check { ($($model:ident)*) => { $(is_tolerant::<$model>();)* } }
        check! {
            DnsServer NtpServer EmptyBody MetalCpu MetalGpu MachineBlockDevice MachineNic MachineHardware
            MachineBios MachineFru PowerMetric PowerSupplyStatus PowerSupply MachineIpmi MachineState
            ChassisIdentifyLedState MachineProvisioningEvent MachineRecentProvisioningEvents BootInfo
            MachineNetwork MachineVpn MachineAllocation MachineResponse MachineIpmiResponse
            MachineAllocationNetwork MachineAllocateRequest MachineUpdateRequest MachineReinstallRequest
            MachineConsolePasswordRequest MachineConsolePasswordResponse MachineUpdateFirmwareRequest
            MachineIpmiReport MachineIpmiReports MachineIpmiReportResponse MachineIssue
            MachineIssueResponse FirewallEgressRule FirewallIngressRule FirewallRules
            FirewallAllocateRequest FirewallCreateRequest NetworkUsage NetworkConsumption NetworkResponse
            NetworkCreateRequest NetworkAllocateRequest NetworkUpdateRequest IpResponse IpAllocateRequest
            IpUpdateRequest ImageResponse ImageCreateRequest ImageUpdateRequest SizeConstraint
            SizeResponse SizeCreateRequest SizeUpdateRequest SizeSuggestRequest SizeReservationResponse
            SizeReservationCreateRequest SizeReservationUpdateRequest SizeReservationUsageResponse
            SizeReservationListRequest SizeImageConstraintBase SizeImageConstraintResponse
            SizeImageConstraintCreateRequest SizeImageConstraintUpdateRequest
            SizeImageConstraintTryRequest PartitionBootConfiguration PartitionResponse
            PartitionCreateRequest PartitionUpdateRequest PartitionCapacityRequest ServerCapacity
            PartitionCapacity FilesystemLayoutConstraints Filesystem DiskPartition Disk Raid VolumeGroup
            LogicalVolume FilesystemLayoutResponse FilesystemLayoutCreateRequest
            FilesystemLayoutUpdateRequest FilesystemLayoutTryRequest FilesystemLayoutMatchRequest SwitchOs
            BgpFilter SwitchBgpPortState SwitchNic SwitchConnection SwitchSync SwitchResponse
            SwitchRegisterRequest SwitchUpdateRequest SwitchPortToggleRequest SwitchMigrateRequest
            SwitchNotifyRequest SwitchNotifyResponse Meta Quota QuotaSet Project ProjectFindRequest
            IssuerConfig IdmConfig IamConfig Tenant Paging TenantFindRequest BoardRevisions
            VendorRevisions FirmwaresResponse AuditFindRequest AuditResponse VpnRequest VpnResponse User
            HealthResponse Version MachineFindRequest MachineIssuesRequest NetworkFindRequest
            IpFindRequest ImageFindRequest SwitchFindRequest HttpErrorResponse TaskResponse PkiTokenRequest
            PkiTokenResponse PkiCaResponse
        }
    }
}
