//! Certificates of agents: the authority, and tokens with which agents join.

use metal_model::v1;
use metal_model::v1::operation as op;

use super::{Call, Fault, Reply, Routes};
use crate::pki;

pub(super) fn routes(routes: &mut Routes) {
    routes.on(&op::GET_PKI_CA, authority).on(&op::CREATE_PKI_TOKEN, token);
}

async fn authority(call: Call) -> Result<Reply, Fault> {
    let authority = pki::authority(&call.app).await?;
    let (certificate, expires) = (authority.certificate_pem().to_owned(), authority.expires().into());
    Ok(call.answer(&v1::PkiCaResponse { certificate, expires }))
}

async fn token(call: Call) -> Result<Reply, Fault> {
    let request: v1::PkiTokenRequest = call.read()?;
    let token = pki::give_token(&call.app, &call.user.caller, &request).await?;
    Ok(call.answer(&token))
}

impl From<pki::Error> for Fault {
    fn from(error: pki::Error) -> Self {
        match error {
            pki::Error::Store(error) => error.into(),
            pki::Error::Token
            | pki::Error::OtherIdentity { .. }
            | pki::Error::Request(_)
            | pki::Error::Authority(_) => {
                tracing::error!(error = metal_runtime::chain(&error), "the authority cannot be used");
                Self::new(500, "Internal the authority cannot be used")
            }
        }
    }
}
