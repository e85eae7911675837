//! Background tasks of the server, for operators: what runs, where, and what it did last.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::time::Time;

/// A background task and its last run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = v1::TaskResponse)]
pub struct TaskResponse {
    /// Name.
    #[schema(required = true)]
    pub name: String,
    /// What it is for.
    #[schema(required = true)]
    pub description: String,
    /// Replica that runs it.
    #[schema(required = true)]
    pub replica: String,
    /// `running`, `idle`, or `standby` where another replica leads.
    #[schema(required = true)]
    pub state: String,
    /// Time between runs in nanoseconds.
    #[schema(required = true)]
    pub period: i64,
    /// Runs since the replica started.
    #[schema(required = true)]
    pub runs: u64,
    /// Runs of them that failed.
    #[schema(required = true)]
    pub failures: u64,
    /// When the last run began.
    #[schema(required = true, value_type = String, format = DateTime)]
    pub last_started: Time,
    /// How long the last run took in nanoseconds.
    #[schema(required = true)]
    pub last_duration: i64,
    /// Why the last run failed; null when it did not.
    pub last_error: Option<String>,
    /// What the last run found and did, as the task words it.
    #[schema(value_type = Object)]
    pub status: serde_json::Value,
}
