//! Operations on machines and firewalls.

use super::{Access, Operation, QueryParam};

/// Lists all machines.
pub const LIST_MACHINES: Operation =
    Operation::get("listMachines", "/v1/machine", Access::View).tag("machine").lists("v1.MachineResponse");

/// Changes an allocated machine.
pub const UPDATE_MACHINE: Operation = Operation::post("updateMachine", "/v1/machine", Access::Admin)
    .tag("machine")
    .takes("v1.MachineUpdateRequest")
    .gives("v1.MachineResponse")
    .typed(&[409]);

/// Allocates a machine.
pub const ALLOCATE_MACHINE: Operation =
    Operation::post("allocateMachine", "/v1/machine/allocate", Access::Edit)
        .tag("machine")
        .takes("v1.MachineAllocateRequest")
        .gives("v1.MachineResponse");

/// Reads the console password of a machine; the request is in the body of the GET.
pub const GET_MACHINE_CONSOLE_PASSWORD: Operation =
    Operation::get("getMachineConsolePassword", "/v1/machine/consolepassword", Access::Edit)
        .tag("machine")
        .takes("v1.MachineConsolePasswordRequest")
        .gives("v1.MachineConsolePasswordResponse")
        .audited();

/// Searches machines.
pub const FIND_MACHINES: Operation = Operation::post("findMachines", "/v1/machine/find", Access::View)
    .tag("machine")
    .takes("v1.MachineFindRequest")
    .lists("v1.MachineResponse")
    .unaudited();

/// Takes what the BMCs of a partition reported.
pub const IPMI_REPORT: Operation = Operation::post("ipmiReport", "/v1/machine/ipmi", Access::Edit)
    .tag("machine")
    .takes("v1.MachineIpmiReports")
    .gives("v1.MachineIpmiReportResponse");

/// Lists the kinds of problems machines can have.
pub const LIST_ISSUES: Operation =
    Operation::get("listIssues", "/v1/machine/issues", Access::View).tag("machine").lists("v1.MachineIssue");

/// Reads a machine.
pub const FIND_MACHINE: Operation = Operation::get("findMachine", "/v1/machine/{id}", Access::View)
    .tag("machine")
    .gives("v1.MachineResponse");

/// Forgets a dead machine.
pub const DELETE_MACHINE: Operation = Operation::delete("deleteMachine", "/v1/machine/{id}", Access::Admin)
    .tag("machine")
    .gives("v1.MachineResponse");

/// Searches machines, with their BMCs.
pub const FIND_IPMI_MACHINES: Operation =
    Operation::post("findIPMIMachines", "/v1/machine/ipmi/find", Access::View)
        .tag("machine")
        .takes("v1.MachineFindRequest")
        .lists("v1.MachineIPMIResponse")
        .unaudited();

/// Searches machines with problems.
pub const ISSUES: Operation = Operation::post("issues", "/v1/machine/issues/evaluate", Access::View)
    .tag("machine")
    .takes("v1.MachineIssuesRequest")
    .lists("v1.MachineIssueResponse")
    .unaudited();

/// Installs firmware on a machine.
pub const UPDATE_FIRMWARE: Operation =
    Operation::post("updateFirmware", "/v1/machine/update-firmware/{id}", Access::Admin)
        .tag("machine")
        .takes("v1.MachineUpdateFirmwareRequest")
        .gives("v1.MachineResponse");

/// Releases a machine.
pub const FREE_MACHINE: Operation = Operation::delete("freeMachine", "/v1/machine/{id}/free", Access::Edit)
    .tag("machine")
    .gives("v1.MachineResponse");

/// Reads a machine, with its BMC.
pub const FIND_IPMI_MACHINE: Operation =
    Operation::get("findIPMIMachine", "/v1/machine/{id}/ipmi", Access::View)
        .tag("machine")
        .gives("v1.MachineIPMIResponse");

/// Installs an allocated machine anew.
pub const REINSTALL_MACHINE: Operation =
    Operation::post("reinstallMachine", "/v1/machine/{id}/reinstall", Access::Edit)
        .tag("machine")
        .takes("v1.MachineReinstallRequest")
        .gives("v1.MachineResponse")
        .typed(&[400]);

/// Reserves or locks a machine, or undoes it.
pub const SET_MACHINE_STATE: Operation =
    Operation::post("setMachineState", "/v1/machine/{id}/state", Access::Edit)
        .tag("machine")
        .takes("v1.MachineState")
        .gives("v1.MachineResponse");

/// Boots a machine into its firmware's setup.
pub const MACHINE_BIOS: Operation =
    Operation::post("machineBios", "/v1/machine/{id}/power/bios", Access::Edit)
        .tag("machine")
        .takes("v1.EmptyBody")
        .gives("v1.MachineResponse");

/// Switches the identification light off.
pub const CHASSIS_IDENTIFY_LED_OFF: Operation =
    Operation::post("chassisIdentifyLEDOff", "/v1/machine/{id}/power/chassis-identify-led-off", Access::Edit)
        .tag("machine")
        .takes("v1.EmptyBody")
        .gives("v1.MachineResponse")
        .query(&[QueryParam::text("description")]);

/// Switches the identification light on.
pub const CHASSIS_IDENTIFY_LED_ON: Operation =
    Operation::post("chassisIdentifyLEDOn", "/v1/machine/{id}/power/chassis-identify-led-on", Access::Edit)
        .tag("machine")
        .takes("v1.EmptyBody")
        .gives("v1.MachineResponse")
        .query(&[QueryParam::text("description")]);

/// Takes power away and gives it back.
pub const MACHINE_CYCLE: Operation =
    Operation::post("machineCycle", "/v1/machine/{id}/power/cycle", Access::Edit)
        .tag("machine")
        .takes("v1.EmptyBody")
        .gives("v1.MachineResponse");

/// Makes a machine boot from disk.
pub const MACHINE_DISK: Operation =
    Operation::post("machineDisk", "/v1/machine/{id}/power/disk", Access::Edit)
        .tag("machine")
        .takes("v1.EmptyBody")
        .gives("v1.MachineResponse");

/// Switches a machine off.
pub const MACHINE_OFF: Operation = Operation::post("machineOff", "/v1/machine/{id}/power/off", Access::Edit)
    .tag("machine")
    .takes("v1.EmptyBody")
    .gives("v1.MachineResponse");

/// Switches a machine on.
pub const MACHINE_ON: Operation = Operation::post("machineOn", "/v1/machine/{id}/power/on", Access::Edit)
    .tag("machine")
    .takes("v1.EmptyBody")
    .gives("v1.MachineResponse");

/// Makes a machine boot from the network.
pub const MACHINE_PXE: Operation = Operation::post("machinePxe", "/v1/machine/{id}/power/pxe", Access::Edit)
    .tag("machine")
    .takes("v1.EmptyBody")
    .gives("v1.MachineResponse");

/// Resets a machine.
pub const MACHINE_RESET: Operation =
    Operation::post("machineReset", "/v1/machine/{id}/power/reset", Access::Edit)
        .tag("machine")
        .takes("v1.EmptyBody")
        .gives("v1.MachineResponse");

/// Lists all firewalls.
pub const LIST_FIREWALLS: Operation = Operation::get("listFirewalls", "/v1/firewall", Access::View)
    .tag("firewall")
    .lists("v1.FirewallResponse");

/// Allocates a firewall.
pub const ALLOCATE_FIREWALL: Operation =
    Operation::post("allocateFirewall", "/v1/firewall/allocate", Access::Edit)
        .tag("firewall")
        .takes("v1.FirewallCreateRequest")
        .gives("v1.FirewallResponse");

/// Searches firewalls.
pub const FIND_FIREWALLS: Operation = Operation::post("findFirewalls", "/v1/firewall/find", Access::View)
    .tag("firewall")
    .takes("v1.FirewallFindRequest")
    .lists("v1.FirewallResponse")
    .unaudited();

/// Reads a firewall.
pub const FIND_FIREWALL: Operation = Operation::get("findFirewall", "/v1/firewall/{id}", Access::View)
    .tag("firewall")
    .gives("v1.FirewallResponse");
