//! Finding the issues of a set of machines. Uniqueness is judged within the set, in one pass that counts.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use metal_model::event_log::{EventLog, Liveliness, ProvisioningEvent};
use metal_model::machine::{Allocation, Bmc, Machine, Role};
use metal_model::v1::{self, MachineFindRequest, MachineIssuesRequest};

use super::{Kind, Severity};
use crate::{Error, Snapshot, machine};

/// BMCs are reported every five minutes.
const BMC_SILENCE: SignedDuration = SignedDuration::from_mins(20);
const DEFAULT_ERROR_THRESHOLD: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Issues of the machines that meet the criteria, by machine id; machines without issues are left out.
pub fn evaluate(
    snapshot: &Snapshot,
    now: Timestamp,
    req: &MachineIssuesRequest,
) -> Result<Vec<v1::MachineIssueResponse>, Error> {
    let wanted = wanted(req)?;
    let threshold = match req.last_error_threshold {
        0 => DEFAULT_ERROR_THRESHOLD,
        nanoseconds => SignedDuration::from_nanos(nanoseconds),
    };
    let mut machines = machine::find(snapshot, &criteria(req))?;
    machines.sort_by(|a, b| a.id.cmp(&b.id));
    let set = Set::new(snapshot, now, threshold, &machines);
    let answers = machines.iter().filter_map(|machine| {
        let issues: Vec<String> = set
            .issues(machine)
            .into_iter()
            .filter(|kind| wanted.contains(kind))
            .map(|kind| kind.id().to_owned())
            .collect();
        (!issues.is_empty()).then(|| v1::MachineIssueResponse { machineid: machine.id.to_string(), issues })
    });
    Ok(answers.collect())
}

/// All issues of each of these machines, in the same order; uniqueness is judged among them.
pub fn issues_of(snapshot: &Snapshot, now: Timestamp, machines: &[Arc<Machine>]) -> Vec<Vec<Kind>> {
    let set = Set::new(snapshot, now, DEFAULT_ERROR_THRESHOLD, machines);
    machines.iter().map(|machine| set.issues(machine)).collect()
}

fn wanted(req: &MachineIssuesRequest) -> Result<BTreeSet<Kind>, Error> {
    let severity = match req.severity.as_str() {
        "" => Severity::Minor,
        text => Severity::parse(text).ok_or_else(|| {
            Error::invalid("severity", format!("severity must be minor, major or critical, not {text:?}"))
        })?,
    };
    let only = kinds("only", &req.only)?;
    let omit = kinds("omit", &req.omit)?;
    let is_wanted = |kind: &Kind| {
        kind.severity() >= severity && (only.is_empty() || only.contains(kind)) && !omit.contains(kind)
    };
    Ok(Kind::ALL.iter().copied().filter(is_wanted).collect())
}

fn kinds(field: &'static str, ids: &[String]) -> Result<BTreeSet<Kind>, Error> {
    let parse = |id: &String| {
        Kind::parse(id)
            .ok_or_else(|| Error::invalid(field, format!("{field} holds {id:?}, which is no issue")))
    };
    ids.iter().map(parse).collect()
}

/// Machines to judge, with what several of them have in common.
struct Set<'a> {
    snapshot: &'a Snapshot,
    now: Timestamp,
    threshold: SignedDuration,
    addresses: HashMap<&'a str, usize>,
    asns: HashMap<u32, usize>,
}

impl<'a> Set<'a> {
    fn new(
        snapshot: &'a Snapshot,
        now: Timestamp,
        threshold: SignedDuration,
        machines: &'a [Arc<Machine>],
    ) -> Self {
        let mut set = Self { snapshot, now, threshold, addresses: HashMap::new(), asns: HashMap::new() };
        for machine in machines {
            if let Some(bmc) = snapshot.bmcs.get(machine.id.as_str()).filter(|bmc| !bmc.address.is_empty()) {
                *set.addresses.entry(bmc.address.as_str()).or_default() += 1;
            }
            for asn in firewall_asns(machine) {
                *set.asns.entry(asn).or_default() += 1;
            }
        }
        set
    }

    fn issues(&self, machine: &Machine) -> Vec<Kind> {
        let Some(log) = self.snapshot.event_logs.get(machine.id.as_str()) else {
            return vec![Kind::NoEventContainer];
        };
        let unreported = Bmc::default();
        let bmc = self.snapshot.bmcs.get(machine.id.as_str()).map_or(&unreported, |bmc| bmc);
        Kind::ALL.iter().copied().filter(|kind| self.has(*kind, machine, log, bmc)).collect()
    }

    fn has(&self, kind: Kind, machine: &Machine, log: &EventLog, bmc: &Bmc) -> bool {
        let newest = log.events.first().map(|newest| newest.event);
        let age = |time: Timestamp| self.now.duration_since(time);
        match kind {
            Kind::NoPartition => machine.partition.is_empty(),
            Kind::LivelinessDead => log.liveliness == Liveliness::Dead,
            Kind::LivelinessUnknown => log.liveliness == Liveliness::Unknown,
            // A log exists and always has one of the three judgements; before the first sign of life it means nothing.
            Kind::LivelinessNotAvailable => log.last_event_time.is_none(),
            Kind::FailedMachineReclaim => {
                let is_home = newest == Some(ProvisioningEvent::PhonedHome);
                log.failed_machine_reclaim || (machine.allocation.is_none() && is_home)
            }
            Kind::CrashLoop => log.crash_loop && newest != Some(ProvisioningEvent::Waiting),
            Kind::LastEventError => {
                log.last_error_event.as_ref().is_some_and(|error| age(error.time) < self.threshold)
            }
            Kind::BmcWithoutMac => bmc.mac.is_empty(),
            Kind::BmcWithoutIp => bmc.address.is_empty(),
            Kind::BmcInfoOutdated => bmc.last_updated.is_none_or(|updated| age(updated) > BMC_SILENCE),
            Kind::AsnNotUnique => {
                firewall_asns(machine).iter().any(|asn| self.asns.get(asn).is_some_and(|count| *count > 1))
            }
            Kind::BmcNoDistinctIp => self.addresses.get(bmc.address.as_str()).is_some_and(|count| *count > 1),
            Kind::NoEventContainer => false,
            Kind::IsolationUnconfirmed => {
                let is_offered = machine.allocation.is_none() && machine.waiting;
                is_offered && self.snapshot.index.unconfirmed.contains(machine.id.as_str())
            }
        }
    }
}

/// AS numbers of a firewall, each once.
fn firewall_asns(machine: &Machine) -> BTreeSet<u32> {
    let firewall = |allocation: &&Arc<Allocation>| allocation.role == Role::Firewall;
    let allocation = machine.allocation.as_ref().filter(firewall);
    allocation
        .into_iter()
        .flat_map(|allocation| {
            let networks = allocation.networks.iter().map(|network| network.asn);
            networks.chain([allocation.asn])
        })
        .filter(|asn| *asn != 0)
        .collect()
}

/// The part of the request that chooses machines.
fn criteria(req: &MachineIssuesRequest) -> MachineFindRequest {
    macro_rules! same {
        ($($field:ident)*) => { MachineFindRequest { $($field: req.$field.clone(),)* } };
    }
    same! {
        id name partition_id sizeid rackid roomid tags allocation_name allocation_project allocation_image_id
        allocation_hostname allocation_role allocation_succeeded network_ids network_prefixes network_ips
        network_destination_prefixes network_vrfs network_asns hardware_memory nics_mac_addresses nics_names
        nics_vrfs nics_neighbor_mac_addresses nics_neighbor_names nics_neighbor_vrfs disk_names disk_sizes
        state_value ipmi_address ipmi_mac_address ipmi_user ipmi_interface fru_chassis_part_number
        fru_chassis_part_serial fru_board_mfg fru_board_mfg_serial fru_board_part_number
        fru_product_manufacturer fru_product_part_number fru_product_serial
    }
}
