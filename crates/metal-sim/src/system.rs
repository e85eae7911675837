//! What a simulated machine really has: cables, and a system that runs.
//!
//! The life of a machine - power, boot order, the conversation with the control plane, what is on its disk - is played
//! by this crate in any case. What it is made of may be as simulated as the rest ([`Simulated`]), or real: a network
//! namespace cabled to real switches, say. Then whoever starts the data centre implements [`System`].

use std::error::Error;
use std::future::Future;
use std::pin::Pin;

use metal_proto::v1::{Allocation, Nic};

/// Something that takes a while.
pub type Doing<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Why a system cannot do what it shall. The machine crashes, and boots again after a pause.
pub type Failure = Box<dyn Error + Send + Sync>;

/// The hardware and the system of one machine.
///
/// Losing power is an interruption: the future of any method may be dropped at any point, and the next call is
/// [`System::stop`]. Calls never overlap.
pub trait System: Send + Sync {
    /// The interfaces in the order of the machine's plan, each with what LLDP shows on it right now. Called again and again
    /// while the installer waits for two switches to show up.
    fn neighbors(&self) -> Doing<'_, Vec<Nic>>;

    /// Boots from the network: links up, address by DHCP, the installer's LLDP announcements. Ends when that is so.
    fn netboot(&self) -> Doing<'_, Result<(), Failure>> {
        Box::pin(async { Ok(()) })
    }

    /// The installer has written a system for this allocation to the disk; the ports are not in its networks yet.
    fn installed<'a>(&'a self, _allocation: &'a Allocation) -> Doing<'a, Result<(), Failure>> {
        Box::pin(async { Ok(()) })
    }

    /// Starts the installed system: from the installer by kexec, in place of what [`System::netboot`] began, or from
    /// disk after power on. It announces itself by LLDP, which is how switches tell that it runs. Ends when it has
    /// started. The allocation is empty when an earlier data centre installed it and nobody told this one how.
    fn start<'a>(&'a self, _allocation: &'a Allocation) -> Doing<'a, Result<(), Failure>> {
        Box::pin(async { Ok(()) })
    }

    /// All power is gone, at once and without a word; what is on the disk stays. Also called of a machine that does
    /// not run, and at the begin and the end of the data centre.
    fn stop(&self) -> Doing<'_, ()> {
        Box::pin(async {})
    }
}

/// A machine of which nothing is real.
#[derive(Clone, Debug)]
pub struct Simulated {
    /// Its interfaces, and what the plan connects them to.
    pub nics: Vec<Nic>,
}

impl System for Simulated {
    fn neighbors(&self) -> Doing<'_, Vec<Nic>> {
        Box::pin(async { self.nics.clone() })
    }
}
