//! Every model, as its schema describes it: tolerant, and the same after writing and reading.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json as value};

use super::*;
use crate::v1::json::{decode, decode_value};

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

/// Calls a generic test for every model.
macro_rules! for_every_model {
    ($test:ident($($argument:expr),*)) => {
        for_every_model! { @ $test [$($argument),*]
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
            BgpFilter SwitchBgpPortState SwitchLldpNeighbor SwitchBgpSession SwitchNic SwitchConnection SwitchSync SwitchResponse
            SwitchRegisterRequest SwitchUpdateRequest SwitchPortToggleRequest SwitchMigrateRequest
            SwitchNotifyRequest SwitchNotifyResponse Meta Quota QuotaSet Project ProjectFindRequest
            IssuerConfig IdmConfig IamConfig Tenant Paging TenantFindRequest BoardRevisions
            VendorRevisions FirmwaresResponse AuditFindRequest AuditResponse VpnRequest VpnResponse User
            HealthResponse Version MachineFindRequest MachineIssuesRequest NetworkFindRequest
            IpFindRequest ImageFindRequest SwitchFindRequest HttpErrorResponse TaskResponse
            PkiTokenRequest PkiTokenResponse PkiCaResponse
        }
    };
    (@ $test:ident $arguments:tt $($model:ident)*) => { $( for_every_model!(# $test $model $arguments); )* };
    (# $test:ident $model:ident [$($argument:expr),*]) => { $test::<$model>($($argument),*) };
}

#[test]
fn every_model_is_tolerant() {
    for_every_model!(is_tolerant());
}

/// Makes documents that fit schemas, from a number.
struct Maker {
    state: u64,
    schemas: BTreeMap<String, Value>,
}

impl Maker {
    fn new(seed: u64) -> Self {
        let schemas = schemas().into_iter().map(|s| (s.name, serde_json::to_value(s.schema).unwrap()));
        Self { state: seed | 1, schemas: schemas.collect() }
    }

    /// The next number below `bound`, by xorshift.
    fn below(&mut self, bound: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from(self.state % bound as u64).unwrap()
    }

    fn document(&mut self, schema: &Value, depth: usize) -> Value {
        if let Some(name) = schema["$ref"].as_str() {
            let referred = self.schemas[name.rsplit('/').next().unwrap()].clone();
            return if depth == 0 { Value::Null } else { self.document(&referred, depth - 1) };
        }
        if let Some(choices) = schema["oneOf"].as_array() {
            let choice = self.below(choices.len());
            return self.document(&choices[choice].clone(), depth);
        }
        if let Some(choices) = schema["enum"].as_array() {
            return choices[self.below(choices.len())].clone();
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) => kinds[self.below(kinds.len())].as_str().unwrap_or_default().to_owned(),
            kind => kind.as_str().unwrap_or_default().to_owned(),
        };
        match kind.as_str() {
            "string" if schema["format"] == "date-time" => {
                ["0001-01-01T00:00:00Z", "2024-05-06T07:08:09.123Z", "2024-05-06T07:08:09+02:00"]
                    [self.below(3)]
                .into()
            }
            "string" => ["", "a", "\u{1F5A7}", "\"\\\u{0}\n"][self.below(4)].into(),
            "integer" => self.below(101).into(),
            "number" => value!(self.below(1000) as f64 / 4.0),
            "boolean" => (self.below(2) == 1).into(),
            "array" => (0..self.below(3)).map(|_| self.document(&schema["items"], depth)).collect(),
            "object" => self.object(schema, depth),
            _ => Value::Null,
        }
    }

    fn object(&mut self, schema: &Value, depth: usize) -> Value {
        let mut members = serde_json::Map::new();
        for (name, member) in schema["properties"].as_object().into_iter().flatten() {
            match self.below(4) {
                0 => {}
                1 => drop(members.insert(name.clone(), Value::Null)),
                _ => drop(members.insert(name.clone(), self.document(member, depth))),
            }
        }
        if schema["additionalProperties"].is_object() {
            members.insert("key".to_owned(), self.document(&schema["additionalProperties"], depth));
        }
        Value::Object(members)
    }
}

/// A document that fits the schema is read, and what was read is the same after writing and reading again.
fn round_trips<T: ToSchema + Serialize + DeserializeOwned + Default + PartialEq + std::fmt::Debug>(
    maker: &mut Maker,
) {
    let schema = serde_json::to_value(T::schema()).unwrap();
    let document = maker.document(&schema, 4);
    let read: T = decode_value(document.clone()).unwrap_or_else(|e| panic!("{}: {e}\n{document}", T::name()));
    let bytes = serde_json::to_vec(&read).unwrap();
    assert_eq!(decode::<T>(&bytes).unwrap(), read, "{}", T::name());
}

/// Whatever the bytes, reading them is an answer and not a panic.
fn survives<T: DeserializeOwned + Default>(bytes: &[u8]) {
    let _ = decode::<T>(bytes);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_model_round_trips(seed: u64) {
        let mut maker = Maker::new(seed);
        for_every_model!(round_trips(&mut maker));
    }

    #[test]
    fn every_model_survives_wild_bytes(seed: u64, cut in 0..400_usize, at in 0..400_usize, byte: u8) {
        let mut maker = Maker::new(seed);
        let schema = maker.schemas["v1.MachineResponse"].clone();
        let mut bytes = serde_json::to_vec(&maker.document(&schema, 3)).unwrap();
        bytes.truncate(cut.max(2));
        let length = bytes.len();
        bytes[at % length] = byte;
        for_every_model!(survives(&bytes));
    }
}
