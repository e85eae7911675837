//! The authority of this control plane: one key in the store, shared by all replicas, from which every server and
//! agent has its certificate; and the one-time tokens with which agents come by their first one.
//!
//! A token is random, given out once, and stored only as its hash. Redeeming marks it used in a transaction, so of
//! two agents with the same token one gets a certificate and the other is told that the token is not valid.

mod command;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use metal_model::agent::{self, JoinToken};
use metal_model::v1;
use metal_plan::{Caller, Env, Tx};
use metal_runtime::pki::{Authority, Identity, PkiError};
use metal_store::TransactError;

use crate::app::App;

pub use command::{PkiArgs, run, run_remote};

/// Id of the authority's document.
const AUTHORITY: &str = "agents";

/// The authority outlives every machine it will ever know.
const AUTHORITY_VALIDITY: SignedDuration = SignedDuration::from_hours(24 * 365 * 20);

/// Partitions and switches renew when a third is left.
const AGENT_VALIDITY: SignedDuration = SignedDuration::from_hours(24 * 90);

/// A machine reboots after a day of waiting and gets another.
const MACHINE_VALIDITY: SignedDuration = SignedDuration::from_hours(48);

/// Validity of a token unless asked otherwise.
pub const TOKEN_VALIDITY: SignedDuration = SignedDuration::from_hours(1);

/// No token is valid for longer.
pub const LONGEST_TOKEN_VALIDITY: SignedDuration = SignedDuration::from_hours(24 * 7);

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The token is unknown, used or too old; which of them is nobody's business.
    #[error("the token is not valid")]
    Token,
    /// The token is somebody else's.
    #[error("the token is for {token}, not for {believed}")]
    OtherIdentity {
        /// Whom it is for.
        token: String,
        /// Whom the agent believes to be.
        believed: String,
    },
    /// The signing request is malformed.
    #[error("sign the request")]
    Request(#[source] PkiError),
    /// The authority cannot be used.
    #[error("use the authority")]
    Authority(#[source] PkiError),
    /// The store did not take it.
    #[error("store what was issued")]
    Store(#[source] TransactError<metal_plan::Error>),
}

/// A certificate.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The certificate.
    pub certificate_pem: String,
    /// The authority to trust.
    pub ca_pem: String,
    /// When it ends.
    pub expires: Timestamp,
    /// Whom it is for.
    pub identity: Identity,
}

/// The authority, made on first use by whichever replica is first.
pub async fn authority(app: &App) -> Result<Arc<Authority>, Error> {
    app.agents.authority.get_or_try_init(|| load(app)).await.cloned()
}

async fn load(app: &App) -> Result<Arc<Authority>, Error> {
    let known = app.store.snapshot().state.authorities.get(AUTHORITY).cloned();
    let stored = match known {
        Some(known) => known,
        None => create(app).await?,
    };
    let key = metal_runtime::Secret::new(stored.key.clone());
    Authority::from_pem(&stored.certificate, &key).map(Arc::new).map_err(Error::Authority)
}

async fn create(app: &App) -> Result<Arc<agent::Authority>, Error> {
    let fresh = Authority::generate("metal-stack agents", AUTHORITY_VALIDITY, app.clock.now())
        .map_err(Error::Authority)?;
    let document = agent::Authority {
        id: AUTHORITY.to_owned(),
        certificate: fresh.certificate_pem().to_owned(),
        key: fresh.key_pem().expose().clone(),
    };
    let decide = move |tx: &mut Tx, _: &mut Env| match tx.state().authorities.get(AUTHORITY).cloned() {
        Some(faster) => Ok(faster),
        None => tx.create(document.clone()),
    };
    let committed = app.transact("create the authority", &app.system_caller(), decide).await;
    committed.map(|committed| committed.value).map_err(Error::Store)
}

/// Signs a request for an identity the caller has established.
pub async fn sign(app: &App, csr_pem: &str, identity: &Identity) -> Result<Issued, Error> {
    let authority = authority(app).await?;
    let validity = match identity {
        Identity::Machine { .. } => MACHINE_VALIDITY,
        Identity::Server(_) | Identity::Partition(_) | Identity::Switch { .. } => AGENT_VALIDITY,
    };
    let signed = authority.sign(csr_pem, identity, validity, app.clock.now()).map_err(Error::Request)?;
    Ok(Issued {
        certificate_pem: signed.certificate_pem,
        ca_pem: authority.certificate_pem().to_owned(),
        expires: signed.expires,
        identity: identity.clone(),
    })
}

/// Gives out a token for a partition or a switch.
pub async fn give_token(
    app: &App,
    caller: &Caller,
    request: &v1::PkiTokenRequest,
) -> Result<v1::PkiTokenResponse, Error> {
    let text: String =
        metal_runtime::clock::random::<32>().iter().map(|byte| format!("{byte:02x}")).collect();
    let (hash, request) = (hash(&text), request.clone());
    let decide = move |tx: &mut Tx, env: &mut Env| decide_token(tx, env, &hash, &request);
    let token = app.transact("give a join token", caller, decide).await.map_err(Error::Store)?.value;
    // Only now: a request that is refused must not make an authority.
    let authority = authority(app).await?;
    Ok(v1::PkiTokenResponse {
        token: text,
        identity: token.identity.clone(),
        expires: token.expires.into(),
        ca: authority.certificate_pem().to_owned(),
    })
}

fn decide_token(
    tx: &mut Tx,
    env: &Env,
    hash: &str,
    request: &v1::PkiTokenRequest,
) -> Result<Arc<JoinToken>, metal_plan::Error> {
    let refuse = |why: &str| Err(metal_plan::Error::invalid("identity", why));
    let Ok(identity) = request.identity.parse::<Identity>() else {
        return refuse("expected metal://partition/<id> or metal://switch/<partition>/<id>");
    };
    let partition = match &identity {
        Identity::Partition(partition) | Identity::Switch { partition, .. } => partition,
        Identity::Machine { .. } => return refuse("machines get their certificates from their partition"),
        Identity::Server(_) => return refuse("servers issue their own certificates"),
    };
    tx.state().find::<metal_model::partition::Partition>(partition)?;
    let asked = request.ttl_seconds.map_or(TOKEN_VALIDITY, SignedDuration::from_secs);
    if asked < SignedDuration::from_secs(1) || asked > LONGEST_TOKEN_VALIDITY {
        let longest = LONGEST_TOKEN_VALIDITY.as_secs();
        return Err(metal_plan::Error::invalid("ttl_seconds", format!("must be between 1 and {longest}")));
    }
    tx.create(JoinToken {
        hash: hash.to_owned(),
        identity: identity.to_string(),
        created: env.now,
        expires: env.now.saturating_add(asked).unwrap_or(Timestamp::MAX),
        used: None,
    })
}

/// Trades a token for a certificate. The request is signed before the token is spent, so that a malformed one costs
/// nothing.
pub async fn redeem(app: &App, token: &str, csr_pem: &str, believed: &str) -> Result<Issued, Error> {
    let hash = hash(token);
    let snapshot = app.store.fresh().await.map_err(|_| Error::Store(TransactError::Closed))?;
    let known = snapshot.state.join_tokens.get(&hash).ok_or(Error::Token)?;
    if !is_redeemable(known, app.clock.now()) {
        return Err(Error::Token);
    }
    let identity: Identity = known.identity.parse().map_err(|_| Error::Token)?;
    if !believed.is_empty() && believed.parse().as_ref() != Ok(&identity) {
        return Err(Error::OtherIdentity { token: known.identity.clone(), believed: believed.to_owned() });
    }
    let issued = sign(app, csr_pem, &identity).await?;
    let decide = move |tx: &mut Tx, env: &mut Env| {
        let Some(token) = tx.state().join_tokens.get(&hash).filter(|token| is_redeemable(token, env.now))
        else {
            return Ok(false);
        };
        let spent = JoinToken { used: Some(env.now), ..JoinToken::clone(token) };
        tx.put(spent);
        Ok(true)
    };
    let spent =
        app.transact("redeem a join token", &app.system_caller(), decide).await.map_err(Error::Store)?;
    if spent.value { Ok(issued) } else { Err(Error::Token) }
}

fn is_redeemable(token: &JoinToken, now: Timestamp) -> bool {
    token.used.is_none() && now < token.expires
}

fn hash(token: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.trim().as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What was forgotten.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Join tokens.
    pub tokens: usize,
    /// Boots of machines.
    pub boots: usize,
}

/// Documents of one transaction.
const FORGOTTEN_AT_ONCE: usize = 100;

/// Forgets tokens that were used or have expired, a day later, and boots whose certificates have all ended.
pub fn forget(tx: &mut Tx, env: &Env) -> Forgotten {
    let is_over = |since: Timestamp, patience| env.now.duration_since(since) > patience;
    let a_day = SignedDuration::from_hours(24);
    let tokens: Vec<String> = tx
        .state()
        .join_tokens
        .iter()
        .filter(|token| is_over(token.used.unwrap_or(token.expires), a_day))
        .map(|token| token.hash.clone())
        .take(FORGOTTEN_AT_ONCE)
        .collect();
    // A machine may renew the certificate of a long boot, so the boot of a machine that exists stays.
    let is_gone = |machine: &str| !tx.state().machines.contains(machine);
    let boots: Vec<String> = tx
        .state()
        .machine_boots
        .iter()
        .filter(|boot| is_gone(boot.machine.as_str()) && is_over(boot.issued, MACHINE_VALIDITY))
        .map(|boot| boot.machine.as_str().to_owned())
        .take(FORGOTTEN_AT_ONCE - tokens.len())
        .collect();
    for hash in &tokens {
        tx.delete::<JoinToken>(hash);
    }
    for machine in &boots {
        tx.delete::<agent::MachineBoot>(machine);
    }
    Forgotten { tokens: tokens.len(), boots: boots.len() }
}
