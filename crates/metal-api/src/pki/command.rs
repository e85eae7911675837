//! `metal-api pki`: the authority and its tokens from the command line.
//!
//! A running server has its embedded store to itself, so what an operator needs every day - a token, the authority's
//! certificate - is asked of the server. Issuing certificates with their keys works on the store itself, while no
//! server has it open, or beside servers that share an etcd.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use jiff::SignedDuration;
use metal_client::{Client, HmacKind};
use metal_model::v1;
use metal_runtime::pki::Identity;
use metal_runtime::{Secret, file, tls};

use super::{AGENT_VALIDITY, authority, give_token};
use crate::app::App;

/// What to do with certificates, and where.
#[derive(Debug, Args)]
pub struct PkiArgs {
    /// Ask the running server at this URL instead of opening the store
    #[arg(long, env = "METAL_API_URL", global = true, value_name = "URL")]
    api_url: Option<String>,
    /// Admin key of that server; read from the data directory when absent
    #[arg(long, env = "METAL_API_HMAC_ADMIN_KEY", hide_env_values = true, global = true, value_name = "KEY")]
    hmac: Option<String>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Print the authority's certificate
    Ca,
    /// Tell about the authority
    Show,
    /// Give out a one-time token with which an agent joins
    Token {
        /// Who joins: `metal://partition/<id>` or `metal://switch/<partition>/<id>`
        #[arg(long, value_name = "URI")]
        identity: String,
        /// How long the token is valid
        #[arg(long, default_value = "1h", value_name = "TIME")]
        ttl: SignedDuration,
        /// Also write the authority's certificate to this file
        #[arg(long, value_name = "FILE")]
        ca_file: Option<PathBuf>,
        /// Print a JSON object instead of the token alone
        #[arg(long)]
        json: bool,
    },
    /// Issue a certificate with its key to a server
    Server {
        /// DNS names and addresses it serves under
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
        #[command(flatten)]
        to: Destination,
    },
    /// Issue a certificate with its key to the management server of a partition
    Partition {
        /// The partition
        id: String,
        #[command(flatten)]
        to: Destination,
    },
    /// Issue a certificate with its key to a switch
    Switch {
        /// The partition it stands in
        partition: String,
        /// Its id
        id: String,
        #[command(flatten)]
        to: Destination,
    },
}

#[derive(Debug, Args)]
struct Destination {
    /// Directory for ca.pem, cert.pem and key.pem
    #[arg(long, short, default_value = ".", value_name = "DIR")]
    out: PathBuf,
}

/// What a verb needs from the authority, whether it is asked or opened.
struct Ca {
    certificate: String,
    expires: jiff::Timestamp,
}

impl PkiArgs {
    /// Whether a running server is asked; the store is then left alone.
    pub fn is_remote(&self) -> bool {
        self.api_url.is_some()
    }
}

/// Runs the sub-command on an opened store and prints its result.
pub async fn run(args: PkiArgs, app: &App) -> anyhow::Result<()> {
    let authority = authority(app).await?;
    let ca = Ca { certificate: authority.certificate_pem().to_owned(), expires: authority.expires() };
    let (identity, names, to) = match args.verb {
        Verb::Ca => return print(&ca.certificate),
        Verb::Show => return show(&ca),
        Verb::Token { identity, ttl, ca_file, json } => {
            let request = v1::PkiTokenRequest { identity, ttl_seconds: Some(ttl.as_secs()) };
            let token = give_token(app, &app.system_caller(), &request).await?;
            return tell(&token, ca_file.as_deref(), json);
        }
        Verb::Server { names, to } => (Identity::Server(names[0].clone()), names, to),
        Verb::Partition { id, to } => (Identity::Partition(id), Vec::new(), to),
        Verb::Switch { partition, id, to } => (Identity::Switch { partition, id }, Vec::new(), to),
    };
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (pair, expires) = authority.issue(&identity, &names, AGENT_VALIDITY, app.clock.now())?;
    write(&to.out, &ca, &pair)?;
    print(&format!("{identity}, valid until {expires}, written to {}\n", to.out.display()))
}

/// Runs the sub-command against a running server.
pub async fn run_remote(args: PkiArgs, data_dir: Option<&Path>) -> anyhow::Result<()> {
    let url = args.api_url.context("--api-url tells which server to ask")?;
    let key = match (args.hmac, data_dir) {
        (Some(key), _) => Secret::new(key),
        (None, Some(dir)) => {
            let path = dir.join(crate::config::keys::file_name("admin"));
            let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
            Secret::new(text.trim().to_owned())
        }
        (None, None) => bail!("give the server's admin key by --hmac, or its --data-dir to read it from"),
    };
    let client = Client::builder(&url).hmac(HmacKind::Admin, key.expose().clone()).build()?;
    match args.verb {
        Verb::Ca => print(&remote_ca(&client).await?.certificate),
        Verb::Show => show(&remote_ca(&client).await?),
        Verb::Token { identity, ttl, ca_file, json } => {
            let request = v1::PkiTokenRequest { identity, ttl_seconds: Some(ttl.as_secs()) };
            let operation = &v1::operation::CREATE_PKI_TOKEN;
            let token: v1::PkiTokenResponse = client.request(operation).body(&request).send().await?;
            tell(&token, ca_file.as_deref(), json)
        }
        Verb::Server { .. } | Verb::Partition { .. } | Verb::Switch { .. } => bail!(
            "keys do not travel: give out a token with `metal-api pki token`, or run this on the store, without --api-url"
        ),
    }
}

async fn remote_ca(client: &Client) -> anyhow::Result<Ca> {
    let answer: v1::PkiCaResponse = client.request(&v1::operation::GET_PKI_CA).send().await?;
    Ok(Ca { certificate: answer.certificate, expires: answer.expires.into() })
}

fn print(text: &str) -> anyhow::Result<()> {
    io::stdout().write_all(text.as_bytes()).context("print the result")
}

fn show(ca: &Ca) -> anyhow::Result<()> {
    let der = tls::parse_certificates(&ca.certificate)?;
    let digest =
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der.first().map_or(&[], |der| der.as_ref()));
    let fingerprint: Vec<String> = digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    print(&format!("valid until  {}\nSHA-256      {}\n", ca.expires, fingerprint.join(":")))
}

fn tell(token: &v1::PkiTokenResponse, ca_file: Option<&Path>, json: bool) -> anyhow::Result<()> {
    if let Some(path) = ca_file {
        file::write_public(path, token.ca.as_bytes())?;
    }
    if json {
        print(&format!("{}\n", serde_json::to_string(token)?))
    } else {
        print(&format!("{}\n", token.token))
    }
}

fn write(dir: &Path, ca: &Ca, pair: &tls::KeyPair) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
    file::write_public(&dir.join("ca.pem"), ca.certificate.as_bytes())?;
    file::write_public(&dir.join("cert.pem"), pair.certificate_pem.as_bytes())?;
    file::write_private(&dir.join("key.pem"), pair.key_pem.expose().as_bytes())?;
    Ok(())
}
