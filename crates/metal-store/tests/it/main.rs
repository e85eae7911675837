//! The store's suite: one set of tests for both engines, and the faults of each. Real files, real etcd, real
//! kills. `METAL_SOAK=<n>` multiplies the repetitions.

#![expect(clippy::unwrap_used, reason = "what a test cannot unwrap has failed the test")]

mod chaos;
mod cluster;
mod conformance;
mod crash;
mod etcd;
mod faults;
mod feed;
mod history;
mod measure;
mod registers;
mod secure;
mod serialisable;
mod server;
mod target;
mod transfer;
