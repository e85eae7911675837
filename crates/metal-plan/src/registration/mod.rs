//! What installers report about their machine: its inventory, that it waits, that the installation is done.

mod inventory;
mod report;
#[cfg(test)]
mod tests;

pub use inventory::{BmcAccess, Inventory, Registered, register, set_waiting};
pub use report::{Report, abort_reinstall, report};
