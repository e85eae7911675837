//! Operations on networks, addresses, switches and partitions.

use super::{Access, Operation, QueryParam};

/// Lists all networks.
pub const LIST_NETWORKS: Operation =
    Operation::get("listNetworks", "/v1/network", Access::View).tag("network").lists("v1.NetworkResponse");

/// Creates a network.
pub const CREATE_NETWORK: Operation = Operation::put("createNetwork", "/v1/network", Access::Admin)
    .tag("network")
    .takes("v1.NetworkCreateRequest")
    .gives("v1.NetworkResponse")
    .ok(&[201])
    .typed(&[409]);

/// Changes a network.
pub const UPDATE_NETWORK: Operation = Operation::post("updateNetwork", "/v1/network", Access::Admin)
    .tag("network")
    .takes("v1.NetworkUpdateRequest")
    .gives("v1.NetworkResponse")
    .typed(&[409])
    .query(&[QueryParam::flag("force")]);

/// Takes a child network out of a super network.
pub const ALLOCATE_NETWORK: Operation =
    Operation::post("allocateNetwork", "/v1/network/allocate", Access::Edit)
        .tag("network")
        .takes("v1.NetworkAllocateRequest")
        .gives("v1.NetworkResponse")
        .ok(&[201])
        .typed(&[409]);

/// Searches networks.
pub const FIND_NETWORKS: Operation = Operation::post("findNetworks", "/v1/network/find", Access::View)
    .tag("network")
    .takes("v1.NetworkFindRequest")
    .lists("v1.NetworkResponse")
    .unaudited();

/// Reads a network.
pub const FIND_NETWORK: Operation = Operation::get("findNetwork", "/v1/network/{id}", Access::View)
    .tag("network")
    .gives("v1.NetworkResponse");

/// Deletes a network.
pub const DELETE_NETWORK: Operation = Operation::delete("deleteNetwork", "/v1/network/{id}", Access::Admin)
    .tag("network")
    .gives("v1.NetworkResponse");

/// Releases a child network, in the way of old clients.
pub const FREE_NETWORK_DEPRECATED: Operation =
    Operation::post("freeNetworkDeprecated", "/v1/network/free/{id}", Access::Edit)
        .tag("network")
        .gives("v1.NetworkResponse")
        .typed(&[409]);

/// Releases a child network.
pub const FREE_NETWORK: Operation = Operation::delete("freeNetwork", "/v1/network/free/{id}", Access::Edit)
    .tag("network")
    .gives("v1.NetworkResponse")
    .typed(&[409]);

/// Lists all addresses.
pub const LIST_IPS: Operation =
    Operation::get("listIPs", "/v1/ip", Access::View).tag("ip").lists("v1.IPResponse");

/// Changes an address.
pub const UPDATE_IP: Operation = Operation::post("updateIP", "/v1/ip", Access::Edit)
    .tag("ip")
    .takes("v1.IPUpdateRequest")
    .gives("v1.IPResponse")
    .typed(&[409]);

/// Acquires any address of a network.
pub const ALLOCATE_IP: Operation = Operation::post("allocateIP", "/v1/ip/allocate", Access::Edit)
    .tag("ip")
    .takes("v1.IPAllocateRequest")
    .gives("v1.IPResponse")
    .ok(&[201])
    .typed(&[409]);

/// Searches addresses.
pub const FIND_IPS: Operation = Operation::post("findIPs", "/v1/ip/find", Access::View)
    .tag("ip")
    .takes("v1.IPFindRequest")
    .lists("v1.IPResponse")
    .unaudited();

/// Reads an address.
pub const FIND_IP: Operation =
    Operation::get("findIP", "/v1/ip/{id}", Access::View).tag("ip").gives("v1.IPResponse");

/// Acquires a given address of a network.
pub const ALLOCATE_SPECIFIC_IP: Operation =
    Operation::post("allocateSpecificIP", "/v1/ip/allocate/{ip}", Access::Edit)
        .tag("ip")
        .takes("v1.IPAllocateRequest")
        .gives("v1.IPResponse")
        .ok(&[201])
        .typed(&[409]);

/// Releases an address.
pub const FREE_IP: Operation =
    Operation::delete("freeIP", "/v1/ip/free/{id}", Access::Edit).tag("ip").gives("v1.IPResponse");

/// Lists all partitions.
pub const LIST_PARTITIONS: Operation = Operation::get("listPartitions", "/v1/partition", Access::Member)
    .tag("partition")
    .lists("v1.PartitionResponse");

/// Creates a partition.
pub const CREATE_PARTITION: Operation = Operation::put("createPartition", "/v1/partition", Access::Admin)
    .tag("partition")
    .takes("v1.PartitionCreateRequest")
    .gives("v1.PartitionResponse")
    .ok(&[201])
    .typed(&[409]);

/// Changes a partition.
pub const UPDATE_PARTITION: Operation = Operation::post("updatePartition", "/v1/partition", Access::Admin)
    .tag("partition")
    .takes("v1.PartitionUpdateRequest")
    .gives("v1.PartitionResponse")
    .typed(&[409]);

/// Tells how full partitions are.
pub const PARTITION_CAPACITY: Operation =
    Operation::post("partitionCapacity", "/v1/partition/capacity", Access::Member)
        .tag("partition")
        .takes("v1.PartitionCapacityRequest")
        .lists("v1.PartitionCapacity")
        .unaudited();

/// Reads a partition.
pub const FIND_PARTITION: Operation = Operation::get("findPartition", "/v1/partition/{id}", Access::Member)
    .tag("partition")
    .gives("v1.PartitionResponse");

/// Deletes a partition.
pub const DELETE_PARTITION: Operation =
    Operation::delete("deletePartition", "/v1/partition/{id}", Access::Admin)
        .tag("partition")
        .gives("v1.PartitionResponse");

/// Lists all switches.
pub const LIST_SWITCHES: Operation =
    Operation::get("listSwitches", "/v1/switch", Access::Member).tag("switch").lists("v1.SwitchResponse");

/// Changes a switch.
pub const UPDATE_SWITCH: Operation = Operation::post("updateSwitch", "/v1/switch", Access::Admin)
    .tag("switch")
    .takes("v1.SwitchUpdateRequest")
    .gives("v1.SwitchResponse")
    .typed(&[409]);

/// Searches switches.
pub const FIND_SWITCHES: Operation = Operation::post("findSwitches", "/v1/switch/find", Access::View)
    .tag("switch")
    .takes("v1.SwitchFindRequest")
    .lists("v1.SwitchResponse")
    .unaudited();

/// Moves the machines of a switch to another.
pub const MIGRATE_SWITCH: Operation = Operation::post("migrateSwitch", "/v1/switch/migrate", Access::Admin)
    .tag("switch")
    .takes("v1.SwitchMigrateRequest")
    .gives("v1.SwitchResponse");

/// Makes a switch known, or reports it anew.
pub const REGISTER_SWITCH: Operation = Operation::post("registerSwitch", "/v1/switch/register", Access::Edit)
    .tag("switch")
    .takes("v1.SwitchRegisterRequest")
    .gives("v1.SwitchResponse")
    .ok(&[200, 201]);

/// Reads a switch.
pub const FIND_SWITCH: Operation =
    Operation::get("findSwitch", "/v1/switch/{id}", Access::Member).tag("switch").gives("v1.SwitchResponse");

/// Deletes a switch.
pub const DELETE_SWITCH: Operation = Operation::delete("deleteSwitch", "/v1/switch/{id}", Access::Edit)
    .tag("switch")
    .gives("v1.SwitchResponse")
    .query(&[QueryParam::flag("force")]);

/// Takes what a switch made of its configuration.
pub const NOTIFY_SWITCH: Operation = Operation::post("notifySwitch", "/v1/switch/{id}/notify", Access::Edit)
    .tag("switch")
    .takes("v1.SwitchNotifyRequest")
    .gives("v1.SwitchNotifyResponse")
    .unaudited();

/// Switches a port on or off.
pub const TOGGLE_SWITCH_PORT: Operation =
    Operation::post("toggleSwitchPort", "/v1/switch/{id}/port", Access::Admin)
        .tag("switch")
        .takes("v1.SwitchPortToggleRequest")
        .gives("v1.SwitchResponse")
        .typed(&[400, 409]);
