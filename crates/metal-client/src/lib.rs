//! Client of the public API: one function per operation, driven by the same table of operations as the server.
//!
//! A [`Client`] is cheap to clone and keeps connections open. It never retries on its own: whether a request may be
//! repeated is for the caller to know. Every error tells what was asked of which URL, and [`Error::hint`] what to do.

mod auth;
mod client;
mod error;
mod request;
mod resource;
mod watch;

pub use auth::{Auth, HmacKind, sign};
pub use client::{Builder, Client};
pub use error::{ApiError, Error};
pub use request::Request;
pub use resource::*;
pub use watch::Watch;
