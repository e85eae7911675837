//! Provisioning events: what machines say on their way from network boot to the installed system and back.
//!
//! The state of a machine is not stored; it is the newest stored event. [`step`] decides what an event means in a
//! state, [`process`] does it within a transaction, [`liveliness`] judges machines by their silence.

mod liveliness;
mod log;
mod state;
mod step;
#[cfg(test)]
mod tests;

pub use liveliness::{Judged, SILENCE, liveliness};
pub use log::{KEPT, ensure, process, receive};
pub use state::State;
pub use step::{Outcome, Step, step};
