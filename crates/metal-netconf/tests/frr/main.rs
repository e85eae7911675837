//! FRR's configuration, seen from outside: golden files, FRR's own opinion of them, and plans between any two.

#![expect(clippy::unwrap_used, reason = "tests say what they expect, and fail where it is not so")]

mod fixture;
mod golden;
mod planning;
