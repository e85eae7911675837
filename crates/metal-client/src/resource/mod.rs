//! One module per resource, one function per operation.

mod filesystem_layout;
mod firewall;
mod image;
mod ip;
mod machine;
mod network;
mod partition;
mod project;
mod service;
mod size;
mod size_image_constraint;
mod size_reservation;
mod switch;
mod tenant;

pub use filesystem_layout::FilesystemLayouts;
pub use firewall::Firewalls;
pub use image::Images;
pub use ip::Ips;
pub use machine::Machines;
pub use network::Networks;
pub use partition::Partitions;
pub use project::Projects;
pub use service::{FirmwareFilter, FirmwareId};
pub use size::Sizes;
pub use size_image_constraint::SizeImageConstraints;
pub use size_reservation::SizeReservations;
pub use switch::Switches;
pub use tenant::Tenants;
