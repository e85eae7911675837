//! Whether the server and what it needs work. The parts keep the names that existing monitoring knows; here all of
//! them are the one store.

use std::collections::BTreeMap;

use metal_model::v1::HealthResponse;
use metal_model::v1::operation as op;

use super::{Call, Fault, Reply, Routes};

/// Parts as monitoring knows them.
const SERVICES: [&str; 3] = ["ipam", "masterdata-api", "rethinkdb"];

pub(super) fn routes(routes: &mut Routes) {
    routes.on(&op::HEALTH, health);
}

async fn health(call: Call) -> Result<Reply, Fault> {
    let fault = match call.app.not_ready() {
        Some(why) => Some(why),
        None => call.app.fresh().await.err().map(|error| metal_runtime::chain(&error)),
    };
    let (status, message) = match &fault {
        None => ("healthy", "OK"),
        Some(why) => ("unhealthy", why.as_str()),
    };
    let part = |services| HealthResponse { status: status.to_owned(), message: message.to_owned(), services };
    let wanted = call.text("service").filter(|name| !name.is_empty());
    let names = SERVICES.iter().filter(|name| wanted.is_none_or(|wanted| wanted == **name));
    let services = names.map(|name| ((*name).to_owned(), part(BTreeMap::new()))).collect();
    Ok(Reply::json(if fault.is_none() { 200 } else { 500 }, &part(services)))
}
