//! Keys for the management VPN, which is not configured in this release; the answer says so as clients know it.

use metal_model::v1::VpnRequest;
use metal_model::v1::operation as op;

use super::{Call, Fault, Reply, Routes};

pub(super) fn routes(routes: &mut Routes) {
    routes.on(&op::GET_VPN_AUTH_KEY, auth_key);
}

async fn auth_key(call: Call) -> Result<Reply, Fault> {
    let _: VpnRequest = call.read()?;
    Err(Fault::new(500, "Internal this feature is currently disabled: no VPN is configured"))
}
