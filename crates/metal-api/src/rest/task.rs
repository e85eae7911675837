//! Background tasks, as operators see them.

use metal_model::v1::operation as op;

use super::{Call, Fault, Reply, Routes};

pub(super) fn routes(routes: &mut Routes) {
    routes.on(&op::LIST_TASKS, list);
}

async fn list(call: Call) -> Result<Reply, Fault> {
    call.look(|snapshot| Ok(crate::reconcile::list(&call.app, snapshot))).await
}
