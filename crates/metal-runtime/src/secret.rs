//! Values that must never be printed.
//!
//! A [`Secret`] has no serialisation and a hiding `Debug` and `Display`; the only way to the value is
//! [`Secret::expose`], which a reviewer can search for. The bytes are overwritten on drop as far as safe code
//! can: copies that the value's own type made earlier are out of reach.

use std::fmt;

use serde::{Deserialize, Deserializer};

/// A value that can overwrite itself and be compared as bytes.
pub trait Sensitive {
    /// Overwrites the content.
    fn wipe(&mut self);
    /// The content as bytes, for comparison.
    fn bytes(&self) -> &[u8];
}

impl Sensitive for String {
    fn wipe(&mut self) {
        let mut bytes = std::mem::take(self).into_bytes();
        bytes.wipe();
    }

    fn bytes(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl Sensitive for Vec<u8> {
    fn wipe(&mut self) {
        self.fill(0);
        // Keeps the optimiser from dropping a write nobody reads.
        std::hint::black_box(self.as_slice());
    }

    fn bytes(&self) -> &[u8] {
        self
    }
}

impl<const N: usize> Sensitive for [u8; N] {
    fn wipe(&mut self) {
        self.fill(0);
        std::hint::black_box(self.as_slice());
    }

    fn bytes(&self) -> &[u8] {
        self
    }
}

/// A value that cannot be printed and is compared in constant time.
#[derive(Clone)]
pub struct Secret<T: Sensitive>(T);

impl<T: Sensitive> Secret<T> {
    /// Hides a value.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. Never pass it to anything that prints.
    pub fn expose(&self) -> &T {
        &self.0
    }

    /// Whether the secret equals these bytes; takes the same time wherever the first difference is.
    pub fn matches(&self, other: &[u8]) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(self.0.bytes(), other).is_ok()
    }
}

impl<T: Sensitive> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.wipe();
    }
}

impl<T: Sensitive> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl From<&str> for Secret<String> {
    fn from(value: &str) -> Self {
        Self(value.to_owned())
    }
}

impl<T: Sensitive> PartialEq for Secret<T> {
    fn eq(&self, other: &Self) -> bool {
        self.matches(other.0.bytes())
    }
}

impl<T: Sensitive> Eq for Secret<T> {}

impl<T: Sensitive> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl<T: Sensitive> fmt::Display for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl<T: Sensitive + Default> Default for Secret<T> {
    fn default() -> Self {
        Self(T::default())
    }
}

impl<'de, T: Sensitive + Deserialize<'de>> Deserialize<'de> for Secret<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printing_hides_and_comparing_works() {
        let secret = Secret::from("hunter2");
        assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "[secret] [secret] Some([secret])");
        assert!(secret.matches(b"hunter2"));
        assert!(!secret.matches(b"hunter"));
        assert_eq!(secret, Secret::from("hunter2"));
        assert_ne!(secret, Secret::from("hunter3"));
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn wiping_overwrites() {
        let mut bytes = [7u8; 4];
        bytes.wipe();
        assert_eq!(bytes, [0; 4]);
        let mut text = "abc".to_owned();
        text.wipe();
        assert!(text.is_empty());
    }
}
