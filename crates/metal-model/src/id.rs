//! Identifiers, one type each, so that a project can never be passed where a partition is meant.
//!
//! Ids of the public API are free text chosen by operators (except UUIDs the server makes), therefore an
//! identifier is an immutable shared string; cloning is one reference count.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

macro_rules! id_types {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text of the identifier.
            pub fn as_str(&self) -> &str {
                &self.0
            }
            /// True for the id nobody has: a reference that is not set.
            pub fn is_empty(&self) -> bool {
                self.0.is_empty()
            }
        }
        impl Default for $name {
            fn default() -> Self {
                Self(Arc::from(""))
            }
        }
        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(Arc::from(text))
            }
        }
        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(Arc::from(text))
            }
        }
        impl From<&String> for $name {
            fn from(text: &String) -> Self {
                Self(Arc::from(text.as_str()))
            }
        }
        impl From<&$name> for String {
            fn from(id: &$name) -> Self {
                id.0.to_string()
            }
        }
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                &*self.0 == other
            }
        }
        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                &*self.0 == *other
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
    )*};
}

id_types! {
    /// SMBIOS UUID of a machine.
    MachineId;
    /// A failure domain with its own switches.
    PartitionId;
    /// A rack: racks exist only as names that switches report.
    RackId;
    /// A project of a tenant.
    ProjectId;
    /// A tenant.
    TenantId;
    /// A network of any kind.
    NetworkId;
    /// `<os>-<version>`.
    ImageId;
    /// A class of hardware; `unknown` is built in.
    SizeId;
    /// A reservation of machines of a size.
    SizeReservationId;
    /// A filesystem layout.
    FilesystemLayoutId;
    /// A leaf switch; its host name.
    SwitchId;
}
