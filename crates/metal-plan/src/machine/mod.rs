//! Machines as clients and BMC agents meet them: reading, searching, the few things that may be changed by hand, and
//! what BMCs report. How machines are handed out stands in `allocation`.

mod bmc;
mod console;
pub mod firewall;
mod power;
mod search;
mod state;
mod update;
mod view;

#[cfg(test)]
mod search_tests;
#[cfg(test)]
mod tests;

pub use bmc::{BmcReport, ipmi_report, report_bmcs};
pub use console::console_password;
pub use power::power;
pub use search::find;
pub use state::set_state;
pub use update::update;
pub use view::{Views, ipmi_list_response, ipmi_response, list_response, response};
