//! Connections to a cluster: one member at a time, the next one after a failure. A balancing channel would keep
//! sending a share of the requests to a dead member; this one leaves it at the first fault.
//!
//! Faults are sorted by the only thing that matters to a writer: has it certainly not happened, or may it have?

use std::fs;
use std::path::Path;
use std::time::Duration;

use etcd_client::{
    Certificate, Client, Compare, CompareOp, ConnectOptions, Error, GetOptions, Identity, TlsOptions, Txn,
    TxnOp, TxnOpResponse, TxnResponse,
};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

use super::Keys;
use super::head::Head;
use crate::config::{EtcdConfig, Options, TlsFiles};
use crate::error::OpenError;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// etcd hangs up on clients that ping more often than every five seconds.
const PING_EVERY: Duration = Duration::from_secs(6);
const PING_TIMEOUT: Duration = Duration::from_secs(2);

/// A request did not succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// No connection: it has certainly not happened.
    #[error("connect to {member}")]
    NotSent {
        member: String,
        #[source]
        source: Error,
    },
    /// etcd has refused it: it has certainly not happened and will not when repeated.
    #[error("etcd member {member} refused the request")]
    Refused {
        member: String,
        #[source]
        source: Error,
    },
    /// The answer was lost: it may have happened or still happen.
    #[error("no answer from etcd member {member}")]
    Lost {
        member: String,
        #[source]
        source: Error,
    },
    /// No answer in time: it may have happened or still happen.
    #[error("no answer from etcd member {member} within {} ms", waited.as_millis())]
    TimedOut { member: String, waited: Duration },
    /// The answer makes no sense.
    #[error("etcd holds something unexpected: {0}")]
    Unexpected(String),
}

/// The head key as read: value, its etcd revision, and the revision of the cluster at that moment.
#[derive(Debug, Clone)]
pub(crate) struct HeadRead {
    pub head: Head,
    pub modified: i64,
    pub cluster: i64,
}

pub(crate) struct Members {
    endpoints: Vec<String>,
    connect: ConnectOptions,
    pub request_timeout: Duration,
    pub deadline: Duration,
    current: Mutex<Current>,
}

/// A connection to one member.
pub(crate) struct Link {
    pub client: Client,
    /// For [`Members::leave`].
    pub generation: u64,
    pub member: String,
}

struct Current {
    index: usize,
    /// Grows with every change of member, so that one fault moves everybody on only once.
    generation: u64,
    client: Option<Client>,
}

impl Members {
    pub fn new(config: &EtcdConfig, options: &Options) -> Result<Self, OpenError> {
        if config.endpoints.is_empty() {
            return Err(OpenError::Config("no endpoints are given".to_owned()));
        }
        let mut connect = ConnectOptions::new()
            .with_connect_timeout(CONNECT_TIMEOUT)
            .with_keep_alive(PING_EVERY, PING_TIMEOUT)
            .with_keep_alive_while_idle(true)
            .with_require_leader(true);
        match (&config.user, &config.password) {
            (Some(user), Some(password)) => {
                connect = connect.with_user(user, password).with_auto_token_refresh(true);
            }
            (None, None) => {}
            _ => return Err(OpenError::Config("user and password belong together".to_owned())),
        }
        if let Some(tls) = &config.tls {
            connect = connect.with_tls(tls_options(tls)?);
        }
        Ok(Self {
            endpoints: config.endpoints.clone(),
            connect,
            request_timeout: options.request_timeout,
            deadline: options.deadline,
            current: Mutex::new(Current { index: 0, generation: 0, client: None }),
        })
    }

    pub fn endpoints(&self) -> String {
        self.endpoints.join(", ")
    }

    /// The connection in use, made when there is none.
    pub async fn link(&self) -> Result<Link, Fault> {
        let mut current = self.current.lock().await;
        let (member, generation) = (self.endpoints[current.index].clone(), current.generation);
        if let Some(client) = &current.client {
            return Ok(Link { client: client.clone(), generation, member });
        }
        let connecting = Client::connect([member.as_str()], Some(self.connect.clone()));
        let connected = timeout(self.request_timeout, connecting).await;
        let failed = match connected {
            Ok(Ok(client)) => {
                current.client = Some(client.clone());
                return Ok(Link { client, generation, member });
            }
            Ok(Err(source)) => source,
            Err(_) => Error::EndpointError("no answer in time".to_owned()),
        };
        current.index = (current.index + 1) % self.endpoints.len();
        current.generation += 1;
        Err(Fault::NotSent { member, source: failed })
    }

    /// Leaves the member that connection `generation` led to.
    pub async fn leave(&self, generation: u64) {
        let mut current = self.current.lock().await;
        if current.generation == generation {
            current.index = (current.index + 1) % self.endpoints.len();
            current.generation += 1;
            current.client = None;
        }
    }

    /// Sends one request.
    pub async fn request<T, F>(&self, send: impl FnOnce(Client) -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let Link { client, generation, member } = self.link().await?;
        let answer = timeout(self.request_timeout, send(client)).await;
        let fault = match answer {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(source)) if is_refusal(&source) => return Err(Fault::Refused { member, source }),
            Ok(Err(source)) => Fault::Lost { member, source },
            Err(_) => Fault::TimedOut { member, waited: self.request_timeout },
        };
        self.leave(generation).await;
        Err(fault)
    }

    /// Repeats something harmless until it succeeds, is refused, or the deadline has passed.
    pub async fn insist<T, F>(&self, mut attempt: impl FnMut() -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        let until = Instant::now() + self.deadline;
        let mut backoff = Backoff::default();
        loop {
            match attempt().await {
                Err(Fault::NotSent { .. } | Fault::Lost { .. } | Fault::TimedOut { .. })
                    if Instant::now() < until =>
                {
                    backoff.wait().await;
                }
                result => return result,
            }
        }
    }

    /// The newest head, linearizable. `None` when there is none.
    pub async fn read_head(&self, keys: &Keys) -> Result<Option<HeadRead>, Fault> {
        let key = keys.head();
        let answer = self.request(|mut client| async move { client.get(key, None).await }).await?;
        let cluster = answer.header().map_or(0, |header| header.revision());
        let Some(kv) = answer.kvs().first() else { return Ok(None) };
        let head = Head::parse(kv.value()).map_err(Fault::Unexpected)?;
        Ok(Some(HeadRead { head, modified: kv.mod_revision(), cluster }))
    }

    /// Writes `operations` and `head` if the head is still the one modified at `modified`: `Ok(Ok(revision))`
    /// of etcd; `Ok(Err(head))` when it is not.
    pub async fn write(
        &self,
        keys: &Keys,
        modified: i64,
        mut operations: Vec<TxnOp>,
        head: &Head,
    ) -> Result<Result<i64, Option<HeadRead>>, Fault> {
        operations.push(TxnOp::put(keys.head(), head.to_bytes(), None));
        let txn = Txn::new()
            .when([Compare::mod_revision(keys.head(), CompareOp::Equal, modified)])
            .and_then(operations)
            .or_else([TxnOp::get(keys.head(), None)]);
        let answer = self.request(|mut client| async move { client.txn(txn).await }).await?;
        let cluster = answer.header().map_or(0, |header| header.revision());
        if answer.succeeded() {
            return Ok(Ok(cluster));
        }
        other_head(&answer, cluster).map(Err)
    }

    /// Values at `key`, or a range of them.
    pub async fn get(&self, key: String, options: GetOptions) -> Result<etcd_client::GetResponse, Fault> {
        let send = |client: Client| async move {
            let mut kv = client.kv_client().max_decoding_message_size(usize::MAX);
            kv.get(key, Some(options)).await
        };
        self.request(send).await
    }

    /// One transaction of other keys than the head.
    pub async fn txn(&self, txn: Txn) -> Result<TxnResponse, Fault> {
        self.request(|mut client| async move { client.txn(txn).await }).await
    }
}

fn other_head(answer: &TxnResponse, cluster: i64) -> Result<Option<HeadRead>, Fault> {
    let responses = answer.op_responses();
    let Some(TxnOpResponse::Get(got)) = responses.first() else { return Ok(None) };
    let Some(kv) = got.kvs().first() else { return Ok(None) };
    let head = Head::parse(kv.value()).map_err(Fault::Unexpected)?;
    Ok(Some(HeadRead { head, modified: kv.mod_revision(), cluster }))
}

/// Whether the error says that the request was not carried out.
fn is_refusal(error: &Error) -> bool {
    let Error::GRpcStatus(status) = error else {
        return matches!(
            error,
            Error::InvalidArgs(_) | Error::InvalidUri(_) | Error::InvalidMetadataValue(_)
        );
    };
    // A token older than the last change of users: a new connection gets a new one.
    if status.message().contains("auth store is old") {
        return false;
    }
    // gRPC codes: invalid argument, not found, already exists, permission denied, resource exhausted (space,
    // or too many requests), failed precondition, out of range, unimplemented, unauthenticated.
    matches!(status.code() as i32, 3 | 5 | 6 | 7 | 8 | 9 | 11 | 12 | 16)
}

/// Waits between attempts: at random, and longer each time up to a fifth of a second.
#[derive(Default)]
pub(crate) struct Backoff {
    attempts: u32,
}

impl Backoff {
    pub async fn wait(&mut self) {
        let at_most = Duration::from_millis(200.min(5 << self.attempts.min(6)));
        self.attempts += 1;
        sleep(jitter(at_most)).await;
    }
}

/// A random part of `at_most`, so that replicas do not march in step.
pub(crate) fn jitter(at_most: Duration) -> Duration {
    let (random, _) = uuid::Uuid::new_v4().as_u64_pair();
    let micros = u64::try_from(at_most.as_micros()).unwrap_or(u64::MAX).max(1);
    Duration::from_micros(random % micros)
}

fn tls_options(files: &TlsFiles) -> Result<TlsOptions, OpenError> {
    let read = |path: &Path| fs::read(path).map_err(|source| OpenError::Io { path: path.to_owned(), source });
    let mut tls = TlsOptions::new();
    if let Some(ca) = &files.ca {
        tls = tls.ca_certificate(Certificate::from_pem(read(ca)?));
    }
    if let Some(name) = &files.server_name {
        tls = tls.domain_name(name);
    }
    match (&files.cert, &files.key) {
        (Some(cert), Some(key)) => tls = tls.identity(Identity::from_pem(read(cert)?, read(key)?)),
        (None, None) => {}
        _ => return Err(OpenError::Config("client certificate and key belong together".to_owned())),
    }
    Ok(tls)
}
