//! Columns of everything that is neither machine, network nor switch.

use jiff::SignedDuration;
use metal_model::v1::{
    AuditResponse, FilesystemLayoutResponse, HealthResponse, ImageResponse, PartitionCapacity,
    PartitionResponse, Project, ServerCapacity, SizeConstraint, SizeImageConstraintResponse,
    SizeReservationResponse, SizeReservationUsageResponse, SizeResponse, TaskResponse, Tenant,
};
use serde::Serialize;

use super::cell::row;
use super::network::pairs;
use super::{Cell, Colour, Row, View, go_duration};

impl Row for ImageResponse {
    fn columns(_wide: bool) -> &'static [&'static str] {
        &["ID", "Name", "Description", "Features", "Expiration", "Status", "Used By"]
    }

    fn cells(&self, view: &View) -> Vec<Cell> {
        let expires = match self.expiration_date.get() {
            None => Cell::default(),
            Some(at) if at <= view.now => Cell::coloured("expired", Colour::Red),
            Some(at) => {
                let left = at.duration_since(view.now);
                Cell::sorted(format!("in {}", go_duration(left)), &left.as_secs())
            }
        };
        let used = if self.usedby.is_empty() { String::new() } else { self.usedby.len().to_string() };
        row![
            &self.id,
            &self.name,
            &self.description,
            self.features.join(","),
            expires,
            &self.classification,
            used
        ]
    }
}

/// The range a size allows for one kind of hardware.
fn range(constraints: &[SizeConstraint], kind: &str) -> String {
    let shown = |n: u64| if matches!(kind, "memory" | "storage") { bytes(n) } else { n.to_string() };
    let of_kind = constraints.iter().filter(|c| c.kind == kind);
    let texts = of_kind.map(|c| {
        let range = format!("{} - {}", shown(c.min), shown(c.max));
        if c.identifier.is_empty() { range } else { format!("{}: {range}", c.identifier) }
    });
    texts.collect::<Vec<_>>().join("; ")
}

fn bytes(count: u64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut unit = 0;
    let mut rest = count;
    while rest >= 10_240 && unit + 1 < UNITS.len() {
        rest /= 1024;
        unit += 1;
    }
    format!("{rest} {}", UNITS[unit])
}

impl Row for SizeResponse {
    fn columns(_wide: bool) -> &'static [&'static str] {
        &["ID", "Name", "Description", "CPU Range", "Memory Range", "Storage Range", "GPU Range"]
    }

    fn cells(&self, _view: &View) -> Vec<Cell> {
        let c = &self.constraints;
        row![
            &self.id,
            &self.name,
            &self.description,
            range(c, "cores"),
            range(c, "memory"),
            range(c, "storage"),
            range(c, "gpu")
        ]
    }
}

impl Row for SizeConstraint {
    fn columns(_wide: bool) -> &'static [&'static str] {
        &["Type", "Min", "Max", "Identifier"]
    }

    fn cells(&self, _view: &View) -> Vec<Cell> {
        row![&self.kind, self.min.to_string(), self.max.to_string(), &self.identifier]
    }
}

impl Row for SizeReservationResponse {
    fn columns(_wide: bool) -> &'static [&'static str] {
        &["ID", "Size", "Project", "Partitions", "Description", "Amount"]
    }

    fn cells(&self, _view: &View) -> Vec<Cell> {
        let partitions = self.partitionids.join(",");
        row![&self.id, &self.sizeid, &self.projectid, partitions, &self.description, self.amount.to_string()]
    }
}

impl Row for SizeReservationUsageResponse {
    fn columns(_wide: bool) -> &'static [&'static str] {
        &["ID", "Size", "Project", "Partition", "Used/Amount", "Project Allocations"]
    }

    fn cells(&self, _view: &View) -> Vec<Cell> {
        let used = Cell::sorted(format!("{}/{}", self.usedamount, self.amount), &self.usedamount);
        let all = self.projectallocations.to_string();
        row![&self.id, &self.sizeid, &self.projectid, &self.partitionid, used, all]
    }
}

impl Row for SizeImageConstraintResponse {
    fn columns(_wide: bool) -> &'static [&'static str] {
        &["ID", "Name", "Description", "Image", "Constraint"]
    }

    fn cells(&self, _view: &View) -> Vec<Cell> {
        let images: Vec<&str> = self.constraints.images.keys().map(String::as_str).collect();
        let expressions: Vec<&str> = self.constraints.images.values().map(String::as_str).collect();
        row![&self.id, &self.name, &self.description, images.join(","), expressions.join(",")]
    }
}

impl Row for PartitionResponse {
    fn columns(_wide: bool) -> &'static [&'static str] {
        &["ID", "Name", "Description", "Labels"]
    }

    fn cells(&self, _view: &View) -> Vec<Cell> {
        row![&self.id, &self.name, &self.description, pairs(&self.labels)]
    }
}

/// How full a partition is with machines of one size.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CapacityRow {
    /// Partition.
    pub partition: String,
    /// Machines of one size.
    #[serde(flatten)]
    pub servers: ServerCapacity,
}

impl CapacityRow {
    /// One row for each size of each partition.
    pub fn all(capacities: Vec<PartitionCapacity>) -> Vec<Self> {
        let rows = |c: PartitionCapacity| {
            let partition = c.id;
            c.servers.into_iter().map(move |servers| Self { partition: partition.clone(), servers })
        };
        capacities.into_iter().flat_map(rows).collect()
    }
}

impl Row for CapacityRow {
    fn columns(wide: bool) -> &'static [&'static str] {
        if wide {
            &[
                "Partition",
                "Size",
                "Phoned Home",
                "Waiting",
                "Other",
                "Allocated",
                "Free",
                "Unavailable",
                "Reservations",
                "Total",
                "Faulty",
            ]
        } else {
            &["Partition", "Size", "Allocated", "Free", "Unavailable", "Reservations", "Total", "Faulty"]
        }
    }

    fn cells(&self, view: &View) -> Vec<Cell> {
        let s = &self.servers;
        let free = match s.free {
            0 => Cell::coloured("0", Colour::Red),
            free => Cell::coloured(free.to_string(), Colour::Green),
        };
        let faulty = match s.faulty {
            0 => Cell::from("0"),
            faulty => Cell::coloured(faulty.to_string(), Colour::Yellow),
        };
        let reservations = match s.reservations {
            0 => "0".to_owned(),
            all => format!("{} ({}/{all} used)", all - s.usedreservations, s.usedreservations),
        };
        let mut cells = row![&self.partition, &s.size];
        if view.wide {
            cells.extend(row![s.phoned_home.to_string(), s.waiting.to_string(), s.other.to_string()]);
        }
        let (allocated, unavailable) = (s.allocated.to_string(), s.unavailable.to_string());
        cells.extend(row![allocated, free, unavailable, reservations, s.total.to_string(), faulty]);
        cells
    }
}

impl Row for FilesystemLayoutResponse {
    fn columns(_wide: bool) -> &'static [&'static str] {
        &["ID", "Description", "Filesystems", "Sizes", "Images"]
    }

    fn cells(&self, _view: &View) -> Vec<Cell> {
        let shown = |f: &metal_model::v1::Filesystem| format!("{} {} on {}", f.path, f.format, f.device);
        let filesystems: Vec<String> = self.filesystems.iter().map(shown).collect();
        row![
            &self.id,
            &self.description,
            filesystems.join("; "),
            self.constraints.sizes.join(","),
            pairs(&self.constraints.images),
        ]
    }
}

impl Row for Project {
    fn columns(wide: bool) -> &'static [&'static str] {
        if wide {
            &["UID", "Tenant", "Name", "Description", "Quotas Clusters/Machines/IPs", "Labels", "Annotations"]
        } else {
            &["UID", "Tenant", "Name", "Description", "Labels", "Annotations"]
        }
    }

    fn cells(&self, view: &View) -> Vec<Cell> {
        let mut cells = row![&self.meta.id, &self.tenant_id, &self.name, &self.description];
        if view.wide {
            let quotas = self.quotas.clone().unwrap_or_default();
            let shown = |q: &Option<metal_model::v1::Quota>| match q {
                Some(q) => {
                    let of = q.quota.map_or_else(|| "∞".to_owned(), |n| n.to_string());
                    format!("{}/{of}", q.used.unwrap_or_default())
                }
                None => "-".to_owned(),
            };
            let parts = [&quotas.cluster, &quotas.machine, &quotas.ip].map(shown);
            cells.push(Cell::from(parts.join(" ")));
        }
        cells.extend(row![self.meta.labels.join(","), pairs(&self.meta.annotations)]);
        cells
    }
}

impl Row for Tenant {
    fn columns(_wide: bool) -> &'static [&'static str] {
        &["ID", "Name", "Description", "Labels", "Annotations"]
    }

    fn cells(&self, _view: &View) -> Vec<Cell> {
        let (labels, annotations) = (self.meta.labels.join(","), pairs(&self.meta.annotations));
        row![&self.meta.id, &self.name, &self.description, labels, annotations]
    }
}

impl Row for AuditResponse {
    fn columns(_wide: bool) -> &'static [&'static str] {
        &["Time", "Request ID", "Component", "Detail", "Path", "Code", "User"]
    }

    fn cells(&self, _view: &View) -> Vec<Cell> {
        row![
            self.timestamp.to_string(),
            &self.rqid,
            &self.component,
            &self.detail,
            &self.path,
            self.status_code.map(|c| c.to_string()).unwrap_or_default(),
            &self.user,
        ]
    }
}

/// A background task of the server.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(transparent)]
pub struct TaskRow(pub TaskResponse);

impl Row for TaskRow {
    fn columns(wide: bool) -> &'static [&'static str] {
        if wide {
            &[
                "Name",
                "State",
                "Replica",
                "Period",
                "Runs",
                "Failures",
                "Last Run",
                "Took",
                "Last Error",
                "Status",
                "Description",
            ]
        } else {
            &["Name", "State", "Period", "Runs", "Failures", "Last Run", "Took", "Last Error"]
        }
    }

    fn cells(&self, view: &View) -> Vec<Cell> {
        let t = &self.0;
        let last = t.last_started.get();
        let last = Cell::ago(last, view.now);
        let error = match &t.last_error {
            Some(why) => Cell::coloured(why, Colour::Red),
            None => Cell::default(),
        };
        let mut cells = row![&t.name, &t.state];
        if view.wide {
            cells.push(Cell::from(&t.replica));
        }
        cells.extend(row![
            go_duration(SignedDuration::from_nanos(t.period)),
            t.runs.to_string(),
            t.failures.to_string(),
            last,
            go_duration(SignedDuration::from_nanos(t.last_duration)),
            error,
        ]);
        if view.wide {
            let status = if t.status.is_null() { String::new() } else { t.status.to_string() };
            cells.extend(row![status, &t.description]);
        }
        cells
    }
}

/// A part of the service and its health.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ServiceRow {
    /// Name.
    pub name: String,
    /// Health.
    pub status: String,
    /// Details.
    pub message: String,
}

impl ServiceRow {
    /// The service and all its parts.
    pub fn all(name: &str, health: &HealthResponse) -> Vec<Self> {
        let this =
            Self { name: name.to_owned(), status: health.status.clone(), message: health.message.clone() };
        let parts = health.services.iter().flat_map(|(name, part)| Self::all(name, part));
        std::iter::once(this).chain(parts).collect()
    }
}

impl Row for ServiceRow {
    fn columns(_wide: bool) -> &'static [&'static str] {
        &["Service", "Status", "Message"]
    }

    fn cells(&self, _view: &View) -> Vec<Cell> {
        let colour = match self.status.as_str() {
            "healthy" => Colour::Green,
            "unhealthy" => Colour::Red,
            _ => Colour::Yellow,
        };
        row![&self.name, Cell::coloured(&self.status, colour), &self.message]
    }
}

/// A context of the configuration file.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ContextRow {
    /// Whether it is in use.
    pub current: bool,
    /// Name.
    pub name: String,
    /// URL of its API.
    pub url: String,
    /// How one is known to it.
    pub authentication: String,
}

impl Row for ContextRow {
    fn columns(_wide: bool) -> &'static [&'static str] {
        &["", "Name", "URL", "Authentication"]
    }

    fn cells(&self, _view: &View) -> Vec<Cell> {
        row![if self.current { "*" } else { "" }, &self.name, &self.url, &self.authentication]
    }
}
