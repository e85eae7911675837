//! Names and numbers that may appear in a configuration: checked once, then safe to print anywhere.
//!
//! A configuration file is a language, and whoever can put a line break or a blank into a name can write sentences of
//! his own. So nothing is rendered from a `String`: ports, VRFs and host names are these types, which cannot hold more
//! than the few characters the kernel and FRR accept.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a name or number cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {given:?}: {why}")]
pub struct NameError {
    /// What it was meant to be.
    pub what: &'static str,
    /// What was given, cut to a readable length.
    pub given: String,
    /// What is wrong with it.
    pub why: &'static str,
}

fn fault(what: &'static str, given: &str, why: &'static str) -> NameError {
    NameError { what, given: given.chars().take(64).collect(), why }
}

/// The kernel's limit for names of interfaces, without the terminating zero.
const LONGEST_INTERFACE: usize = 15;
/// RFC 1123.
const LONGEST_HOST: usize = 63;

fn check(what: &'static str, given: &str, longest: usize) -> Result<(), NameError> {
    if given.is_empty() {
        return Err(fault(what, given, "is empty"));
    }
    if given.len() > longest {
        return Err(fault(what, given, "is too long"));
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !given.bytes().all(is_plain) {
        return Err(fault(what, given, "has characters other than letters, digits, '-', '_' and '.'"));
    }
    if !given.as_bytes()[0].is_ascii_alphanumeric() {
        return Err(fault(what, given, "does not begin with a letter or digit"));
    }
    Ok(())
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $longest:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// Checks a name.
            ///
            /// # Errors
            /// Says what is wrong with it.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                check($what, text, $longest)?;
                Ok(Self(text.to_owned()))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::parse(&text)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0
            }
        }

        impl std::str::FromStr for $type {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::parse(text)
            }
        }
    };
}

name!(
    /// A network interface: 1 to 15 letters, digits, `-`, `_`, `.`.
    PortName,
    "port",
    LONGEST_INTERFACE
);
name!(
    /// A routing table's name, for example `vrf3981`: as an interface, because it is one.
    VrfName,
    "VRF",
    LONGEST_INTERFACE
);
name!(
    /// A device's name.
    Hostname,
    "host name",
    LONGEST_HOST
);

impl VrfName {
    /// The name of a tenant's VRF on Linux: `vrf` and the VNI.
    #[must_use]
    pub fn of(vni: Vni) -> Self {
        Self(format!("vrf{vni}"))
    }
}

macro_rules! number {
    ($(#[$doc:meta])* $type:ident, $repr:ty, $what:literal, $range:expr, $why:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "u32", into = "u32")]
        pub struct $type($repr);

        impl $type {
            /// Checks a number.
            ///
            /// # Errors
            /// Says what is wrong with it.
            pub fn new(number: u32) -> Result<Self, NameError> {
                let fits = if $range.contains(&number) { <$repr>::try_from(number).ok() } else { None };
                fits.map(Self).ok_or_else(|| fault($what, &number.to_string(), $why))
            }

            /// Reads plain decimal digits.
            ///
            /// # Errors
            /// Says what is wrong with them.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                let number = if is_plain { text.parse().ok() } else { None };
                number.map_or_else(|| Err(fault($what, text, $why)), Self::new)
            }

            /// The number.
            #[must_use]
            pub fn get(self) -> $repr {
                self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl TryFrom<u32> for $type {
            type Error = NameError;
            fn try_from(number: u32) -> Result<Self, NameError> {
                Self::new(number)
            }
        }

        impl From<$type> for u32 {
            fn from(number: $type) -> Self {
                number.0.into()
            }
        }
    };
}

number!(
    /// A VXLAN network identifier, 24 bits, not 0.
    Vni,
    u32,
    "VNI",
    (1..=0x00ff_ffff),
    "is not a number from 1 to 16777215"
);
number!(
    /// An IEEE 802.1Q VLAN, 1 to 4094.
    VlanId,
    u16,
    "VLAN",
    (1..=4094),
    "is not a number from 1 to 4094"
);
number!(
    /// An autonomous system, 32 bits, not 0.
    Asn,
    u32,
    "ASN",
    (1..=u32::MAX),
    "is not a number from 1 to 4294967295"
);

impl VlanId {
    /// The layer-2 VNI of a VLAN that spans the fabric: `10` and four digits, so 4000 is 104000.
    #[must_use]
    pub fn layer2_vni(self) -> Vni {
        Vni(100_000 + u32::from(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_out() {
        for bad in
            ["", "a b", "swp1\n router bgp 1", "-x", ".", "..", "a\"b", "a/b", "a;b", "sixteen-letters1", "ä"]
        {
            assert!(PortName::parse(bad).is_err(), "{bad:?}");
        }
        for good in ["swp1", "Ethernet120", "swp1s3", "eth0.100", "lan_0"] {
            assert_eq!(PortName::parse(good).unwrap().as_str(), good);
        }
    }

    #[test]
    fn names_are_checked_when_read_from_json_too() {
        assert!(serde_json::from_str::<Hostname>(r#""leaf01""#).is_ok());
        assert!(serde_json::from_str::<Hostname>(r#""leaf 01""#).is_err());
        assert!(serde_json::from_str::<Vni>("0").is_err());
    }

    #[test]
    fn numbers_have_ranges() {
        assert!(Vni::new(0).is_err() && Vni::new(1 << 24).is_err() && Vni::new(3981).is_ok());
        assert!(VlanId::new(4095).is_err());
        assert!(Asn::parse("+1").is_err() && Asn::parse("").is_err() && Asn::parse("4294967296").is_err());
        assert_eq!(VlanId::new(966).unwrap().layer2_vni().get(), 100_966);
        assert_eq!(VrfName::of(Vni::new(3981).unwrap()).as_str(), "vrf3981");
    }
}
