//! What an operator would register before the first machine boots. Made once; what exists is left as it is.

use std::collections::BTreeMap;

use anyhow::Context as _;
use jiff::SignedDuration;
use metal_client::{Client, Error};
use metal_model::v1::{
    Disk, DiskPartition, Filesystem, FilesystemLayoutConstraints, FilesystemLayoutCreateRequest,
    ImageCreateRequest, Meta, NetworkAllocateRequest, NetworkCreateRequest, NetworkFindRequest,
    PartitionBootConfiguration, PartitionCreateRequest, Project, SizeConstraint, SizeCreateRequest, Tenant,
};
use metal_runtime::clock;
use metal_runtime::file::{write_private, write_public};
use metal_sim::{PROFILES, Profile};

use crate::directory::{Directory, Plan};

/// The project for the first machines. Always the same, so that commands can be copied.
pub const PROJECT: &str = "00000000-0000-0000-0000-000000000001";
const TENANT: &str = "demo";
const GIB: u64 = 1 << 30;

/// Operating systems on offer: image id and feature.
const IMAGES: [(&str, &str); 3] = [
    ("debian-12.0.20261101", "machine"),
    ("ubuntu-24.4.20261101", "machine"),
    ("firewall-ubuntu-3.0.20261101", "firewall"),
];

/// Makes what is missing; answers the id of the project's first network.
pub async fn ensure(client: &Client, plan: &Plan) -> anyhow::Result<String> {
    let images = format!("http://127.0.0.1:{}", plan.image_port);
    made(client.partition().create(&partition(plan, &images)).await).context("make the partition")?;
    for profile in &PROFILES {
        made(client.size().create(&size(profile)).await)
            .with_context(|| format!("make the size {}", profile.size))?;
    }
    for (id, feature) in IMAGES {
        made(client.image().create(&image(id, feature, &images)).await)
            .with_context(|| format!("make the image {id}"))?;
    }
    for layout in [layout("nvme", "/dev/nvme0n1", "p"), layout("sata", "/dev/sda", "")] {
        made(client.filesystem_layout().create(&layout).await)
            .with_context(|| format!("make the layout {}", layout.id))?;
    }
    for network in networks(plan) {
        made(client.network().create(&network).await)
            .with_context(|| format!("make the network {}", network.id.clone().unwrap_or_default()))?;
    }
    made(client.tenant().create(&tenant()).await).context("make the tenant")?;
    made(client.project().create(&project()).await).context("make the project")?;
    project_network(client, plan).await.context("make the project's network")
}

/// Made now or earlier.
fn made<T>(outcome: Result<T, Error>) -> Result<(), Error> {
    match outcome {
        Err(Error::Api(refusal)) if refusal.status == 409 => Ok(()),
        other => other.map(drop),
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn partition(plan: &Plan, images: &str) -> PartitionCreateRequest {
    PartitionCreateRequest {
        id: plan.partition.clone(),
        name: some("mini-lab"),
        description: some("a data centre on one computer"),
        mgmtserviceaddress: some("10.1.0.1"),
        bootconfig: PartitionBootConfiguration {
            imageurl: format!("{images}/metal-hammer/initrd.img.lz4"),
            kernelurl: format!("{images}/metal-hammer/kernel"),
            commandline: "console=ttyS1,115200n8 ip=dhcp".to_owned(),
        },
        ..PartitionCreateRequest::default()
    }
}

fn size(profile: &Profile) -> SizeCreateRequest {
    let constraint = |kind: &str, min: u64, max: u64, identifier: &str| SizeConstraint {
        kind: kind.to_owned(),
        min,
        max,
        identifier: identifier.to_owned(),
    };
    let mut constraints = vec![
        constraint("cores", profile.cores(), profile.cores(), ""),
        constraint("memory", profile.memory - 4 * GIB, profile.memory + 4 * GIB, ""),
        constraint("storage", profile.storage() / 100 * 95, profile.storage() / 100 * 105, ""),
    ];
    if let Some((_, model)) = profile.gpus.first() {
        let family = model.split_whitespace().next().unwrap_or(model);
        let count = profile.gpus.len() as u64;
        constraints.push(constraint("gpu", count, count, &format!("{family}*")));
    }
    SizeCreateRequest {
        id: profile.size.to_owned(),
        name: some(profile.size),
        description: some(profile.description),
        constraints,
        ..SizeCreateRequest::default()
    }
}

fn image(id: &str, feature: &str, images: &str) -> ImageCreateRequest {
    let in_a_year = clock::now() + SignedDuration::from_hours(24 * 365);
    ImageCreateRequest {
        id: id.to_owned(),
        name: some(id),
        description: some("simulated: nothing is in it"),
        url: format!("{images}/images/{id}.tar.lz4"),
        features: vec![feature.to_owned()],
        expiration_date: Some(in_a_year.into()),
        classification: some("supported"),
    }
}

fn layout(id: &str, disk: &str, separator: &str) -> FilesystemLayoutCreateRequest {
    let device = |number: u8| format!("{disk}{separator}{number}");
    let filesystem = |path: &str, device: String, format: &str, label: &str| Filesystem {
        path: path.to_owned(),
        device,
        format: format.to_owned(),
        label: label.to_owned(),
        ..Filesystem::default()
    };
    let partition = |number: u8, label: &str, size: u64, gpttype: &str| DiskPartition {
        number,
        label: label.to_owned(),
        size,
        gpttype: some(gpttype),
    };
    let fitting = PROFILES.iter().filter(|profile| profile.system_disk() == disk);
    FilesystemLayoutCreateRequest {
        id: id.to_owned(),
        name: some(id),
        description: some("EFI, root and the rest for /var/lib"),
        filesystems: vec![
            filesystem("/boot/efi", device(1), "vfat", "efi"),
            filesystem("/", device(2), "ext4", "root"),
            filesystem("/var/lib", device(3), "ext4", "varlib"),
            filesystem("/tmp", "tmpfs".to_owned(), "tmpfs", ""),
        ],
        disks: vec![Disk {
            device: disk.to_owned(),
            partitions: vec![
                partition(1, "efi", 500, "ef00"),
                partition(2, "root", 20_000, "8300"),
                partition(3, "varlib", 0, "8300"),
            ],
            wipeonreinstall: true,
        }],
        constraints: FilesystemLayoutConstraints {
            sizes: fitting.map(|profile| profile.size.to_owned()).collect(),
            images: IMAGES.iter().map(|(id, _)| (os_of(id), "*".to_owned())).collect(),
        },
        ..FilesystemLayoutCreateRequest::default()
    }
}

/// The part of an image id before the version.
fn os_of(image: &str) -> String {
    image.rsplit_once('-').map_or(image, |(os, _)| os).to_owned()
}

fn networks(plan: &Plan) -> [NetworkCreateRequest; 3] {
    let outside = plan.topology.as_ref().and_then(|topology| topology.external.as_ref());
    let public: Vec<String> = match outside {
        Some(outside) => outside.public.iter().map(ToString::to_string).collect(),
        None => vec!["198.18.0.0/16".to_owned()],
    };
    let of = |prefixes: &[&str]| NetworkCreateRequest {
        prefixes: prefixes.iter().map(|prefix| (*prefix).to_owned()).collect(),
        ..NetworkCreateRequest::default()
    };
    [
        NetworkCreateRequest {
            id: Some(format!("tenant-super-network-{}", plan.partition)),
            name: some("private networks"),
            description: some("every project network is cut out of this one"),
            partitionid: Some(plan.partition.clone()),
            defaultchildprefixlength: Some(BTreeMap::from([
                ("IPv4".to_owned(), 22),
                ("IPv6".to_owned(), 64),
            ])),
            privatesuper: true,
            // Addresses of pods: every project may announce them, in its own routing table.
            additional_announcable_cidrs: vec!["10.240.0.0/12".to_owned(), "fd00:240::/32".to_owned()],
            ..of(&["10.64.0.0/12", "fd00:64::/40"])
        },
        NetworkCreateRequest {
            id: Some(format!("underlay-{}", plan.partition)),
            name: some("underlay"),
            description: some("addresses of the fabric itself"),
            partitionid: Some(plan.partition.clone()),
            underlay: true,
            ..of(&["10.3.0.0/16"])
        },
        NetworkCreateRequest {
            id: Some(format!("internet-{}", plan.partition)),
            name: some("internet"),
            description: some("addresses the world would see, were this not a lab"),
            partitionid: Some(plan.partition.clone()),
            destinationprefixes: vec!["0.0.0.0/0".to_owned()],
            labels: Some(BTreeMap::from([(
                "network.metal-stack.io/default-external".to_owned(),
                String::new(),
            )])),
            nat: true,
            vrf: Some(104_009),
            prefixes: public,
            ..NetworkCreateRequest::default()
        },
    ]
}

fn tenant() -> Tenant {
    Tenant {
        meta: Meta { id: TENANT.to_owned(), ..Meta::default() },
        name: TENANT.to_owned(),
        description: "owns the first project".to_owned(),
        ..Tenant::default()
    }
}

fn project() -> Project {
    Project {
        meta: Meta { id: PROJECT.to_owned(), ..Meta::default() },
        name: "demo".to_owned(),
        description: "for the first machines".to_owned(),
        tenant_id: TENANT.to_owned(),
        ..Project::default()
    }
}

async fn project_network(client: &Client, plan: &Plan) -> Result<String, Error> {
    let wanted = NetworkFindRequest {
        projectid: some(PROJECT),
        partitionid: Some(plan.partition.clone()),
        name: some("demo"),
        ..NetworkFindRequest::default()
    };
    if let Some(known) = client.network().find(&wanted).await?.into_iter().next() {
        return Ok(known.id);
    }
    let request = NetworkAllocateRequest {
        name: some("demo"),
        description: some("for the first machines"),
        projectid: some(PROJECT),
        partitionid: Some(plan.partition.clone()),
        ..NetworkAllocateRequest::default()
    };
    client.network().allocate(&request).await.map(|network| network.id)
}

/// Writes what metalctl and a shell need to reach this lab; `network` is the project's first one.
pub fn write_context(directory: &Directory, plan: &Plan, key: &str, network: &str) -> anyhow::Result<()> {
    let context = serde_json::json!({
        "current": "mini-lab",
        "contexts": { "mini-lab": { "url": plan.url(), "hmac": key, "hmac_auth_type": "Metal-Admin" } },
    });
    // JSON is YAML, too.
    write_private(&directory.metalctl_config(), &serde_json::to_vec_pretty(&context)?)?;
    let programs = std::env::current_exe().context("find this program")?;
    let programs = programs.parent().context("a program is in a directory")?;
    let environment = format!(
        "# Source this to have metalctl talk to the lab.\n\
         export METALCTL_CONFIG='{}'\n\
         export PATH='{}':\"$PATH\"\n\
         export PARTITION='{}' PROJECT='{PROJECT}' NETWORK='{network}'\n",
        directory.metalctl_config().display(),
        programs.display(),
        plan.partition,
    );
    write_public(&directory.environment(), environment.as_bytes())?;
    give_to_caller(directory)
}

/// A lab that was started through sudo is used without: what metalctl reads belongs to whoever asked for it.
fn give_to_caller(directory: &Directory) -> anyhow::Result<()> {
    let number = |name| std::env::var(name).ok()?.parse::<u32>().ok();
    let (Some(user), Some(group)) = (number("SUDO_UID"), number("SUDO_GID")) else { return Ok(()) };
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    for path in [directory.metalctl_config(), directory.environment()] {
        std::os::unix::fs::chown(&path, Some(user), Some(group))
            .with_context(|| format!("give {} to its user", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_has_a_size_and_a_layout() {
        let layouts = [layout("nvme", "/dev/nvme0n1", "p"), layout("sata", "/dev/sda", "")];
        for profile in &PROFILES {
            let covers = |layout: &&FilesystemLayoutCreateRequest| {
                layout.constraints.sizes.iter().any(|size| size == profile.size)
            };
            assert_eq!(layouts.iter().filter(covers).count(), 1, "{}", profile.size);
            let constraints = size(profile).constraints;
            assert!(constraints.iter().all(|constraint| constraint.min <= constraint.max));
            assert_eq!(
                constraints.iter().any(|constraint| constraint.kind == "gpu"),
                !profile.gpus.is_empty()
            );
        }
        assert_eq!(os_of("firewall-ubuntu-3.0.1"), "firewall-ubuntu");
    }
}
