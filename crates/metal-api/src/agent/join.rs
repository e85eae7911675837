//! How agents get and keep their certificates. Joining is the one thing that needs no certificate: a one-time token
//! says who the agent is.

use std::sync::Arc;

use metal_proto::v1 as proto;
use metal_proto::v1::join_service_server::JoinService;
use metal_runtime::pki::Identity;
use tonic::{Request, Response, Status};

use super::{identity, refusal};
use crate::app::App;
use crate::pki;

/// The service.
#[derive(Debug)]
pub struct Join {
    /// Everything else.
    pub app: Arc<App>,
}

#[tonic::async_trait]
impl JoinService for Join {
    async fn join(
        &self,
        request: Request<proto::JoinRequest>,
    ) -> Result<Response<proto::CertificateResponse>, Status> {
        let proto::JoinRequest { token, csr_pem, identity: believed } = request.into_inner();
        let redeemed = pki::redeem(&self.app, &token, &csr_pem, &believed).await.map_err(status)?;
        tracing::info!(identity = %redeemed.identity, "agent joined");
        Ok(Response::new(answer(redeemed)))
    }

    async fn renew(
        &self,
        request: Request<proto::RenewRequest>,
    ) -> Result<Response<proto::CertificateResponse>, Status> {
        let caller = identity::caller(&request)?;
        identity::check(&self.app, |snapshot| identity::renewable(snapshot, &caller)).await?;
        let csr = request.into_inner().csr_pem;
        let renewed = pki::sign(&self.app, &csr, &caller).await.map_err(status)?;
        Ok(Response::new(answer(renewed)))
    }
}

fn answer(issued: pki::Issued) -> proto::CertificateResponse {
    proto::CertificateResponse {
        certificate_pem: issued.certificate_pem,
        ca_pem: issued.ca_pem,
        expires: issued.expires.as_second(),
        identity: Identity::to_string(&issued.identity),
    }
}

/// How failures of the authority reach agents.
pub fn status(error: pki::Error) -> Status {
    match error {
        pki::Error::Token => Status::unauthenticated(error.to_string()),
        pki::Error::OtherIdentity { .. } => Status::permission_denied(error.to_string()),
        pki::Error::Request(_) => Status::invalid_argument(metal_runtime::chain(&error)),
        pki::Error::Authority(_) => refusal::internal(&error),
        pki::Error::Store(error) => refusal::transact(error),
    }
}
