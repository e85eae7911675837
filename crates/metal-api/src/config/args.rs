//! The command line of the server: flags, their environment variables, and how they become a [`Config`].
//!
//! Names are those that existing installations use. Everything that is wrong is told at once, and what would be
//! unsafe is refused rather than warned about.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use jiff::SignedDuration;
use metal_runtime::tls::KeyPair;
use metal_runtime::{Secret, chain, log};
use metal_store::{EngineConfig, EtcdConfig, TlsFiles};

use super::{Audit, Config, Dex, Hmac, HmacKey, Limits, Listen, keys};

/// A key that stands in examples everywhere.
const EXAMPLE_KEY: &str = "must-be-changed";

/// What is wrong with the command line; one line each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the configuration cannot be used:{}", .0.iter().fold(String::new(), |text, fault| text + "\n  " + fault))]
pub struct ArgsError(pub Vec<String>);

/// Where documents are kept.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Store")]
pub struct StoreArgs {
    /// Directory of the embedded store, of generated keys and of the audit log
    #[arg(long, env = "METAL_API_DATA_DIR", value_name = "DIR", global = true)]
    pub data_dir: Option<PathBuf>,
    /// Members of an etcd cluster, instead of the embedded store
    #[arg(long, env = "METAL_API_ETCD_ENDPOINTS", value_delimiter = ',', value_name = "URL,...")]
    pub etcd_endpoints: Vec<String>,
    /// Key prefix that belongs to this installation alone
    #[arg(long, env = "METAL_API_ETCD_PREFIX", default_value = "metal", value_name = "PREFIX")]
    pub etcd_prefix: String,
    /// Authority that signed the members' certificates, PEM
    #[arg(long, env = "METAL_API_ETCD_CA_FILE", value_name = "FILE")]
    pub etcd_ca_file: Option<PathBuf>,
    /// Client certificate for etcd, PEM
    #[arg(long, env = "METAL_API_ETCD_CERT_FILE", value_name = "FILE")]
    pub etcd_cert_file: Option<PathBuf>,
    /// Private key of the client certificate, PEM
    #[arg(long, env = "METAL_API_ETCD_KEY_FILE", value_name = "FILE")]
    pub etcd_key_file: Option<PathBuf>,
    /// User name for etcd
    #[arg(long, env = "METAL_API_ETCD_USER", value_name = "NAME")]
    pub etcd_user: Option<String>,
    /// Password for etcd; better given by the environment
    #[arg(long, env = "METAL_API_ETCD_PASSWORD", hide_env_values = true, value_name = "PASSWORD")]
    pub etcd_password: Option<String>,
}

impl StoreArgs {
    /// The engine, or what is wrong.
    pub fn engine(&self) -> Result<EngineConfig, ArgsError> {
        let given = |file: &Option<PathBuf>| file.is_some();
        match (&self.data_dir, self.etcd_endpoints.is_empty()) {
            (None, true) => {
                Err(one("give --data-dir for the embedded store or --etcd-endpoints for a cluster"))
            }
            (Some(dir), true) => Ok(EngineConfig::Embedded { dir: dir.join("store") }),
            (_, false) => {
                let has_tls =
                    given(&self.etcd_ca_file) || given(&self.etcd_cert_file) || given(&self.etcd_key_file);
                Ok(EngineConfig::Etcd(EtcdConfig {
                    endpoints: self.etcd_endpoints.clone(),
                    prefix: self.etcd_prefix.clone(),
                    tls: has_tls.then(|| TlsFiles {
                        ca: self.etcd_ca_file.clone(),
                        cert: self.etcd_cert_file.clone(),
                        key: self.etcd_key_file.clone(),
                        server_name: None,
                    }),
                    user: self.etcd_user.clone(),
                    password: self.etcd_password.clone(),
                }))
            }
        }
    }
}

/// How the process logs.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Logging")]
pub struct LogArgs {
    /// Level, or directives such as `info,metal_store=debug`
    #[arg(long, env = "METAL_API_LOG_LEVEL", default_value = "info", value_name = "LEVEL")]
    pub log_level: String,
    /// `human` or `json`
    #[arg(long, env = "METAL_API_LOG_FORMAT", default_value = "human", value_name = "FORMAT")]
    pub log_format: log::Format,
}

/// Flags of `metal-api serve`.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    listen: ListenArgs,
    #[command(flatten)]
    access: AccessArgs,
    #[command(flatten)]
    behaviour: BehaviourArgs,
    #[command(flatten)]
    audit: AuditArgs,
    #[command(flatten)]
    limits: LimitArgs,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Listeners")]
struct ListenArgs {
    /// Address to listen on; anything but this host needs keys of your own
    #[arg(long, env = "METAL_API_BIND_ADDR", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_name = "IP")]
    bind_addr: IpAddr,
    /// Port of the public API
    #[arg(long, env = "METAL_API_PORT", default_value_t = 8080, value_name = "PORT")]
    port: u16,
    /// Port of the agents' API
    #[arg(long, env = "METAL_API_GRPC_PORT", default_value_t = 50051, value_name = "PORT")]
    grpc_port: u16,
    /// Names and addresses by which agents reach this server, for its certificate
    #[arg(long, env = "METAL_API_GRPC_SERVER_NAME", value_delimiter = ',', value_name = "NAME,...")]
    grpc_server_name: Vec<String>,
    /// Prefix of all paths of the public API
    #[arg(long, env = "METAL_API_BASE_PATH", default_value = "/", value_name = "PATH")]
    base_path: String,
    /// Where /metrics, /healthz and /readyz are served, `:2112` for all addresses; empty switches it off
    #[arg(
        long,
        env = "METAL_API_METRICS_SERVER_BIND_ADDR",
        default_value = "127.0.0.1:2112",
        value_name = "ADDR"
    )]
    metrics_server_bind_addr: String,
    /// Certificate of the public API, PEM; plain HTTP without
    #[arg(long, env = "METAL_API_TLS_CERT_FILE", requires = "tls_key_file", value_name = "FILE")]
    tls_cert_file: Option<PathBuf>,
    /// Private key of the certificate, PEM
    #[arg(long, env = "METAL_API_TLS_KEY_FILE", requires = "tls_cert_file", value_name = "FILE")]
    tls_key_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Access")]
struct AccessArgs {
    /// Tenant whose users may use this installation
    #[arg(long, env = "METAL_API_PROVIDER_TENANT", default_value = "metal-stack", value_name = "TENANT")]
    provider_tenant: String,
    /// Key of the technical user that may read; generated into the data directory when absent
    #[arg(long, env = "METAL_API_HMAC_VIEW_KEY", hide_env_values = true, value_name = "KEY")]
    hmac_view_key: Option<String>,
    /// Key of the technical user that may allocate and release; generated when absent
    #[arg(long, env = "METAL_API_HMAC_EDIT_KEY", hide_env_values = true, value_name = "KEY")]
    hmac_edit_key: Option<String>,
    /// Key of the technical user that may do everything; generated when absent
    #[arg(long, env = "METAL_API_HMAC_ADMIN_KEY", hide_env_values = true, value_name = "KEY")]
    hmac_admin_key: Option<String>,
    /// Greatest age of a signature; 0 means any
    #[arg(long, env = "METAL_API_HMAC_VIEW_LIFETIME", default_value = "30s", value_parser = duration, value_name = "TIME")]
    hmac_view_lifetime: Duration,
    /// Greatest age of a signature; 0 means any
    #[arg(long, env = "METAL_API_HMAC_EDIT_LIFETIME", default_value = "30s", value_parser = duration, value_name = "TIME")]
    hmac_edit_lifetime: Duration,
    /// Greatest age of a signature; 0 means any
    #[arg(long, env = "METAL_API_HMAC_ADMIN_LIFETIME", default_value = "90s", value_parser = duration, value_name = "TIME")]
    hmac_admin_lifetime: Duration,
    /// URL of a Dex whose tokens are accepted
    #[arg(long, env = "METAL_API_DEX_ADDR", requires = "dex_clientid", value_name = "URL")]
    dex_addr: Option<String>,
    /// Audience that Dex's tokens must have
    #[arg(long, env = "METAL_API_DEX_CLIENTID", requires = "dex_addr", value_name = "ID")]
    dex_clientid: Option<String>,
    /// How long what an issuer of tokens told about itself is believed
    #[arg(long, env = "METAL_API_ISSUERCACHE_INTERVAL", default_value = "30m", value_parser = duration, value_name = "TIME")]
    issuercache_interval: Duration,
    /// Authorities trusted for issuers and image servers beside the system's, PEM
    #[arg(long, env = "METAL_API_TRUSTED_CA_FILE", value_name = "FILE")]
    trusted_ca_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Behaviour")]
struct BehaviourArgs {
    /// Least number of characters of the reason for seeing a console password
    #[arg(long, env = "METAL_API_PASSWORD_REASON_MINLENGTH", default_value_t = 0, value_name = "N")]
    password_reason_minlength: usize,
    /// File with the password of the BMCs' user root; empty or absent switches the feature off
    #[arg(long, env = "METAL_API_BMC_SUPERUSER_PWD_FILE", value_name = "FILE")]
    bmc_superuser_pwd_file: Option<PathBuf>,
    /// Oldest client that works, a semantic version
    #[arg(long, env = "METAL_API_MINIMUM_CLIENT_VERSION", default_value = "v0.0.1", value_name = "VERSION")]
    minimum_client_version: String,
    /// Version of the release this server belongs to
    #[arg(long, env = "METAL_API_RELEASE_VERSION", value_name = "VERSION")]
    release_version: Option<String>,
    /// Ask for the URLs of images and kernels before they are stored
    #[arg(long, env = "METAL_API_CHECK_URLS", default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    check_urls: bool,
    /// Period of a background task, or `off`, for example `liveliness=30s`; may be repeated
    #[arg(long, env = "METAL_API_TASK", value_delimiter = ',', value_name = "TASK=PERIOD")]
    task: Vec<String>,
    /// How long requests may go on after the server was told to end
    #[arg(long, env = "METAL_API_DRAIN_TIMEOUT", default_value = "20s", value_parser = duration, value_name = "TIME")]
    drain_timeout: Duration,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Audit")]
struct AuditArgs {
    /// Keep an audit log; needs --audit-dir when there is no data directory
    #[arg(long, env = "METAL_API_AUDITING_ENABLED", default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    auditing_enabled: bool,
    /// Directory of the audit log, `audit` in the data directory by default
    #[arg(long, env = "METAL_API_AUDIT_DIR", value_name = "DIR")]
    audit_dir: Option<PathBuf>,
    /// Bytes the audit log may take; the oldest entries go first
    #[arg(long, env = "METAL_API_AUDIT_MAX_BYTES", default_value_t = 256 << 20, value_name = "BYTES")]
    audit_max_bytes: u64,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Limits")]
struct LimitArgs {
    /// Requests per second of one identity; 0 is no limit
    #[arg(long, env = "METAL_API_RATE_LIMIT", default_value_t = Limits::default().rate, value_name = "N")]
    rate_limit: u32,
    /// Requests an identity may do at once after a pause
    #[arg(long, env = "METAL_API_RATE_BURST", default_value_t = Limits::default().burst, value_name = "N")]
    rate_burst: u32,
    /// Largest request body
    #[arg(long, env = "METAL_API_MAX_BODY_BYTES", default_value_t = Limits::default().body_bytes, value_name = "BYTES")]
    max_body_bytes: usize,
    /// Longest time to read a request and to answer it
    #[arg(long, env = "METAL_API_REQUEST_TIMEOUT", default_value = "60s", value_parser = duration, value_name = "TIME")]
    request_timeout: Duration,
    /// Connections at a time
    #[arg(long, env = "METAL_API_MAX_CONNECTIONS", default_value_t = Limits::default().connections, value_name = "N")]
    max_connections: usize,
}

/// Reads a duration such as `30s`, `1h30m` or `0`.
fn duration(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let read: SignedDuration =
        text.parse().map_err(|_| format!("{text:?} is not a duration such as 30s or 5m"))?;
    read.try_into().map_err(|_| "a duration must not be negative".to_owned())
}

fn one(fault: &str) -> ArgsError {
    ArgsError(vec![fault.to_owned()])
}

/// Collects what is wrong while going on.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn check(&mut self, holds: bool, fault: impl FnOnce() -> String) {
        if !holds {
            self.0.push(fault());
        }
    }

    fn take<T>(&mut self, result: Result<T, String>) -> Option<T> {
        result.map_err(|fault| self.0.push(fault)).ok()
    }
}

fn read_file(flag: &str, path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("--{flag}: read {}: {error}", path.display()))
}

impl ServeArgs {
    /// How to log; known before anything else can be told.
    pub fn log(&self) -> &LogArgs {
        &self.log
    }

    /// The configuration, or everything that is wrong. Makes keys that are missing.
    pub fn into_config(self) -> Result<Config, ArgsError> {
        let mut faults = Faults::default();
        let engine = match self.store.engine() {
            Ok(engine) => Some(engine),
            Err(ArgsError(found)) => {
                faults.0.extend(found);
                None
            }
        };
        let base_path = &self.listen.base_path;
        faults.check(base_path.starts_with('/') && base_path.ends_with('/'), || {
            format!("--base-path: {base_path:?} must begin and end with a slash")
        });
        let version = &self.behaviour.minimum_client_version;
        faults.check(semver::Version::parse(version.trim_start_matches('v')).is_ok(), || {
            format!("--minimum-client-version: {version:?} is not a semantic version")
        });
        faults.check(!self.access.provider_tenant.is_empty(), || {
            "--provider-tenant must not be empty".to_owned()
        });
        let metrics = faults.take(metrics_address(&self.listen.metrics_server_bind_addr)).flatten();
        let tls = faults.take(self.listen.key_pair()).flatten();
        let bmc = self.behaviour.bmc_superuser_pwd_file.as_deref();
        let bmc = bmc.and_then(|path| faults.take(read_file("bmc-superuser-pwd-file", path)));
        let bmc = bmc.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).map(Secret::new);
        let ca = self.access.trusted_ca_file.as_deref();
        let trusted_ca = ca.and_then(|path| faults.take(read_file("trusted-ca-file", path)));
        let audit = faults.take(self.audit.settings(self.store.data_dir.as_deref())).flatten();
        let mut reconcile = crate::reconcile::Settings::default();
        for setting in &self.behaviour.task {
            faults.take(reconcile.set(setting).map_err(|fault| format!("--task: {fault}")));
        }
        // Keys last: nothing is created when the command line is wrong anyway.
        let data_dir = self.store.data_dir.clone();
        let hmac = match faults.0.is_empty() {
            true => self.access.keys(data_dir.as_deref(), self.listen.bind_addr, &mut faults),
            false => None,
        };
        let (Some(engine), Some(hmac), true) = (engine, hmac, faults.0.is_empty()) else {
            return Err(ArgsError(faults.0));
        };
        let dex = self.access.dex_addr.zip(self.access.dex_clientid);
        Ok(Config {
            engine,
            data_dir,
            listen: Listen {
                address: self.listen.bind_addr,
                port: self.listen.port,
                grpc_port: self.listen.grpc_port,
                grpc_names: self.listen.grpc_server_name,
                metrics,
                tls,
            },
            base_path: self.listen.base_path,
            provider_tenant: self.access.provider_tenant,
            hmac,
            dex: dex.map(|(address, client_id)| Dex { address, client_id }),
            issuer_cache_interval: self.access.issuercache_interval,
            password_reason_min_length: self.behaviour.password_reason_minlength,
            bmc_superuser_password: bmc,
            minimum_client_version: self.behaviour.minimum_client_version,
            release_version: self.behaviour.release_version,
            check_urls: self.behaviour.check_urls,
            trusted_ca,
            audit,
            limits: Limits {
                body_bytes: self.limits.max_body_bytes,
                request_timeout: self.limits.request_timeout,
                connections: self.limits.max_connections,
                rate: self.limits.rate_limit,
                burst: self.limits.rate_burst,
                ..Limits::default()
            },
            reconcile,
            drain: self.behaviour.drain_timeout,
        })
    }
}

impl ListenArgs {
    fn key_pair(&self) -> Result<Option<KeyPair>, String> {
        let (Some(certificate), Some(key)) = (&self.tls_cert_file, &self.tls_key_file) else {
            return Ok(None);
        };
        Ok(Some(KeyPair {
            certificate_pem: read_file("tls-cert-file", certificate)?,
            key_pem: Secret::new(read_file("tls-key-file", key)?),
        }))
    }
}

impl AccessArgs {
    /// The keys given, or generated ones where that is safe.
    fn keys(&self, data_dir: Option<&Path>, address: IpAddr, faults: &mut Faults) -> Option<Hmac> {
        let mut key = |role: &str, given: &Option<String>, lifetime: Duration| {
            let flag = format!("--hmac-{role}-key");
            match given.as_deref().filter(|key| !key.is_empty()) {
                Some(EXAMPLE_KEY) if !address.is_loopback() => {
                    faults.0.push(format!("{flag}: the example key is known to everybody; not on {address}"));
                    None
                }
                Some(key) => Some(HmacKey { key: Secret::from(key), lifetime }),
                None if !address.is_loopback() => {
                    faults
                        .0
                        .push(format!("{flag} must be given to listen on {address}, which others can reach"));
                    None
                }
                None => match data_dir {
                    Some(dir) => {
                        let key = faults.take(keys::ensure(dir, role).map_err(|error| chain(&error)))?;
                        Some(HmacKey { key, lifetime })
                    }
                    None => {
                        faults.0.push(format!(
                            "{flag} must be given where there is no --data-dir to keep one in"
                        ));
                        None
                    }
                },
            }
        };
        let view = key("view", &self.hmac_view_key, self.hmac_view_lifetime);
        let edit = key("edit", &self.hmac_edit_key, self.hmac_edit_lifetime);
        let admin = key("admin", &self.hmac_admin_key, self.hmac_admin_lifetime);
        Some(Hmac { view: view?, edit: edit?, admin: admin? })
    }
}

impl AuditArgs {
    fn settings(&self, data_dir: Option<&Path>) -> Result<Option<Audit>, String> {
        if !self.auditing_enabled {
            return Ok(None);
        }
        let dir = self.audit_dir.clone().or_else(|| data_dir.map(|dir| dir.join("audit")));
        let dir =
            dir.ok_or("--audit-dir must be given where there is no --data-dir, or --auditing-enabled=false")?;
        Ok(Some(Audit { dir, max_bytes: self.audit_max_bytes }))
    }
}

/// Reads `host:port`, or `:port` for all addresses; empty is nothing.
fn metrics_address(text: &str) -> Result<Option<SocketAddr>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let whole = if text.starts_with(':') { format!("[::]{text}") } else { text.to_owned() };
    whole
        .parse()
        .map(Some)
        .map_err(|_| format!("--metrics-server-bind-addr: {text:?} is not an address with a port"))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        serve: ServeArgs,
    }

    fn config(line: &str) -> Result<Config, ArgsError> {
        let words = std::iter::once("serve").chain(line.split_whitespace());
        Line::try_parse_from(words).map_err(|e| one(&e.to_string()))?.serve.into_config()
    }

    #[test]
    fn a_data_directory_is_enough_and_safe() {
        let dir = tempfile::tempdir().unwrap();
        let line = format!("--data-dir {}", dir.path().display());
        let first = config(&line).unwrap();
        assert!(first.listen.address.is_loopback());
        assert_eq!(first.hmac.admin.key.expose().len(), 64);
        assert_eq!(config(&line).unwrap().hmac.admin.key, first.hmac.admin.key, "made once");
        assert_ne!(first.hmac.admin.key, first.hmac.view.key);
    }

    #[test]
    fn others_are_not_let_in_with_keys_nobody_chose() {
        let dir = tempfile::tempdir().unwrap();
        let line = format!("--data-dir {} --bind-addr 0.0.0.0", dir.path().display());
        let ArgsError(faults) = config(&line).unwrap_err();
        assert_eq!(faults.len(), 3, "{faults:?}");
        let keys = "--hmac-view-key a --hmac-edit-key b --hmac-admin-key";
        assert!(config(&format!("{line} {keys} must-be-changed")).unwrap_err().to_string().contains("admin"));
        assert!(config(&format!("{line} {keys} c")).is_ok());
    }

    #[test]
    fn all_faults_are_told_and_nothing_is_created() {
        let dir = tempfile::tempdir().unwrap();
        let line = format!(
            "--data-dir {}/new --base-path metal --minimum-client-version x --metrics-server-bind-addr y",
            dir.path().display()
        );
        let ArgsError(faults) = config(&line).unwrap_err();
        assert_eq!(faults.len(), 3, "{faults:?}");
        assert!(!dir.path().join("new").exists());
        assert!(config("").unwrap_err().to_string().contains("--data-dir"));
    }

    #[test]
    fn durations_read_as_operators_write_them() {
        assert_eq!(duration("30m"), Ok(Duration::from_secs(1800)));
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        assert!(duration("-5s").is_err() && duration("soon").is_err());
    }

    #[test]
    fn metrics_listen_where_told() {
        assert_eq!(metrics_address(""), Ok(None));
        assert_eq!(metrics_address(":2112").unwrap().unwrap().port(), 2112);
        assert!(metrics_address("2112").is_err());
    }
}
