//! The public API: one file per resource, each handler a request turned into a decision and an answer.
//!
//! Everything that is the same for all operations stands in `pipeline` and is driven by the table of operations in
//! the model: paths, roles, audit, bodies, status codes. A handler decides nothing.

mod audit;
mod call;
mod fault;
mod filesystem_layout;
mod firewall;
mod firmware;
mod health;
mod image;
mod ip;
mod machine;
mod negotiate;
mod network;
mod partition;
mod pipeline;
mod pki;
mod project;
mod reply;
mod route;
mod size;
mod size_image_constraint;
mod size_reservation;
mod switch;
mod task;
mod tenant;
mod trace;
mod user;
mod version;
mod vpn;

use std::sync::Arc;

use bytes::Bytes;

use crate::app::App;

pub use call::Call;
pub use fault::Fault;
pub use reply::{Body, EVENTS, Reply};
pub use route::{RouteError, Router, Routes};

/// The public API.
pub struct Rest {
    app: Arc<App>,
    router: Router,
    /// Prefix of all paths, ending with a slash.
    base: String,
    openapi: Bytes,
}

impl Rest {
    /// Fails when an operation of the table has no handler, or two.
    pub fn new(app: Arc<App>) -> Result<Arc<Self>, RouteError> {
        let router = routes().build(&app.metrics)?;
        let base = app.config.base_path.clone();
        let openapi = crate::openapi::document(&base);
        let openapi = serde_json::to_vec(&openapi).expect("a JSON value always serialises").into();
        Ok(Arc::new(Self { app, router, base, openapi }))
    }
}

/// All handlers.
fn routes() -> Routes {
    let mut routes = Routes::default();
    for resource in [
        audit::routes,
        filesystem_layout::routes,
        firewall::routes,
        firmware::routes,
        health::routes,
        image::routes,
        ip::routes,
        machine::routes,
        network::routes,
        partition::routes,
        pki::routes,
        project::routes,
        size::routes,
        size_image_constraint::routes,
        size_reservation::routes,
        switch::routes,
        task::routes,
        tenant::routes,
        user::routes,
        version::routes,
        vpn::routes,
        crate::watch::routes,
    ] {
        resource(&mut routes);
    }
    routes
}
