//! The snapshot: everything the control plane knows at one revision, with the indexes decisions need.
//!
//! It is immutable for its readers; the store clones it (O(1)) for each commit and applies documents one by one
//! through [`State`]. Whatever can be derived is derived here and never stored, so an index cannot drift from
//! its documents.

mod index;
mod table;
mod tx;

use std::sync::Arc;

use metal_model::agent::{Authority, BmcCommand, CommandQueue, JoinToken, Lease, MachineBoot, TaskStatus};
use metal_model::doc::{Doc, Document};
use metal_model::document::{DecodeError, Revision, State};
use metal_model::event_log::EventLog;
use metal_model::filesystem_layout::FilesystemLayout;
use metal_model::image::Image;
use metal_model::machine::{Bmc, Machine};
use metal_model::network::{AsnClaim, Ip, Network, VrfClaim};
use metal_model::partition::Partition;
use metal_model::project::{Project, Tenant};
use metal_model::size::{Size, SizeImageConstraint, SizeReservation};
use metal_model::switch::{Switch, SwitchObservation, SwitchStatus};

pub use index::Indexes;
pub use table::{Multi, Row, Table};
pub use tx::Tx;

macro_rules! tables {
    ($($field:ident $name:ident $changed:ident;)*) => {
        /// Everything at one revision.
        #[derive(Debug, Clone, Default)]
        pub struct Snapshot {
            $(#[doc = concat!("All documents of kind ", stringify!($name), ".")]
            pub $field: Table<$name>,)*
            /// What follows from them.
            pub index: Indexes,
        }

        impl State for Snapshot {
            type Doc = Doc;

            fn decode(key: &str, bytes: &[u8]) -> Result<Doc, DecodeError> {
                Doc::decode(key, bytes)
            }

            fn encode(doc: &Doc) -> Vec<u8> {
                doc.encode()
            }

            fn get(&self, key: &str) -> Option<(Revision, Doc)> {
                let (kind, id) = key.split_once('/')?;
                match kind {
                    $($name::KIND => {
                        self.$field.row(id).map(|row| (row.revision, Doc::$name(row.doc.clone())))
                    })*
                    _ => None,
                }
            }

            fn put(&mut self, key: &str, revision: Revision, doc: Doc) {
                let Some((_, id)) = key.split_once('/') else { return };
                match doc {
                    $(Doc::$name(new) => {
                        let old = self.$field.put(id, revision, new.clone());
                        self.$changed(old.as_deref(), Some(&new));
                    })*
                }
            }

            fn remove(&mut self, key: &str) {
                let Some((kind, id)) = key.split_once('/') else { return };
                match kind {
                    $($name::KIND => {
                        let old = self.$field.remove(id);
                        self.$changed(old.as_deref(), None);
                    })*
                    _ => {}
                }
            }

            fn visit(&self, each: &mut dyn FnMut(&str, Revision, &Doc)) {
                let mut kinds: Vec<&'static str> = vec![$($name::KIND),*];
                // Key order, with the slash that ends the kind.
                kinds.sort_by_key(|kind| format!("{kind}/"));
                for kind in kinds {
                    match kind {
                        $($name::KIND => for (id, row) in self.$field.rows() {
                            each(&$name::key_of(id), row.revision, &Doc::$name(row.doc.clone()));
                        },)*
                        _ => {}
                    }
                }
            }
        }

        $(impl Stored for $name {
            fn table(snapshot: &Snapshot) -> &Table<Self> {
                &snapshot.$field
            }
        })*
    };
}

/// A document that has a table in the snapshot.
pub trait Stored: Document {
    /// Its table.
    fn table(snapshot: &Snapshot) -> &Table<Self>;
}

tables! {
    partitions Partition plain;
    tenants Tenant plain;
    projects Project project_changed;
    images Image image_changed;
    sizes Size plain;
    size_reservations SizeReservation reservation_changed;
    size_image_constraints SizeImageConstraint plain;
    filesystem_layouts FilesystemLayout plain;
    networks Network network_changed;
    ips Ip ip_changed;
    vrfs VrfClaim vrf_changed;
    asns AsnClaim asn_changed;
    machines Machine machine_changed;
    bmcs Bmc plain;
    event_logs EventLog event_log_changed;
    switches Switch switch_changed;
    switch_statuses SwitchStatus switch_status_changed;
    switch_observations SwitchObservation plain;
    bmc_commands BmcCommand plain;
    command_queues CommandQueue plain;
    join_tokens JoinToken plain;
    machine_boots MachineBoot plain;
    authorities Authority plain;
    leases Lease plain;
    task_statuses TaskStatus plain;
}

impl Snapshot {
    /// The document with this id, or the refusal clients know for its kind.
    pub fn find<D: Stored>(&self, id: &str) -> Result<&Arc<D>, crate::Error> {
        D::table(self).get(id).ok_or_else(|| crate::Error::not_found(&entity::<D>(), id))
    }
}

/// The word for a kind in messages: the kind without dashes.
pub(crate) fn entity<D: Document>() -> String {
    match D::KIND {
        "event-log" => "provisioningeventcontainer".to_owned(),
        kind => kind.replace('-', ""),
    }
}
