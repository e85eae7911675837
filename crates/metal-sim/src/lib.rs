//! A data centre made of tasks: machines, switches and BMCs that speak the real agents' API over mutual TLS.
//!
//! Every simulated machine has its own certificate and, while its installer runs, its own connection, exactly as a
//! real one would; the control plane cannot tell the difference. What the machines are made of, how they are
//! cabled, and what goes wrong when follows from one seed.
//!
//! [`DataCentre::start`] is the door: give it a [`Config`], an [`Access`] with the joined agents' credentials, and a
//! task tree to live in. [`DataCentre::start_on`] plays the machines of a [`Site`] that somebody else has cabled to
//! real switches.

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
mod system;

pub use board::{Phase, Status};
pub use data_centre::{Access, Config, DataCentre, Site};
pub use dice::Dice;
pub use endpoint::{Endpoint, SimError, join};
pub use floor::{Cable, Floor, MachinePlan, SwitchPlan};
pub use hardware::{PROFILES, Profile};
pub use pace::Pace;
pub use script::{Action, Rates, Script, ScriptError, Selector, Step};
pub use switch::Port;
pub use system::{Doing, Failure, Simulated, System};
