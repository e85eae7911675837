//! Rules of sizes.
