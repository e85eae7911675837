//! The real FRR, in a namespace of its own: what this crate writes is what FRR prints, and what it plans works.
//!
//! Needs root, and FRR 10 or later in a root file system (`METAL_FRR_ROOT`, otherwise `target/lab/rootfs`).

#![expect(clippy::unwrap_used, reason = "tests say what they expect, and fail where it is not so")]

mod disagreement;
#[path = "../../../metal-netconf/tests/frr/fixture.rs"]
mod fixture;
mod node;
mod refusal;
mod round_trip;
