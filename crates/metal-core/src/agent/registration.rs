//! Telling the control plane what this switch is: at the start, when its ports change, and when it was forgotten.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use metal_linux::netlink::Netlink;
use metal_proto::v1::{RegisterSwitchRequest, SwitchOs, SwitchPort};
use metal_runtime::{TaskTree, chain};
use tokio::time::sleep;

use super::Shared;
use super::access::{Endpoint, patiently};
use super::ports::PortMap;
use crate::config::Config;
use crate::driver::OperatingSystem;

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Registers, and again when there is a reason, until cancelled.
pub(super) async fn run(shared: Shared, endpoint: Endpoint, tree: TaskTree) {
    tokio::select! {
        () = tree.cancelled() => {}
        () = keep(&shared, endpoint) => {}
    }
}

async fn keep(shared: &Shared, mut endpoint: Endpoint) {
    let mut ports = shared.ports.subscribe();
    let mut is_registered = shared.is_registered.subscribe();
    let mut told: Option<Vec<SwitchPort>> = None;
    let mut pause = FIRST_PAUSE;
    loop {
        let known = ports.borrow_and_update().clone();
        let nics = known.map(|known| nics(&shared.config, &known));
        if let Some(nics) = nics
            && (!*is_registered.borrow_and_update() || told.as_ref() != Some(&nics))
        {
            match register(shared, &mut endpoint, nics.clone()).await {
                Ok(created) => {
                    tracing::info!(created, ports = nics.len(), "registered");
                    (told, pause) = (Some(nics), FIRST_PAUSE);
                    shared.is_registered.send_replace(true);
                    is_registered.mark_unchanged();
                }
                Err(error) => {
                    shared.metrics.failed("registration");
                    tracing::warn!(error, "not registered");
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    continue;
                }
            }
        }
        tokio::select! {
            Ok(()) = ports.changed() => {}
            Ok(()) = is_registered.changed() => {}
            else => return std::future::pending().await,
        }
    }
}

async fn register(shared: &Shared, endpoint: &mut Endpoint, nics: Vec<SwitchPort>) -> Result<bool, String> {
    let os = shared.device.operating_system().await.map_err(|error| chain(&error))?;
    let request = request(&shared.config, os, management_ip(&shared.config), nics);
    let mut client = endpoint.switch().await;
    let answer = patiently(client.register(request)).await;
    answer.map(|answer| answer.into_inner().created).map_err(|status| chain(&status))
}

fn nics(config: &Config, ports: &Arc<PortMap>) -> Vec<SwitchPort> {
    let ports = ports.iter().filter(|(name, _)| !config.base.extra.ports.contains(*name));
    let nic = |(name, port): (&metal_netconf::name::PortName, &crate::driver::Port)| SwitchPort {
        name: name.to_string(),
        mac: port.mac.clone(),
        identifier: port.identifier.clone(),
    };
    ports.map(nic).collect()
}

fn request(
    config: &Config,
    os: OperatingSystem,
    management_ip: String,
    nics: Vec<SwitchPort>,
) -> RegisterSwitchRequest {
    RegisterSwitchRequest {
        id: config.hostname.to_string(),
        name: config.hostname.to_string(),
        description: String::new(),
        rack: config.rack.clone(),
        partition: config.partition.clone(),
        os: Some(SwitchOs {
            vendor: os.vendor.to_owned(),
            version: os.version,
            metal_core_version: format!("v{}", env!("CARGO_PKG_VERSION")),
        }),
        management_ip,
        management_user: config.login.user.clone(),
        nics,
        room: config.room.clone(),
    }
}

/// As configured, or the first global address of the management interface; empty if there is none.
fn management_ip(config: &Config) -> String {
    let address = config.login.address.or_else(|| find_address(config.login.interface.as_str()));
    address.map(|address| address.to_string()).unwrap_or_default()
}

fn find_address(interface: &str) -> Option<IpAddr> {
    let mut netlink = Netlink::open(None).ok()?;
    let link = netlink.link(interface).ok()?;
    let addresses = netlink.addresses().ok()?;
    let own = addresses.iter().filter(|address| address.link == link.index && address.is_global);
    own.map(|address| address.address.addr()).min()
}
