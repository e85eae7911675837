//! Leaf switches: their registration, what is connected to them, and what they are told to configure.

mod connect;
mod filter;
mod migrate;
mod notify;
pub mod port_name;
mod register;
mod rewire;
mod update;
mod view;

#[cfg(test)]
mod connect_tests;
#[cfg(test)]
mod filter_tests;
#[cfg(test)]
mod tests;

pub use connect::{Neighbor, Nic, connect, disconnect, room, set_vrf};
pub use migrate::migrate;
pub use notify::{Agent, notify, notify_agent};
pub use register::register;
pub use update::{delete, toggle, update};
pub use view::{Desired, DesiredPort, desired, find, list_response, observe, response};
