//! Searching the audit log.

use metal_model::v1::operation as op;

use super::{Call, Fault, Reply, Routes};

pub(super) fn routes(routes: &mut Routes) {
    routes.on(&op::FIND_AUDIT_TRACES, find);
}

async fn find(call: Call) -> Result<Reply, Fault> {
    let query = call.read()?;
    let Some(audit) = &call.app.audit else {
        return Err(Fault::new(500, "Internal this feature is currently disabled: no audit log is kept"));
    };
    let found = audit.search(query).await.map_err(|error| {
        tracing::error!(error = metal_runtime::chain(&error), "audit log not searched");
        Fault::new(500, "Internal the audit log cannot be searched")
    })?;
    Ok(call.answer(&found))
}
