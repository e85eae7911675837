//! What this API can do beyond the one it is compatible with: streams of changes, dry runs, and a look at the
//! background tasks. New paths and new optional parameters only; nothing that exists changes its meaning.

use super::{Access, Operation, QueryParam};

/// Parameters of a stream of changes.
const AFTER: &[QueryParam] = &[QueryParam::number("after")];

/// Streams changes of machines after a revision.
pub const WATCH_MACHINES: Operation = Operation::get("watchMachines", "/v1/machine/watch", Access::View)
    .tag("machine")
    .streams("v1.WatchEvent")
    .query(AFTER);

/// Streams changes of networks after a revision.
pub const WATCH_NETWORKS: Operation = Operation::get("watchNetworks", "/v1/network/watch", Access::View)
    .tag("network")
    .streams("v1.WatchEvent")
    .query(AFTER);

/// Streams changes of addresses after a revision.
pub const WATCH_IPS: Operation =
    Operation::get("watchIPs", "/v1/ip/watch", Access::View).tag("ip").streams("v1.WatchEvent").query(AFTER);

/// Streams changes of switches after a revision.
pub const WATCH_SWITCHES: Operation = Operation::get("watchSwitches", "/v1/switch/watch", Access::View)
    .tag("switch")
    .streams("v1.WatchEvent")
    .query(AFTER);

/// Lists the background tasks and what they did last.
pub const LIST_TASKS: Operation =
    Operation::get("listTasks", "/v1/task", Access::Admin).tag("task").lists("v1.TaskResponse");

/// Tells the authority of the agents and servers.
pub const GET_PKI_CA: Operation =
    Operation::get("getPkiCa", "/v1/pki/ca", Access::View).tag("pki").gives("v1.PkiCaResponse");

/// Gives out a one-time token with which an agent joins.
pub const CREATE_PKI_TOKEN: Operation = Operation::post("createPkiToken", "/v1/pki/token", Access::Admin)
    .tag("pki")
    .takes("v1.PkiTokenRequest")
    .gives("v1.PkiTokenResponse")
    .ok(&[201]);

/// All added operations.
pub const ADDITIONS: &[&Operation] = &[
    &WATCH_MACHINES,
    &WATCH_NETWORKS,
    &WATCH_IPS,
    &WATCH_SWITCHES,
    &LIST_TASKS,
    &GET_PKI_CA,
    &CREATE_PKI_TOKEN,
];

/// With `true`, an allocation answers what it would choose, or why it would fail, and changes nothing.
pub const DRY_RUN: QueryParam = QueryParam::flag("dry-run");

/// Query parameters added to operations that exist, by operation id.
pub const ADDED_QUERY: &[(&str, QueryParam)] = &[
    ("allocateMachine", DRY_RUN),
    ("allocateFirewall", DRY_RUN),
    ("allocateNetwork", DRY_RUN),
    ("allocateIP", DRY_RUN),
    ("allocateSpecificIP", DRY_RUN),
];
