//! Networks, addresses, projects and tenants through their decisions: each rule with its class and field, and
//! random sequences of decisions after which nothing may be owned twice or leaked.

#![expect(clippy::unwrap_used, reason = "what is not as expected fails the test")]

mod address;
mod child;
mod create;
mod invariant;
mod owner;
mod property;
mod search;
mod update;
mod wild;
mod world;
