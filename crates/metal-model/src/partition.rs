//! A partition: a failure domain with its own switches and management servers.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::PartitionId;
use crate::v1;

/// A failure domain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Partition {
    /// Chosen by the operator.
    pub id: PartitionId,
    /// Created.
    pub created: Timestamp,
    /// Last change.
    pub changed: Timestamp,
    /// Display name.
    pub name: String,
    /// Display description.
    pub description: String,
    /// Management service, free text.
    pub mgmt_service_address: String,
    /// Free labels.
    pub labels: BTreeMap<String, String>,
    /// Defaults of allocations.
    pub dns_servers: Vec<v1::DnsServer>,
    /// Defaults of allocations.
    pub ntp_servers: Vec<v1::NtpServer>,
    /// Installer kernel, image and command line.
    pub boot: Arc<v1::PartitionBootConfiguration>,
}

impl Default for Partition {
    fn default() -> Self {
        Self {
            id: PartitionId::default(),
            created: Timestamp::UNIX_EPOCH,
            changed: Timestamp::UNIX_EPOCH,
            name: String::new(),
            description: String::new(),
            mgmt_service_address: String::new(),
            labels: BTreeMap::new(),
            dns_servers: Vec::new(),
            ntp_servers: Vec::new(),
            boot: Arc::default(),
        }
    }
}
