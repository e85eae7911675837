//! What a machine is told to become: the allocation in the form agents read.

use metal_model::machine::{Allocation, Machine, MachineNetwork, MachineNetworkType, Role};
use metal_model::v1;
use metal_plan::Snapshot;
use metal_proto::v1 as proto;

/// The allocation of a machine, if it has one.
pub fn of_machine(snapshot: &Snapshot, machine: &Machine) -> Option<proto::Allocation> {
    let allocation = machine.allocation.as_deref()?;
    Some(proto::Allocation {
        allocation_uuid: allocation.uuid.clone(),
        name: allocation.name.clone(),
        hostname: allocation.hostname.clone(),
        project: allocation.project.as_str().to_owned(),
        role: match allocation.role {
            Role::Machine => proto::Role::Machine.into(),
            Role::Firewall => proto::Role::Firewall.into(),
        },
        image: Some(image(snapshot, allocation)),
        ssh_pub_keys: allocation.ssh_pub_keys.clone(),
        user_data: allocation.user_data.clone(),
        networks: allocation.networks.iter().map(network).collect(),
        filesystem_layout: allocation.filesystem_layout.as_deref().map(filesystem_layout),
        firewall_rules: allocation.firewall_rules.as_ref().map(firewall_rules),
        dns_servers: allocation.dns_servers.iter().map(|server| server.ip.clone()).collect(),
        ntp_servers: allocation.ntp_servers.iter().map(|server| server.address.clone()).collect(),
        reinstall: allocation.reinstall,
        boot_info: allocation.boot_info.as_ref().map(boot_info),
        vpn: allocation
            .vpn
            .as_ref()
            .map(|vpn| proto::Vpn { address: vpn.address.clone(), auth_key: vpn.auth_key.clone() }),
        tags: machine.tags.clone(),
    })
}

/// The URL is empty when the image is gone; an installer that has no use for that must say so.
fn image(snapshot: &Snapshot, allocation: &Allocation) -> proto::Image {
    let known = snapshot.images.get(allocation.image.as_str());
    proto::Image {
        id: allocation.image.as_str().to_owned(),
        url: known.map(|image| image.url.clone()).unwrap_or_default(),
    }
}

fn texts<T: ToString>(of: &[T]) -> Vec<String> {
    of.iter().map(T::to_string).collect()
}

fn network(network: &MachineNetwork) -> proto::AllocatedNetwork {
    proto::AllocatedNetwork {
        network_id: network.network.as_str().to_owned(),
        prefixes: texts(&network.prefixes),
        ips: texts(&network.ips),
        destination_prefixes: texts(&network.destination_prefixes),
        network_type: network.kind.wire().to_owned(),
        vrf: u64::from(network.vrf),
        asn: i64::from(network.asn),
        nat: network.nat,
        private: network.kind.is_private(),
        underlay: network.kind == MachineNetworkType::Underlay,
    }
}

fn firewall_rules(rules: &v1::FirewallRules) -> proto::FirewallRules {
    proto::FirewallRules {
        egress: rules
            .egress
            .iter()
            .map(|rule| proto::FirewallRule {
                protocol: protocol(&rule.protocol),
                ports: ports(&rule.ports),
                from: Vec::new(),
                to: rule.to.clone(),
                comment: rule.comment.clone(),
            })
            .collect(),
        ingress: rules
            .ingress
            .iter()
            .map(|rule| proto::FirewallRule {
                protocol: protocol(&rule.protocol),
                ports: ports(&rule.ports),
                from: rule.from.clone(),
                to: rule.to.clone(),
                comment: rule.comment.clone(),
            })
            .collect(),
    }
}

/// The default stands here once instead of in every agent.
fn protocol(named: &str) -> String {
    if named.is_empty() { "tcp".to_owned() } else { named.to_owned() }
}

/// Ports were validated when the rules came in.
fn ports(ports: &[i64]) -> Vec<u32> {
    ports.iter().filter_map(|port| u32::try_from(*port).ok()).collect()
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn filesystem_layout(layout: &v1::FilesystemLayoutResponse) -> proto::FilesystemLayout {
    proto::FilesystemLayout {
        id: layout.id.clone(),
        filesystems: layout
            .filesystems
            .iter()
            .map(|filesystem| proto::Filesystem {
                path: some(&filesystem.path),
                device: filesystem.device.clone(),
                format: filesystem.format.clone(),
                label: some(&filesystem.label),
                mount_options: filesystem.mountoptions.clone(),
                create_options: filesystem.createoptions.clone(),
            })
            .collect(),
        disks: layout.disks.iter().map(disk).collect(),
        raid: layout
            .raid
            .iter()
            .map(|raid| proto::Raid {
                array_name: raid.arrayname.clone(),
                devices: raid.devices.clone(),
                level: raid.level.clone(),
                create_options: raid.createoptions.clone(),
                spares: i32::try_from(raid.spares).unwrap_or_default(),
            })
            .collect(),
        volume_groups: layout
            .volumegroups
            .iter()
            .map(|group| proto::VolumeGroup {
                name: group.name.clone(),
                devices: group.devices.clone(),
                tags: group.tags.clone(),
            })
            .collect(),
        logical_volumes: layout
            .logicalvolumes
            .iter()
            .map(|volume| proto::LogicalVolume {
                name: volume.name.clone(),
                volume_group: volume.volumegroup.clone(),
                size: volume.size,
                lvm_type: volume.lvmtype.clone(),
            })
            .collect(),
    }
}

fn disk(disk: &v1::Disk) -> proto::DiskLayout {
    proto::DiskLayout {
        device: disk.device.clone(),
        partitions: disk
            .partitions
            .iter()
            .map(|partition| proto::DiskPartition {
                number: u32::from(partition.number),
                label: some(&partition.label),
                size: partition.size,
                gpt_type: partition.gpttype.clone(),
            })
            .collect(),
        wipe_on_reinstall: disk.wipeonreinstall,
    }
}

/// How an installed system is started, as agents read it.
pub fn boot_info(info: &v1::BootInfo) -> proto::BootInfo {
    proto::BootInfo {
        image_id: info.image_id.clone(),
        primary_disk: info.primary_disk.clone(),
        os_partition: info.os_partition.clone(),
        initrd: info.initrd.clone(),
        cmdline: info.cmdline.clone(),
        kernel: info.kernel.clone(),
        bootloader_id: info.bootloaderid.clone(),
    }
}

/// How an installed system is started, as an agent tells it.
pub fn stored_boot_info(info: proto::BootInfo) -> v1::BootInfo {
    v1::BootInfo {
        image_id: info.image_id,
        primary_disk: info.primary_disk,
        os_partition: info.os_partition,
        initrd: info.initrd,
        cmdline: info.cmdline,
        kernel: info.kernel,
        bootloaderid: info.bootloader_id,
    }
}
