//! The kernel's part of the driver: reading it, planning, and doing the steps of a plan.

use std::collections::BTreeMap;
use std::error::Error;

use metal_linux::namespace::Namespace;
use metal_linux::netlink::{BridgeOptions, BridgePort, Link, Netlink, NetlinkError, VxlanOptions};
use metal_linux::sysctl;
use metal_netconf::intent::Switch;
use metal_netconf::linux::step::{Object, VXLAN_PORT};
use metal_netconf::linux::{self, Actual, Device, Layout, Place, Step};
use metal_netconf::name::{PortName, VrfName};
use metal_netconf::nftables;

use super::nft::Nft;
use super::observe::observe;
use crate::driver::{DriverError, Port};

type AnyError = Box<dyn Error + Send + Sync>;

/// Waits until FRR knows a table.
pub type AwaitVrf<'a> = &'a dyn Fn(&VrfName) -> Result<(), DriverError>;

/// The data plane of the switch this runs on. The calling thread has to be in the switch's main namespace.
#[derive(Debug, Clone)]
pub struct Kernel {
    layout: Layout,
    port_prefixes: Vec<String>,
    nft: Nft,
}

impl Kernel {
    /// A kernel in this layout, with ports whose names begin so.
    #[must_use]
    pub fn new(layout: Layout, port_prefixes: Vec<String>) -> Self {
        Self { layout, port_prefixes, nft: Nft::default() }
    }

    /// With its packet filter set by this program instead of the one in its usual place.
    #[must_use]
    pub fn with_nft(self, nft: Nft) -> Self {
        Self { nft, ..self }
    }

    /// How tenants are kept apart.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    fn is_port(&self, name: &str) -> bool {
        self.port_prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()))
    }

    /// Names of the namespaces that are routing tables; none in the layout with VRF devices, whose kernel may have
    /// namespaces for other ends.
    fn vrfs(&self) -> Result<Vec<VrfName>, DriverError> {
        if self.layout == Layout::Vrf {
            return Ok(Vec::new());
        }
        let names = Namespace::names().map_err(|error| DriverError::new("list", "namespaces", error))?;
        Ok(names.iter().filter_map(|name| VrfName::parse(name).ok()).collect())
    }

    /// Reads everything plans depend on.
    ///
    /// # Errors
    /// Fails if the kernel cannot be read.
    pub fn observe(&self) -> Result<Actual, DriverError> {
        let is_port = |name: &str| self.is_port(name);
        let has_vlans = self.layout == Layout::Vrf;
        let failed =
            |place: &Place, error: AnyError| DriverError::new("read links of", place.to_string(), error);
        let main =
            observe(&is_port, has_vlans, &self.nft).map_err(|error| failed(&Place::Main, error.into()))?;
        let mut spaces = BTreeMap::from([(Place::Main, main)]);
        for name in self.vrfs()? {
            let inside = || -> Result<_, AnyError> {
                Ok(Namespace::named(name.as_str())?
                    .enter(|| observe(&|name| self.is_port(name), has_vlans, &self.nft))??)
            };
            let space = inside();
            let place = Place::Vrf(name);
            spaces.insert(place.clone(), space.map_err(|error| failed(&place, error))?);
        }
        Ok(Actual { spaces })
    }

    /// The steps from what the kernel has to what is intended.
    ///
    /// # Errors
    /// Fails if the kernel cannot be read, or cannot have what is intended.
    pub fn plan(&self, intent: &Switch) -> Result<Vec<Step>, DriverError> {
        let actual = self.observe()?;
        linux::plan(intent, self.layout, &actual)
            .map_err(|error| DriverError::new("plan", "the kernel's links", error))
    }

    /// Ports the intent mentions and the switch does not have.
    ///
    /// # Errors
    /// Fails if the kernel cannot be read.
    pub fn missing(&self, intent: &Switch) -> Result<Vec<PortName>, DriverError> {
        let there = self.links()?;
        let all = intent.classes().into_iter().map(|(port, _)| port);
        Ok(all.filter(|port| !there.iter().any(|link| link.name == port.as_str())).cloned().collect())
    }

    /// All links in all namespaces.
    fn links(&self) -> Result<Vec<Link>, DriverError> {
        let read = |vrf: Option<&VrfName>| -> Result<Vec<Link>, AnyError> {
            let namespace = vrf.map(|vrf| Namespace::named(vrf.as_str())).transpose()?;
            Ok(Netlink::open(namespace.as_ref())?.links()?)
        };
        let mut all = read(None).map_err(|error| DriverError::new("read", "links", error))?;
        for vrf in self.vrfs()? {
            all.extend(
                read(Some(&vrf)).map_err(|error| DriverError::new("read links of", vrf.as_str(), error))?,
            );
        }
        Ok(all)
    }

    /// All ports, wherever they are.
    ///
    /// # Errors
    /// Fails if the kernel cannot be read.
    pub fn ports(&self) -> Result<BTreeMap<PortName, Port>, DriverError> {
        let links = self.links()?.into_iter().filter(|link| self.is_port(&link.name));
        let ports = links.filter_map(|link| {
            let name = PortName::parse(&link.name).ok()?;
            Some((name, Port { mac: link.mac, identifier: link.name, is_up: Some(link.is_running) }))
        });
        Ok(ports.collect())
    }

    /// Has packet filters checked that steps would set, changing nothing. Namespaces they are for may not be there yet,
    /// so it is done in the main one.
    ///
    /// # Errors
    /// Fails if there is no nft, or it would refuse one.
    pub fn check(&self, steps: &[Step]) -> Result<(), DriverError> {
        for step in steps {
            if let Step::SetFilter(place, table) = step {
                let checked = self.nft.check(&table.transaction());
                checked.map_err(|error| {
                    DriverError::new("check", format!("the packet filter of {place}"), error)
                })?;
            }
        }
        Ok(())
    }

    /// Does steps in order.
    ///
    /// # Errors
    /// Fails at the first step the kernel refuses; the rest is not done.
    pub fn execute(&self, steps: &[Step], await_vrf: AwaitVrf<'_>) -> Result<(), DriverError> {
        let mut hands = Hands { spaces: BTreeMap::new(), nft: self.nft.clone() };
        for step in steps {
            if let Step::AwaitVrf(vrf) = step {
                await_vrf(vrf)?;
            } else {
                hands.perform(step).map_err(|error| DriverError::new("cannot", step.describe(), error))?;
            }
        }
        Ok(())
    }
}

/// Connections to the namespaces that were needed so far.
struct Hands {
    spaces: BTreeMap<Place, (Namespace, Netlink)>,
    nft: Nft,
}

impl Hands {
    fn space(&mut self, place: &Place) -> Result<&mut (Namespace, Netlink), AnyError> {
        if !self.spaces.contains_key(place) {
            let namespace = match place {
                Place::Main => Namespace::current()?,
                Place::Vrf(name) => Namespace::named(name.as_str())?,
            };
            let netlink = Netlink::open(Some(&namespace))?;
            self.spaces.insert(place.clone(), (namespace, netlink));
        }
        self.spaces.get_mut(place).ok_or_else(|| "the namespace was not opened".into())
    }

    fn on(
        &mut self,
        device: &Device,
        work: impl FnOnce(&mut Netlink, &Link) -> Result<(), NetlinkError>,
    ) -> Result<(), AnyError> {
        let (_, netlink) = self.space(&device.place)?;
        let link = netlink.link(&device.name)?;
        Ok(work(netlink, &link)?)
    }

    fn perform(&mut self, step: &Step) -> Result<(), AnyError> {
        match step {
            Step::AwaitVrf(_) => Ok(()),
            Step::CreateNamespace(name) => {
                Namespace::create(name.as_str())?;
                Ok(())
            }
            Step::Configure(place, settings) => {
                let settings: Vec<_> =
                    settings.iter().map(|(path, value)| ((*path).to_owned(), *value)).collect();
                self.configure(place, &settings)
            }
            Step::ConfigureLink(device, settings) => {
                let settings: Vec<_> =
                    settings.iter().map(|(setting, value)| (setting.path(&device.name), *value)).collect();
                self.configure(&device.place, &settings)
            }
            Step::SetFilter(place, table) => self.filter(place, &table.transaction()),
            Step::RemoveFilter(place) => self.filter(place, nftables::REMOVAL),
            Step::PutLocalLate => Ok(self.space(&Place::Main)?.1.put_local_late()?),
            Step::CloseTable(table) => Ok(self.space(&Place::Main)?.1.close_table(*table)?),
            Step::Create(device, object) => self.create(device, object),
            Step::Move(device, place) => {
                let target = match place {
                    Place::Main => Namespace::current()?,
                    Place::Vrf(name) => Namespace::named(name.as_str())?,
                };
                self.on(device, |netlink, link| netlink.set_namespace(link, &target))
            }
            Step::SetMaster(device, master) => self.on(device, |netlink, link| {
                let index =
                    master.as_ref().map(|name| netlink.link(name).map(|master| master.index)).transpose()?;
                netlink.set_master(link, index)
            }),
            Step::Delete(device) => self.on(device, |netlink, link| netlink.delete_link(link)),
            Step::SetUp(device, is_up) => self.on(device, |netlink, link| netlink.set_up(link, *is_up)),
            Step::SetMtu(device, mtu) => self.on(device, |netlink, link| netlink.set_mtu(link, *mtu)),
            Step::SetMac(device, mac) => self.on(device, |netlink, link| netlink.set_mac(link, *mac)),
            Step::SetBridgePort(device, port) => {
                let port =
                    BridgePort { is_learning: port.is_learning, is_neigh_suppress: port.is_neigh_suppress };
                self.on(device, |netlink, link| netlink.set_bridge_port(link, port))
            }
            Step::SetVlanFiltering(device, is_on) => {
                self.on(device, |netlink, link| netlink.set_vlan_filtering(link, *is_on))
            }
            Step::AddVlan(device, vlan, is_access) => {
                self.on(device, |netlink, link| netlink.add_bridge_vlan(link, *vlan, *is_access))
            }
            Step::DeleteVlan(device, vlan) => {
                self.on(device, |netlink, link| netlink.delete_bridge_vlan(link, *vlan))
            }
            Step::AddAddress(device, address) => {
                self.on(device, |netlink, link| netlink.add_address(link, *address))
            }
            Step::DeleteAddress(device, address) => {
                self.on(device, |netlink, link| netlink.delete_address(link, *address))
            }
        }
    }

    fn configure(&mut self, place: &Place, settings: &[(String, u32)]) -> Result<(), AnyError> {
        let (namespace, _) = self.space(place)?;
        let write = || -> Result<(), sysctl::SysctlError> {
            for (path, value) in settings {
                // A new namespace is given all settings; those this kernel does not have are not missed.
                if sysctl::read(path)?.is_some() {
                    sysctl::write(path, &value.to_string())?;
                }
            }
            Ok(())
        };
        Ok(namespace.enter(write)??)
    }

    fn filter(&mut self, place: &Place, transaction: &str) -> Result<(), AnyError> {
        let nft = self.nft.clone();
        let (namespace, _) = self.space(place)?;
        Ok(namespace.enter(|| nft.apply(transaction))??)
    }

    fn create(&mut self, device: &Device, object: &Object) -> Result<(), AnyError> {
        let name = device.name.as_str();
        if let Object::Vxlan { id, local } = object {
            let options = VxlanOptions { id: *id, local: *local, port: VXLAN_PORT, is_learning: false };
            // Asked for in the main namespace, because that is where the tunnel shall run.
            let inside = match &device.place {
                Place::Main => None,
                Place::Vrf(vrf) => Some(Namespace::named(vrf.as_str())?),
            };
            let (_, main) = self.space(&Place::Main)?;
            return Ok(main.add_vxlan(name, inside.as_ref(), &options)?);
        }
        let (_, netlink) = self.space(&device.place)?;
        match object {
            Object::Bridge { is_vlan_filtering, mac } => {
                let options = BridgeOptions { is_vlan_filtering: *is_vlan_filtering, mac: Some(*mac) };
                netlink.add_bridge(name, &options)?;
            }
            Object::Vlan { id, lower } => {
                let lower = netlink.link(lower)?.index;
                netlink.add_vlan(name, lower, *id)?;
            }
            Object::Vrf { table } => netlink.add_vrf(name, *table)?,
            Object::Vxlan { .. } => {}
        }
        Ok(())
    }
}
