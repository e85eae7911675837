//! A data centre made of tasks: machines, switches and BMCs that speak the real agents' API over mutual TLS.
//!
//! Every simulated machine has its own certificate and, while its installer runs, its own connection, exactly as a
//! real one would; the control plane cannot tell the difference. What the machines are made of, how they are
//! cabled, and what goes wrong when follows from one seed.
//!
//! [`DataCentre::start`] is the door: give it a [`Config`], an [`Access`] with the joined agents' credentials, and a
//! task tree to live in.

mod board;
mod chassis;
mod data_centre;
mod dice;
mod endpoint;
mod floor;
mod hardware;
mod installer;
mod machine;
mod pace;
mod partition;
mod script;
mod switch;

pub use board::{Phase, Status};
pub use data_centre::{Access, Config, DataCentre};
pub use dice::Dice;
pub use endpoint::{Endpoint, SimError, join};
pub use floor::{Cable, Floor, MachinePlan, SwitchPlan};
pub use hardware::{PROFILES, Profile};
pub use pace::Pace;
pub use script::{Action, Rates, Script, ScriptError, Selector, Step};
pub use switch::Port;
