//! How long simulated things take.

use std::time::Duration;

/// The durations of a simulation. Real servers need minutes for what takes [`Pace::default`] a second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Power-on self test and loading the installer.
    pub post: Duration,
    /// Taking the inventory and wiping the disks.
    pub prepare: Duration,
    /// Writing the image and configuring it.
    pub install: Duration,
    /// From kexec to a system that announces itself.
    pub kernel: Duration,
    /// Between a crash and the next boot, and between attempts to reach a control plane that does not answer.
    pub pause: Duration,
    /// Between signs of life of a waiting machine.
    pub alive: Duration,
    /// Between announcements of running systems by their switches.
    pub phone_home: Duration,
    /// Between reports of a switch.
    pub switch_report: Duration,
    /// Between reports of the BMCs.
    pub bmc_report: Duration,
    /// After this long without an allocation a waiting machine reboots to get a fresh certificate and kernel.
    pub longest_wait: Duration,
    /// How long a machine that vanished by chance stays away.
    pub absence: Duration,
    /// Between looks at the cables, and at whether the switches have done what an installation led to.
    pub look: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            post: Duration::from_millis(1500),
            prepare: Duration::from_millis(1000),
            install: Duration::from_millis(4000),
            kernel: Duration::from_millis(2000),
            pause: Duration::from_secs(3),
            alive: Duration::from_secs(60),
            phone_home: Duration::from_secs(60),
            switch_report: Duration::from_secs(30),
            bmc_report: Duration::from_secs(60),
            longest_wait: Duration::from_secs(12 * 3600),
            absence: Duration::from_secs(7 * 60),
            look: Duration::from_millis(500),
        }
    }
}

impl Pace {
    /// Fractions of a second, for labs in which the network is real and takes its own time.
    #[must_use]
    pub fn quick() -> Self {
        Self {
            post: Duration::from_millis(200),
            prepare: Duration::from_millis(100),
            install: Duration::from_millis(300),
            kernel: Duration::from_millis(100),
            pause: Duration::from_millis(300),
            alive: Duration::from_secs(20),
            bmc_report: Duration::from_secs(20),
            look: Duration::from_millis(100),
            ..Self::default()
        }
    }

    /// As fast as the control plane answers; for tests.
    #[must_use]
    pub fn breathless() -> Self {
        Self {
            post: Duration::ZERO,
            prepare: Duration::ZERO,
            install: Duration::ZERO,
            kernel: Duration::ZERO,
            pause: Duration::from_millis(50),
            look: Duration::from_millis(10),
            ..Self::default()
        }
    }
}
