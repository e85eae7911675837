//! `network`: prefixes with a VRF, and the child networks taken from them.

use std::collections::BTreeMap;

use anyhow::Result;
use clap::Args;
use metal_client::Client;
use metal_model::v1::{
    NetworkAllocateRequest, NetworkCreateRequest, NetworkFindRequest, NetworkResponse, NetworkUpdateRequest,
};
use serde_json::Value;

use crate::app::App;
use crate::arg::{FileArgs, IdArg, SortArgs, some_list, some_pairs};
use crate::cmd::ip;
use crate::crud::{self, Crud, Resource};
use crate::document::decode;
use crate::print::tree;
use crate::watch::{self, Feed};

/// What to do with networks.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    #[command(flatten)]
    Crud(Crud),
    /// List networks
    #[command(visible_alias = "ls")]
    List(Box<ListArgs>),
    /// Create a network
    Create(Box<CreateArgs>),
    /// Change a network, or all of a file
    Update(Box<UpdateArgs>),
    /// Take a child network out of a super network
    Allocate(Box<AllocateArgs>),
    /// Release a child network
    Free(IdArg),
    /// Addresses
    #[command(subcommand)]
    Ip(ip::Command),
}

/// Which networks.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// IPv4 or IPv6
    #[arg(long)]
    pub addressfamily: Option<String>,
    /// Destination prefixes
    #[arg(long, value_delimiter = ',')]
    pub destination_prefixes: Vec<String>,
    /// Identifier
    #[arg(long)]
    pub id: Option<String>,
    /// Name
    #[arg(long)]
    pub name: Option<String>,
    /// Whether traffic into it is masqueraded
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub nat: Option<bool>,
    /// Network it was taken from
    #[arg(long)]
    pub parent: Option<String>,
    /// Partition
    #[arg(long)]
    pub partition: Option<String>,
    /// Prefixes
    #[arg(long, value_delimiter = ',')]
    pub prefixes: Vec<String>,
    /// Whether child networks are taken from it
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub privatesuper: Option<bool>,
    /// Project
    #[arg(long)]
    pub project: Option<String>,
    /// Whether it is an underlay
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub underlay: Option<bool>,
    /// VRF
    #[arg(long)]
    pub vrf: Option<i64>,
    #[command(flatten)]
    pub sort: SortArgs,
}

/// A new network.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Further prefixes its machines may announce
    #[arg(long, value_delimiter = ',')]
    pub additional_announcable_cidrs: Vec<String>,
    /// Length of IPv4 child prefixes
    #[arg(long)]
    pub default_ipv4_child_prefix_length: Option<u8>,
    /// Length of IPv6 child prefixes
    #[arg(long)]
    pub default_ipv6_child_prefix_length: Option<u8>,
    /// Description
    #[arg(short, long)]
    pub description: Option<String>,
    /// What is reached through it
    #[arg(long, value_delimiter = ',')]
    pub destination_prefixes: Vec<String>,
    /// Identifier, chosen if there is none
    #[arg(long)]
    pub id: Option<String>,
    /// Labels as key=value
    #[arg(long, value_delimiter = ',')]
    pub labels: Vec<String>,
    /// Name
    #[arg(short, long)]
    pub name: Option<String>,
    /// Masquerade traffic into it
    #[arg(long)]
    pub nat: bool,
    /// Partition
    #[arg(short, long)]
    pub partition: Option<String>,
    /// Prefixes
    #[arg(long, value_delimiter = ',')]
    pub prefixes: Vec<String>,
    /// Take child networks from it
    #[arg(long)]
    pub privatesuper: bool,
    /// Project
    #[arg(long)]
    pub project: Option<String>,
    /// It is the underlay of its partition
    #[arg(long)]
    pub underlay: bool,
    /// VRF
    #[arg(long)]
    pub vrf: Option<u64>,
    /// Another network may have the same VRF
    #[arg(long)]
    pub vrfshared: bool,
    #[command(flatten)]
    pub file: FileArgs,
}

/// What to change.
#[derive(Debug, Args)]
pub struct UpdateArgs {
    /// Identifier
    pub id: Option<String>,
    /// Destination prefixes to add
    #[arg(long, value_delimiter = ',')]
    pub add_destinationprefixes: Vec<String>,
    /// Prefixes to add
    #[arg(long, value_delimiter = ',')]
    pub add_prefixes: Vec<String>,
    /// Destination prefixes to remove
    #[arg(long, value_delimiter = ',')]
    pub remove_destinationprefixes: Vec<String>,
    /// Prefixes to remove
    #[arg(long, value_delimiter = ',')]
    pub remove_prefixes: Vec<String>,
    /// Further prefixes its machines may announce
    #[arg(long, value_delimiter = ',')]
    pub additional_announcable_cidrs: Vec<String>,
    /// Description
    #[arg(long)]
    pub description: Option<String>,
    /// Labels as key=value, instead of those there are
    #[arg(long, value_delimiter = ',')]
    pub labels: Vec<String>,
    /// Name
    #[arg(long)]
    pub name: Option<String>,
    /// Other projects may use it
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub shared: Option<bool>,
    #[command(flatten)]
    pub file: FileArgs,
}

/// A new child network.
#[derive(Debug, Args)]
pub struct AllocateArgs {
    /// IPv4 or IPv6
    #[arg(long)]
    pub addressfamily: Option<String>,
    /// Description
    #[arg(short, long)]
    pub description: Option<String>,
    /// Shared, masqueraded and with the way to everywhere
    #[arg(long)]
    pub dmz: bool,
    /// Length of the IPv4 prefix
    #[arg(long)]
    pub ipv4_prefix_length: Option<u8>,
    /// Length of the IPv6 prefix
    #[arg(long)]
    pub ipv6_prefix_length: Option<u8>,
    /// Labels as key=value
    #[arg(long, value_delimiter = ',')]
    pub labels: Vec<String>,
    /// Name
    #[arg(short, long)]
    pub name: Option<String>,
    /// Partition
    #[arg(long)]
    pub partition: Option<String>,
    /// Project
    #[arg(long)]
    pub project: Option<String>,
    /// Other projects may use it
    #[arg(long)]
    pub shared: bool,
    /// Only tell what would be allocated
    #[arg(long)]
    pub dry_run: bool,
}

struct Networks;

impl Resource for Networks {
    type Model = NetworkResponse;
    const NOUN: &'static str = "network";

    async fn get(client: &Client, id: &str) -> Result<NetworkResponse> {
        Ok(client.network().get(id).await?)
    }

    async fn create(client: &Client, document: Value) -> Result<NetworkResponse> {
        Ok(client.network().create(&decode(document)?).await?)
    }

    async fn update(client: &Client, document: Value) -> Result<NetworkResponse> {
        Ok(client.network().update(&decode(document)?, false).await?)
    }

    async fn delete(client: &Client, id: &str) -> Result<NetworkResponse> {
        Ok(client.network().delete(id).await?)
    }
}

impl Command {
    /// Does it.
    pub async fn run(self, app: &App) -> Result<()> {
        match self {
            Self::Crud(crud) => crud.run::<Networks>(app).await,
            Self::Create(args) if args.file.file.is_some() => crud::create::<Networks>(app, &args.file).await,
            Self::Create(args) => app.printer.one(&app.client()?.network().create(&args.request()?).await?),
            Self::Update(args) => update(app, *args).await,
            Self::Allocate(args) => {
                let client = app.client()?;
                let request = args.request()?;
                let network = if args.dry_run {
                    client.network().allocate_dry_run(&request).await?
                } else {
                    client.network().allocate(&request).await?
                };
                app.printer.one(&network)
            }
            Self::Free(arg) => app.printer.one(&app.client()?.network().free(&arg.id).await?),
            Self::Ip(command) => command.run(app).await,
            Self::List(args) => {
                let request = args.request();
                // Only a table that is not sorted otherwise is a tree; documents stay what the server said.
                let as_tree = app.printer.is_table() && args.sort.sort_by.is_empty() && !args.sort.watch;
                let fetch = async |client: &Client| {
                    let networks = client.network().find(&request).await?;
                    Ok(if as_tree { tree(networks) } else { networks })
                };
                watch::list(app, &args.sort, Feed::Network, &app.client()?, fetch).await
            }
        }
    }
}

impl ListArgs {
    fn request(&self) -> NetworkFindRequest {
        NetworkFindRequest {
            id: self.id.clone(),
            name: self.name.clone(),
            partitionid: self.partition.clone(),
            projectid: self.project.clone(),
            prefixes: self.prefixes.clone(),
            destinationprefixes: self.destination_prefixes.clone(),
            nat: self.nat,
            privatesuper: self.privatesuper,
            underlay: self.underlay,
            vrf: self.vrf,
            parentnetworkid: self.parent.clone(),
            labels: BTreeMap::new(),
            addressfamily: self.addressfamily.clone(),
        }
    }
}

/// Prefix lengths by address family, if any is given.
fn lengths(ipv4: Option<u8>, ipv6: Option<u8>) -> Option<BTreeMap<String, u8>> {
    let lengths = [("IPv4", ipv4), ("IPv6", ipv6)];
    let map: BTreeMap<String, u8> =
        lengths.into_iter().filter_map(|(af, n)| Some((af.to_owned(), n?))).collect();
    (!map.is_empty()).then_some(map)
}

impl CreateArgs {
    fn request(&self) -> Result<NetworkCreateRequest> {
        Ok(NetworkCreateRequest {
            id: self.id.clone(),
            name: self.name.clone(),
            description: self.description.clone(),
            partitionid: self.partition.clone(),
            projectid: self.project.clone(),
            labels: some_pairs(&self.labels)?,
            shared: None,
            prefixes: self.prefixes.clone(),
            destinationprefixes: self.destination_prefixes.clone(),
            defaultchildprefixlength: lengths(
                self.default_ipv4_child_prefix_length,
                self.default_ipv6_child_prefix_length,
            ),
            nat: self.nat,
            privatesuper: self.privatesuper,
            underlay: self.underlay,
            vrf: self.vrf,
            vrfshared: self.vrfshared.then_some(true),
            parentnetworkid: None,
            additional_announcable_cidrs: self.additional_announcable_cidrs.clone(),
            networktype: None,
            nattype: None,
        })
    }
}

impl AllocateArgs {
    fn request(&self) -> Result<NetworkAllocateRequest> {
        let everywhere = match self.addressfamily.as_deref() {
            Some("IPv6") => "::/0",
            _ => "0.0.0.0/0",
        };
        Ok(NetworkAllocateRequest {
            name: self.name.clone(),
            description: self.description.clone(),
            partitionid: self.partition.clone(),
            projectid: self.project.clone(),
            labels: some_pairs(&self.labels)?,
            shared: (self.shared || self.dmz).then_some(true),
            destinationprefixes: if self.dmz { vec![everywhere.to_owned()] } else { Vec::new() },
            nat: self.dmz.then_some(true),
            length: lengths(self.ipv4_prefix_length, self.ipv6_prefix_length),
            addressfamily: self.addressfamily.clone(),
        })
    }
}

async fn update(app: &App, args: UpdateArgs) -> Result<()> {
    let client = app.client()?;
    let Some(id) = args.id else {
        let force = app.global.force;
        let client = &client;
        let one = async |document: Value| Ok(client.network().update(&decode(document)?, force).await?);
        return crud::each(app, &args.file, Networks::NOUN, "change", true, one).await;
    };
    let network = client.network().get(&id).await?;
    let request = NetworkUpdateRequest {
        prefixes: changed(&network.prefixes, &args.add_prefixes, &args.remove_prefixes),
        destinationprefixes: changed(
            &network.destinationprefixes,
            &args.add_destinationprefixes,
            &args.remove_destinationprefixes,
        ),
        id,
        name: args.name,
        description: args.description,
        labels: some_pairs(&args.labels)?,
        shared: args.shared,
        additional_announcable_cidrs: some_list(args.additional_announcable_cidrs),
        defaultchildprefixlength: None,
    };
    app.printer.one(&client.network().update(&request, app.global.force).await?)
}

/// The list after adding and removing, if there is anything to add or remove.
fn changed(list: &[String], add: &[String], remove: &[String]) -> Option<Vec<String>> {
    if add.is_empty() && remove.is_empty() {
        return None;
    }
    let mut list: Vec<String> = list.iter().filter(|p| !remove.contains(p)).cloned().collect();
    for prefix in add {
        if !list.contains(prefix) {
            list.push(prefix.clone());
        }
    }
    Some(list)
}
