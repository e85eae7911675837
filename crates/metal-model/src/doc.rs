//! The list of all stored kinds: one line each, from which the document enum, its keys and its stored form follow.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::agent::{Authority, BmcCommand, CommandQueue, JoinToken, Lease, MachineBoot, TaskStatus};
use crate::document::DecodeError;
use crate::event_log::EventLog;
use crate::filesystem_layout::FilesystemLayout;
use crate::image::Image;
use crate::machine::{Bmc, Machine};
use crate::network::{AsnClaim, Ip, Network, VrfClaim};
use crate::partition::Partition;
use crate::project::{Project, Tenant};
use crate::size::{Size, SizeImageConstraint, SizeReservation};
use crate::switch::{Switch, SwitchObservation, SwitchStatus};

/// A kind of stored document.
pub trait Document: Serialize + DeserializeOwned + Clone + Send + Sync + Sized + 'static {
    /// First part of the key.
    const KIND: &'static str;
    /// Second part of the key; may contain slashes.
    fn id(&self) -> Cow<'_, str>;
    /// Wraps the document.
    fn wrap(doc: Arc<Self>) -> Doc;

    /// `<kind>/<id>`.
    fn key(&self) -> String {
        Self::key_of(&self.id())
    }

    /// Key of the document with this id.
    fn key_of(id: &str) -> String {
        let mut key = String::with_capacity(Self::KIND.len() + 1 + id.len());
        // Writing to a string cannot fail.
        let _ = write!(key, "{}/{id}", Self::KIND);
        key
    }
}

macro_rules! documents {
    ($($kind:literal $name:ident $id:expr;)*) => {
        /// Any stored document.
        #[derive(Debug, Clone)]
        pub enum Doc {$(
            #[doc = concat!("Kind `", $kind, "`.")]
            $name(Arc<$name>),
        )*}

        /// All kinds, in no particular order.
        pub const KINDS: &[&str] = &[$($kind),*];

        impl Doc {
            /// Reads the stored form.
            pub fn decode(key: &str, bytes: &[u8]) -> Result<Self, DecodeError> {
                let kind = key.split('/').next().unwrap_or_default();
                match kind {
                    $($kind => serde_json::from_slice(bytes).map(|doc| Self::$name(Arc::new(doc))).map_err(
                        |error| DecodeError::Malformed { key: key.to_owned(), why: error.to_string() },
                    ),)*
                    _ => Err(DecodeError::UnknownKind { key: key.to_owned() }),
                }
            }

            /// Writes the stored form.
            pub fn encode(&self) -> Vec<u8> {
                match self {
                    $(Self::$name(doc) => serde_json::to_vec(&**doc),)*
                }
                .expect("documents have string keys only and therefore always serialise")
            }

            /// `<kind>/<id>`.
            pub fn key(&self) -> String {
                match self {
                    $(Self::$name(doc) => doc.key(),)*
                }
            }
        }

        $(impl Document for $name {
            const KIND: &'static str = $kind;
            fn id(&self) -> Cow<'_, str> {
                let id: fn(&$name) -> Cow<'_, str> = $id;
                id(self)
            }
            fn wrap(doc: Arc<Self>) -> Doc {
                Doc::$name(doc)
            }
        })*
    };
}

documents! {
    "partition" Partition |d| Cow::Borrowed(d.id.as_str());
    "tenant" Tenant |d| Cow::Borrowed(d.id.as_str());
    "project" Project |d| Cow::Borrowed(d.id.as_str());
    "image" Image |d| Cow::Borrowed(d.id.as_str());
    "size" Size |d| Cow::Borrowed(d.id.as_str());
    "size-reservation" SizeReservation |d| Cow::Borrowed(d.id.as_str());
    "size-image-constraint" SizeImageConstraint |d| Cow::Borrowed(d.id.as_str());
    "filesystem-layout" FilesystemLayout |d| Cow::Borrowed(d.id.as_str());
    "network" Network |d| Cow::Borrowed(d.id.as_str());
    "ip" Ip |d| Cow::Owned(d.address.to_string());
    "vrf" VrfClaim |d| Cow::Owned(d.vrf.to_string());
    "asn" AsnClaim |d| Cow::Owned(d.asn.to_string());
    "machine" Machine |d| Cow::Borrowed(d.id.as_str());
    "bmc" Bmc |d| Cow::Borrowed(d.machine.as_str());
    "event-log" EventLog |d| Cow::Borrowed(d.machine.as_str());
    "switch" Switch |d| Cow::Borrowed(d.id.as_str());
    "switch-status" SwitchStatus |d| Cow::Borrowed(d.id.as_str());
    "switch-observation" SwitchObservation |d| Cow::Borrowed(d.id.as_str());
    "bmc-command" BmcCommand |d| Cow::Owned(BmcCommand::id_of(&d.partition, d.sequence));
    "command-queue" CommandQueue |d| Cow::Borrowed(d.partition.as_str());
    "join-token" JoinToken |d| Cow::Borrowed(&d.hash);
    "machine-boot" MachineBoot |d| Cow::Borrowed(d.machine.as_str());
    "authority" Authority |d| Cow::Borrowed(&d.id);
    "lease" Lease |d| Cow::Borrowed(&d.id);
    "task-status" TaskStatus |d| Cow::Borrowed(&d.id);
}
