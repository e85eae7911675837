//! Who is asking.

use metal_model::v1::User;
use metal_model::v1::operation as op;

use super::{Call, Fault, Reply, Routes};

pub(super) fn routes(routes: &mut Routes) {
    routes.on(&op::GET_ME, me);
}

async fn me(call: Call) -> Result<Reply, Fault> {
    let user = &call.user;
    Ok(call.answer(&User {
        email: user.caller.email.clone(),
        name: user.caller.name.clone(),
        groups: user.groups.clone(),
        tenant: user.caller.tenant.clone(),
        ..User::default()
    }))
}
