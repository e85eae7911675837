//! Firmware. Where it is kept is not configured in this release, and the answers say so as clients know it.

use metal_model::v1::operation as op;

use super::{Call, Fault, Reply, Routes};

pub(super) fn routes(routes: &mut Routes) {
    routes.on(&op::LIST_FIRMWARES, refuse).on(&op::UPLOAD_FIRMWARE, refuse).on(&op::REMOVE_FIRMWARE, refuse);
}

/// What every operation on firmware answers.
pub(super) fn not_configured() -> Fault {
    Fault::new(500, "Internal this feature is currently disabled: no store of firmware is configured")
}

async fn refuse(_call: Call) -> Result<Reply, Fault> {
    Err(not_configured())
}
