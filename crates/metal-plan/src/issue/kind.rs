//! The kinds of issues, their severities and descriptions.

use metal_model::v1;

const READ_ON: &str = "https://docs.metal-stack.io/stable/installation/troubleshoot/#";

/// How bad an issue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth a look some day.
    Minor,
    /// Needs somebody.
    Major,
    /// Needs somebody now.
    Critical,
}

impl Severity {
    /// The wire word.
    pub fn wire(self) -> &'static str {
        match self {
            Self::Minor => "minor",
            Self::Major => "major",
            Self::Critical => "critical",
        }
    }

    /// Reads a wire word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Minor, Self::Major, Self::Critical].into_iter().find(|severity| severity.wire() == text)
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident $id:literal $severity:ident $description:literal;)*) => {
        /// A kind of issue. The order is that of the catalogue.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $($(#[$doc])* $name,)*
        }

        impl Kind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The wire identifier.
            pub fn id(self) -> &'static str {
                match self {
                    $(Self::$name => $id,)*
                }
            }

            /// How bad it is.
            pub fn severity(self) -> Severity {
                match self {
                    $(Self::$name => Severity::$severity,)*
                }
            }

            /// What it means, in one sentence.
            pub fn description(self) -> &'static str {
                match self {
                    $(Self::$name => $description,)*
                }
            }
        }
    };
}

kinds! {
    /// No partition reported it yet.
    NoPartition "no-partition" Major "no partition has reported this machine yet";
    /// Silent and unallocated.
    LivelinessDead "liveliness-dead" Major "the machine is free and has been silent for more than five minutes";
    /// Silent and allocated.
    LivelinessUnknown "liveliness-unknown" Major "the machine is allocated and has been silent for more than five minutes";
    /// Nothing known about its liveliness.
    LivelinessNotAvailable "liveliness-not-available" Minor "nothing is known about the liveliness of the machine";
    /// Freed, and still running its old system.
    FailedMachineReclaim "failed-machine-reclaim" Critical "the machine was freed but its old system still runs";
    /// Keeps restarting its provisioning.
    CrashLoop "crashloop" Major "the machine restarts its provisioning over and over";
    /// Something unexpected happened lately.
    LastEventError "last-event-error" Minor "the machine reported an unexpected event not long ago";
    /// BMC without MAC address.
    BmcWithoutMac "bmc-without-mac" Major "the MAC address of the machine's BMC is unknown";
    /// BMC without address.
    BmcWithoutIp "bmc-without-ip" Major "the address of the machine's BMC is unknown";
    /// BMC not heard of.
    BmcInfoOutdated "bmc-info-outdated" Major "the machine's BMC has not been reported for more than 20 minutes";
    /// ASN used by several firewalls.
    AsnNotUnique "asn-not-unique" Minor "the firewall shares its ASN with another firewall";
    /// BMC address used by several machines.
    BmcNoDistinctIp "bmc-no-distinct-ip" Major "the machine's BMC has the same address as another machine's";
    /// No events at all.
    NoEventContainer "no-event-container" Major "no provisioning events of the machine are known";
    /// Waits, but a switch may still have its ports in the last owner's network.
    IsolationUnconfirmed "isolation-unconfirmed" Major "the machine waits but is not offered: a leaf switch has not confirmed that its ports are isolated";
}

impl Kind {
    /// Reads a wire identifier.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.id() == text)
    }

    /// The wire form.
    pub fn wire(self) -> v1::MachineIssue {
        v1::MachineIssue {
            id: self.id().to_owned(),
            severity: self.severity().wire().to_owned(),
            description: self.description().to_owned(),
            ref_url: format!("{READ_ON}{}", self.id()),
            details: String::new(),
        }
    }
}

/// All kinds in wire form.
pub fn catalogue() -> Vec<v1::MachineIssue> {
    Kind::ALL.iter().map(|kind| kind.wire()).collect()
}
