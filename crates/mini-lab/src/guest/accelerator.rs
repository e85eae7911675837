//! Whether guests can use the processor directly.
//!
//! That `/dev/kvm` exists or even opens is not enough: under some hypervisors it does, and QEMU then aborts or the guest
//! hangs in its firmware. So a kernel is started with it, and has to be heard of.

use std::time::Duration;

use tokio::io::AsyncReadExt as _;

use super::qemu;
use super::session::Emulator;
use super::system::System;

/// Longer than a kernel takes until its first words with KVM, many times over.
const PATIENCE: Duration = Duration::from_secs(5);

/// How the guest's processor is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Accelerator {
    /// The processor of this machine.
    Kvm,
    /// QEMU translates every instruction.
    Tcg,
}

impl std::fmt::Display for Accelerator {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Kvm => "with KVM",
            Self::Tcg => "translating its instructions: some 15 seconds",
        })
    }
}

/// The best one that works here.
pub async fn usable(system: &System) -> Accelerator {
    let device = std::fs::OpenOptions::new().read(true).write(true).open("/dev/kvm");
    if device.is_ok() && starts(system).await { Accelerator::Kvm } else { Accelerator::Tcg }
}

/// Whether a kernel speaks. Without a root directory it ends by itself.
async fn starts(system: &System) -> bool {
    let mut arguments = qemu::bare(Accelerator::Kvm);
    let further =
        ["-m", "256", "-kernel", &system.kernel, "-append", "console=ttyS0 panic=-1", "-serial", "stdio"];
    arguments.extend(further.map(str::to_owned));
    // Whatever goes wrong here, a guest that starts in vain would too.
    let Ok(mut emulator) = Emulator::start(&arguments) else { return false };
    let mut said = Vec::new();
    let speaks = async {
        while emulator.line.read_buf(&mut said).await.is_ok_and(|count| count > 0) {
            if says(&said) {
                return true;
            }
        }
        false
    };
    tokio::time::timeout(PATIENCE, speaks).await.unwrap_or(false)
}

fn says(said: &[u8]) -> bool {
    let words = b"Linux version ";
    said.windows(words.len()).any(|window| window == words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_kernel_counts_not_the_firmware() {
        assert!(says(b"[    0.000000] Linux version 6.12.0 (debian)"));
        assert!(!says(b"SeaBIOS (version 1.16.2)\r\nBooting from ROM...\r\n"));
        assert!(!says(b""));
    }
}
