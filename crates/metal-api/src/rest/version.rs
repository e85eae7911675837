//! Which version is running.

use metal_model::v1::Version;
use metal_model::v1::operation as op;

use super::{Call, Fault, Reply, Routes};

pub(super) fn routes(routes: &mut Routes) {
    routes.on(&op::INFO, info);
}

async fn info(call: Call) -> Result<Reply, Fault> {
    let told = |value: Option<&str>| value.unwrap_or("unknown").to_owned();
    Ok(call.answer(&Version {
        name: "metal-api".to_owned(),
        version: format!("v{}", env!("CARGO_PKG_VERSION")),
        builddate: told(option_env!("METAL_BUILD_DATE")),
        revision: told(option_env!("METAL_BUILD_REVISION")),
        gitsha1: told(option_env!("METAL_BUILD_SHA")),
        min_client_version: call.app.config.minimum_client_version.clone(),
        release_version: call.app.config.release_version.clone(),
    }))
}
