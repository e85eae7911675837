//! Networks, addresses, projects and tenants through their decisions: each rule with its class and field, and
//! random sequences of decisions after which nothing may be owned twice or leaked.

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
