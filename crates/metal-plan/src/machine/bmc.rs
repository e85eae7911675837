//! What BMC agents report: addresses, part numbers, power. Reports are also how machines that never booted become known.

use std::sync::Arc;

use metal_model::id::{MachineId, PartitionId};
use metal_model::machine::{Bmc, Machine};
use metal_model::partition::Partition;
use metal_model::v1;

use crate::{Env, Error, Tx};

const IPMI_PORT: &str = "623";

/// A report about one BMC. Empty and absent values keep what is known, except power supplies, which are replaced.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BmcReport {
    /// Address without port; IPv6 with or without brackets.
    pub address: String,
    /// MAC address of the management port.
    pub mac: String,
    /// Account name.
    pub user: String,
    /// Account password.
    pub password: String,
    /// Part and serial numbers.
    pub fru: v1::MachineFru,
    /// Version of the mainboard's firmware.
    pub bios_version: String,
    /// Version of the BMC's firmware.
    pub bmc_version: String,
    /// Power state.
    pub power_state: String,
    /// `LED-ON` or `LED-OFF`; anything else keeps the known state.
    pub led: String,
    /// Power drawn.
    pub power_metric: Option<v1::PowerMetric>,
    /// Power supplies.
    pub power_supplies: Vec<v1::PowerSupply>,
}

impl From<&v1::MachineIpmiReport> for BmcReport {
    fn from(report: &v1::MachineIpmiReport) -> Self {
        Self {
            address: report.bmc_ip.clone(),
            fru: report.fru.clone().unwrap_or_default(),
            bios_version: report.bios_version.clone(),
            bmc_version: report.bmc_version.clone(),
            power_state: report.power_state.clone(),
            led: report.indicator_led_state.clone(),
            power_metric: report.power_metric.clone(),
            power_supplies: report.power_supplies.clone(),
            ..Self::default()
        }
    }
}

/// Takes the reports of a partition as they come over the public API.
pub fn ipmi_report(
    tx: &mut Tx,
    env: &mut Env,
    req: &v1::MachineIpmiReports,
) -> Result<v1::MachineIpmiReportResponse, Error> {
    let reports = req.reports.iter().map(|(machine, report)| (machine.as_str(), BmcReport::from(report)));
    report_bmcs(tx, env, &req.partitionid, reports)
}

/// Takes the reports of a partition: updates its machines, adopts those without a partition, creates unknown ones, and
/// skips those of other partitions.
pub fn report_bmcs<'a>(
    tx: &mut Tx,
    env: &mut Env,
    partition: &str,
    reports: impl IntoIterator<Item = (&'a str, BmcReport)>,
) -> Result<v1::MachineIpmiReportResponse, Error> {
    if partition.is_empty() {
        return Err(Error::invalid("partitionid", "partitionid must not be empty"));
    }
    let partition = tx.state().find::<Partition>(partition)?.id.clone();
    let mut answer = v1::MachineIpmiReportResponse::default();
    for (id, report) in reports {
        if id.is_empty() {
            continue;
        }
        match tx.state().machines.get(id).cloned() {
            Some(machine) if machine.partition == partition || machine.partition.is_empty() => {
                refresh(tx, env, &machine, &partition, &report);
                answer.updated.push(id.to_owned());
            }
            Some(_) => {}
            None => {
                let machine = Machine {
                    id: MachineId::from(id),
                    created: env.now,
                    changed: env.now,
                    partition: partition.clone(),
                    ..Machine::default()
                };
                let machine = tx.create(machine)?;
                refresh(tx, env, &machine, &partition, &report);
                answer.created.push(id.to_owned());
            }
        }
    }
    Ok(answer)
}

fn refresh(tx: &mut Tx, env: &Env, machine: &Machine, partition: &PartitionId, report: &BmcReport) {
    let known = tx.state().bmcs.get(machine.id.as_str());
    let mut bmc = known.map(|bmc| Bmc::clone(bmc)).unwrap_or_default();
    bmc.machine = machine.id.clone();
    if !report.address.is_empty() {
        bmc.address = with_host(&bmc.address, &report.address);
    }
    keep_unless_given(&mut bmc.mac, &report.mac);
    keep_unless_given(&mut bmc.user, &report.user);
    keep_unless_given(&mut bmc.password, &report.password);
    keep_unless_given(&mut bmc.bmc_version, &report.bmc_version);
    keep_unless_given(&mut bmc.power_state, &report.power_state);
    refresh_fru(&mut bmc.fru, &report.fru);
    if report.power_metric.is_some() {
        bmc.power_metric.clone_from(&report.power_metric);
    }
    bmc.power_supplies.clone_from(&report.power_supplies);
    bmc.last_updated = Some(env.now);
    tx.put(bmc);

    let mut changed = machine.clone();
    changed.partition = partition.clone();
    if !report.bios_version.is_empty() && report.bios_version != machine.bios.version {
        let bios = v1::MachineBios { version: report.bios_version.clone(), ..(*machine.bios).clone() };
        changed.bios = Arc::new(bios);
    }
    if matches!(report.led.as_str(), "LED-ON" | "LED-OFF") {
        changed.led.value.clone_from(&report.led);
    }
    // Reports come every few minutes; the machine's record is written only when it says something new.
    if changed != *machine {
        changed.changed = env.now;
        tx.put(changed);
    }
}

fn keep_unless_given(known: &mut String, given: &str) {
    if !given.is_empty() {
        given.clone_into(known);
    }
}

fn refresh_fru(known: &mut v1::MachineFru, given: &v1::MachineFru) {
    keep_unless_given(&mut known.chassis_part_number, &given.chassis_part_number);
    keep_unless_given(&mut known.chassis_part_serial, &given.chassis_part_serial);
    keep_unless_given(&mut known.board_mfg, &given.board_mfg);
    keep_unless_given(&mut known.board_mfg_serial, &given.board_mfg_serial);
    keep_unless_given(&mut known.board_part_number, &given.board_part_number);
    keep_unless_given(&mut known.product_manufacturer, &given.product_manufacturer);
    keep_unless_given(&mut known.product_part_number, &given.product_part_number);
    keep_unless_given(&mut known.product_serial, &given.product_serial);
}

/// The known `host:port` with another host; 623 when there is no port yet.
fn with_host(known: &str, host: &str) -> String {
    let port = port_of(known).unwrap_or(IPMI_PORT);
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    if bare.contains(':') { format!("[{bare}]:{port}") } else { format!("{bare}:{port}") }
}

/// The port after a host name, an IPv4 address, or an IPv6 address in brackets.
fn port_of(address: &str) -> Option<&str> {
    let port = match address.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once("]:")?.1,
        None => address.split_once(':')?.1,
    };
    port.parse::<u16>().is_ok_and(|number| number != 0).then_some(port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_replaced_and_ports_kept() {
        for (known, host, expected) in [
            ("", "10.0.0.1", "10.0.0.1:623"),
            ("10.0.0.9:1234", "10.0.0.1", "10.0.0.1:1234"),
            ("10.0.0.9", "10.0.0.1", "10.0.0.1:623"),
            ("10.0.0.9:", "10.0.0.1", "10.0.0.1:623"),
            ("fe80::1", "10.0.0.1", "10.0.0.1:623"),
            ("10.0.0.9:1234", "2001:db8::1", "[2001:db8::1]:1234"),
            ("[2001:db8::9]:1234", "[2001:db8::1]", "[2001:db8::1]:1234"),
            ("[2001:db8::9]", "10.0.0.1", "10.0.0.1:623"),
        ] {
            assert_eq!(with_host(known, host), expected, "{known} {host}");
        }
    }
}
