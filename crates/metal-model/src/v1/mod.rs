//! The wire models of the public API, version 1: every request and response with its exact JSON keys.
//!
//! Rules that hold for all of them: a missing or null member is the zero value; unknown members are ignored; lists are
//! never null in answers; optional objects are null unless the API leaves them out. [`json::decode`] is the one way to
//! read them from foreign bytes. Big nested objects of answers are `Arc`s, so that answers share them with the
//! snapshot they were made from.

pub mod audit;
pub mod error;
pub mod explanation;
pub mod filesystem_layout;
pub mod firewall;
pub mod firmware;
pub mod hardware;
pub mod health;
pub mod image;
pub mod ip;
pub mod json;
pub mod machine;
pub mod machine_request;
pub mod network;
pub mod operation;
pub mod partition;
pub mod pki;
pub mod project;
mod schema;
pub mod search;
pub mod shared;
pub mod size;
pub mod size_image_constraint;
pub mod size_reservation;
pub mod switch;
pub mod task;
pub mod tenant;
pub mod time;
pub mod user;
pub mod version;
pub mod vpn;
pub mod watch;

pub use audit::*;
pub use error::HttpErrorResponse;
pub use explanation::*;
pub use filesystem_layout::*;
pub use firewall::*;
pub use firmware::*;
pub use hardware::*;
pub use health::*;
pub use image::*;
pub use ip::*;
pub use machine::*;
pub use machine_request::*;
pub use network::*;
pub use operation::{Access, Body, Method, Operation, QueryKind, QueryParam};
pub use partition::*;
pub use pki::*;
pub use project::*;
pub use schema::{NamedSchema, schemas};
pub use search::*;
pub use shared::*;
pub use size::*;
pub use size_image_constraint::*;
pub use size_reservation::*;
pub use switch::*;
pub use task::*;
pub use tenant::*;
pub use time::Time;
pub use user::*;
pub use version::*;
pub use vpn::*;
pub use watch::{WatchEvent, WatchKind};
