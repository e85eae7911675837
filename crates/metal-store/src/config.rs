//! Where a store lives and how much it may hold in flight. The limits are configuration because the tests
//! need small ones, not because an operator should turn them.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Where the documents are kept.
#[derive(Debug, Clone)]
pub enum EngineConfig {
    /// A redb file in a directory of its own. The directory is created when missing.
    Embedded {
        /// Directory holding `store.redb` and `store.lock`.
        dir: PathBuf,
    },
    /// Memory only, same engine as `Embedded`: for tests.
    Memory,
    /// An etcd cluster shared by several replicas.
    Etcd(EtcdConfig),
}

/// How to reach an etcd cluster.
#[derive(Clone, Default)]
pub struct EtcdConfig {
    /// `http://host:port` or `https://host:port`, one for each member.
    pub endpoints: Vec<String>,
    /// Key prefix that belongs to this store alone; `metal` when empty.
    pub prefix: String,
    /// Certificates; needed for `https` endpoints.
    pub tls: Option<TlsFiles>,
    /// User name, when authentication is on.
    pub user: Option<String>,
    /// Password of `user`.
    pub password: Option<String>,
}

impl fmt::Debug for EtcdConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EtcdConfig")
            .field("endpoints", &self.endpoints)
            .field("prefix", &self.prefix)
            .field("tls", &self.tls)
            .field("user", &self.user)
            .field("password", &self.password.as_ref().map(|_| "***"))
            .finish()
    }
}

/// PEM files for connections to etcd.
#[derive(Debug, Clone, Default)]
pub struct TlsFiles {
    /// Certificates of the authority that signed the members' certificates.
    pub ca: Option<PathBuf>,
    /// Client certificate.
    pub cert: Option<PathBuf>,
    /// Private key of `cert`.
    pub key: Option<PathBuf>,
    /// Name expected in the members' certificates, where it is not the host of the endpoint.
    pub server_name: Option<String>,
}

/// Bounds of a running store.
#[derive(Debug, Clone)]
pub struct Options {
    /// Transactions accepted and not yet answered; more wait at the door.
    pub queue: usize,
    /// Commits kept for watchers that resume.
    pub feed_commits: usize,
    /// Approximate bytes of documents kept for watchers that resume.
    pub feed_bytes: usize,
    /// How long one request to etcd may take before it counts as lost.
    pub request_timeout: Duration,
    /// How long a transaction or a fresh read keeps trying when etcd cannot be reached or others always win.
    pub deadline: Duration,
    /// Age after which etcd's history is compacted; `None` leaves that to the operator.
    pub compact_after: Option<Duration>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            queue: 8192,
            feed_commits: 65_536,
            feed_bytes: 64 << 20,
            request_timeout: Duration::from_secs(2),
            deadline: Duration::from_secs(15),
            compact_after: Some(Duration::from_secs(300)),
        }
    }
}

/// What fits into one group and one transaction; a property of the engine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Keys written by one group.
    pub group_operations: usize,
    /// Bytes written by one group, keys and overhead included.
    pub group_bytes: usize,
    /// Transactions in one group.
    pub group_transactions: usize,
    /// Keys written by one transaction.
    pub operations: usize,
    /// Bytes written by one transaction, keys and overhead included.
    pub bytes: usize,
}

impl Limits {
    /// redb has no limits worth the name; these bound memory and the time of one fsync.
    pub const EMBEDDED: Self = Self {
        group_operations: 8192,
        group_bytes: 16 << 20,
        group_transactions: 2048,
        operations: 1 << 20,
        bytes: 256 << 20,
    };

    /// etcd refuses more than 128 operations a transaction (one of them is the head key) and requests of more
    /// than 1.5 MiB; the margin is for the head's value and the encoding.
    pub const ETCD: Self = Self {
        group_operations: 127,
        group_bytes: 1_400_000,
        group_transactions: 2048,
        operations: 127,
        bytes: 1_400_000,
    };
}

/// What an operation costs beside its key and value, for [`Limits`].
pub(crate) const OPERATION_OVERHEAD: usize = 48;
