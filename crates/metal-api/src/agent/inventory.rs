//! Inventories in the form agents tell them, made into the form decisions take them.

use metal_model::v1;
use metal_plan::registration::{BmcAccess, Inventory};
use metal_plan::switch::{Neighbor, Nic};
use metal_proto::v1 as proto;

/// The inventory of a machine; `machine` and `partition` are what the caller may act for.
pub fn of_request(request: proto::RegisterRequest, machine: &str, partition: &str) -> Inventory {
    let (hardware, nics) = match request.hardware {
        Some(found) => {
            let (hardware, nics) = split(found);
            (Some(hardware), nics)
        }
        None => (None, Vec::new()),
    };
    let has_bmc = request.bmc.is_some() || request.fru.is_some();
    let access = request.bmc.unwrap_or_default();
    let bmc = BmcAccess {
        address: access.address,
        mac: access.mac,
        user: access.user,
        password: access.password,
        interface: access.interface,
        fru: request.fru.map(fru).unwrap_or_default(),
        bmc_version: request.bmc_version,
        power_state: request.power_state,
    };
    Inventory {
        machine: machine.to_owned(),
        partition: partition.to_owned(),
        hardware,
        nics,
        bios: request.bios.map(|bios| v1::MachineBios {
            version: bios.version,
            vendor: bios.vendor,
            date: bios.date,
        }),
        bmc: has_bmc.then_some(bmc),
        tags: request.tags,
        hammer_version: request.hammer_version,
    }
}

fn split(hardware: proto::Hardware) -> (v1::MachineHardware, Vec<Nic>) {
    let nics = hardware.nics.into_iter().map(nic).collect();
    let cpu = |cpu: proto::Cpu| v1::MetalCpu {
        vendor: cpu.vendor,
        model: cpu.model,
        cores: cpu.cores,
        threads: cpu.threads,
    };
    let hardware = v1::MachineHardware {
        memory: hardware.memory,
        cpus: hardware.cpus.into_iter().map(cpu).collect(),
        gpus: hardware
            .gpus
            .into_iter()
            .map(|gpu| v1::MetalGpu { vendor: gpu.vendor, model: gpu.model })
            .collect(),
        disks: hardware
            .disks
            .into_iter()
            .map(|disk| v1::MachineBlockDevice { name: disk.name, size: disk.size })
            .collect(),
        ..v1::MachineHardware::default()
    };
    (hardware, nics)
}

fn nic(nic: proto::Nic) -> Nic {
    let neighbor = |neighbor: proto::Neighbor| Neighbor {
        hostname: neighbor.hostname,
        mac: neighbor.mac,
        name: neighbor.name,
        identifier: neighbor.identifier,
    };
    Nic {
        mac: nic.mac,
        name: nic.name,
        identifier: nic.identifier,
        neighbors: nic.neighbors.into_iter().map(neighbor).collect(),
    }
}

/// Part and serial numbers.
pub fn fru(fru: proto::Fru) -> v1::MachineFru {
    v1::MachineFru {
        chassis_part_number: fru.chassis_part_number.unwrap_or_default(),
        chassis_part_serial: fru.chassis_part_serial.unwrap_or_default(),
        board_mfg: fru.board_mfg.unwrap_or_default(),
        board_mfg_serial: fru.board_mfg_serial.unwrap_or_default(),
        board_part_number: fru.board_part_number.unwrap_or_default(),
        product_manufacturer: fru.product_manufacturer.unwrap_or_default(),
        product_part_number: fru.product_part_number.unwrap_or_default(),
        product_serial: fru.product_serial.unwrap_or_default(),
    }
}
