//! What a server needs to know before it starts, in rich types. [`Config::default`] is what tests start from; the
//! command line builds it in [`args`], where everything an operator can get wrong is told at once.

pub mod args;
pub mod keys;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use metal_runtime::Secret;
use metal_runtime::tls::KeyPair;
use metal_store::EngineConfig;

/// Configuration of a server.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where documents are kept.
    pub engine: EngineConfig,
    /// Directory of this replica's own files: keys, audit log. None in tests and where etcd keeps the documents.
    pub data_dir: Option<PathBuf>,
    /// Where to listen.
    pub listen: Listen,
    /// Prefix of all paths of the public API; begins and ends with a slash.
    pub base_path: String,
    /// The tenant whose users may use this installation.
    pub provider_tenant: String,
    /// Keys of the three technical users.
    pub hmac: Hmac,
    /// Login by tokens of Dex.
    pub dex: Option<Dex>,
    /// How long what an issuer told about itself is believed.
    pub issuer_cache_interval: Duration,
    /// Least number of characters of the reason for seeing a console password.
    pub password_reason_min_length: usize,
    /// Password of the BMCs' `root`, where the feature is used.
    pub bmc_superuser_password: Option<Secret<String>>,
    /// Oldest client that works; a semantic version.
    pub minimum_client_version: String,
    /// Version of the release this server belongs to.
    pub release_version: Option<String>,
    /// Whether URLs of images and kernels are asked for before they are stored.
    pub check_urls: bool,
    /// Certificates trusted for issuers and image servers beside the system's, PEM.
    pub trusted_ca: Option<String>,
    /// The audit log; none switches it off.
    pub audit: Option<Audit>,
    /// What one client may ask of the server.
    pub limits: Limits,
    /// How the background tasks run.
    pub reconcile: crate::reconcile::Settings,
    /// How long requests may go on after the server was told to end.
    pub drain: Duration,
}

/// Addresses and certificates.
#[derive(Debug, Clone)]
pub struct Listen {
    /// Address of the public API and the agents' API.
    pub address: IpAddr,
    /// Port of the public API; 0 lets the system choose.
    pub port: u16,
    /// Port of the agents' API; 0 lets the system choose.
    pub grpc_port: u16,
    /// Names and addresses by which agents reach this server, for its certificate.
    pub grpc_names: Vec<String>,
    /// Where metrics are served; none switches them off.
    pub metrics: Option<SocketAddr>,
    /// Certificate of the public API; none serves plain HTTP.
    pub tls: Option<KeyPair>,
}

/// A key and how long what is signed with it is valid.
#[derive(Debug, Clone)]
pub struct HmacKey {
    /// The key.
    pub key: Secret<String>,
    /// Greatest age of a signature; zero means any.
    pub lifetime: Duration,
}

/// Keys of the three technical users.
#[derive(Debug, Clone)]
pub struct Hmac {
    /// May read.
    pub view: HmacKey,
    /// May allocate and release.
    pub edit: HmacKey,
    /// May do everything.
    pub admin: HmacKey,
}

/// Login by tokens of Dex.
#[derive(Debug, Clone)]
pub struct Dex {
    /// Its URL, which is also the issuer of its tokens.
    pub address: String,
    /// The audience its tokens must have.
    pub client_id: String,
}

/// The audit log.
#[derive(Debug, Clone)]
pub struct Audit {
    /// Directory of the segments; none keeps nothing on disk and is for tests of other things.
    pub dir: PathBuf,
    /// Bytes of all segments together.
    pub max_bytes: u64,
}

/// Bounds on what clients may do.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Largest request body.
    pub body_bytes: usize,
    /// Longest time to read a request and to answer it.
    pub request_timeout: Duration,
    /// Longest time to send the head of a request.
    pub header_timeout: Duration,
    /// Connections at a time.
    pub connections: usize,
    /// Requests per second of one identity; zero is no limit.
    pub rate: u32,
    /// Requests an identity may do at once after a pause.
    pub burst: u32,
    /// Streams of changes at a time.
    pub streams: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 4 << 20,
            request_timeout: Duration::from_secs(60),
            header_timeout: Duration::from_secs(15),
            connections: 10_000,
            rate: 10_000,
            burst: 20_000,
            streams: 1_000,
        }
    }
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            grpc_port: 0,
            grpc_names: Vec::new(),
            metrics: None,
            tls: None,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        let key =
            |seconds| HmacKey { key: Secret::new(keys::generate()), lifetime: Duration::from_secs(seconds) };
        Self {
            engine: EngineConfig::Memory,
            data_dir: None,
            listen: Listen::default(),
            base_path: "/".to_owned(),
            provider_tenant: "metal-stack".to_owned(),
            hmac: Hmac { view: key(30), edit: key(30), admin: key(90) },
            dex: None,
            issuer_cache_interval: Duration::from_secs(1800),
            password_reason_min_length: 0,
            bmc_superuser_password: None,
            minimum_client_version: "v0.0.1".to_owned(),
            release_version: None,
            check_urls: false,
            trusted_ca: None,
            audit: None,
            limits: Limits::default(),
            reconcile: crate::reconcile::Settings::default(),
            drain: Duration::from_secs(20),
        }
    }
}
