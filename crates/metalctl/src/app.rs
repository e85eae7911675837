//! What every command needs: the context in use, the client made from it, and the printer.

use std::io::{self, BufRead, IsTerminal, Write};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use metal_client::{Client, HmacKind};
use metal_runtime::clock;

use crate::cli::Global;
use crate::config::{Config, Context};
use crate::kubeconfig;
use crate::print::Printer;

/// Where the API is when nobody says.
const DEFAULT_URL: &str = "http://localhost:8080/cloud";

/// What a command works with.
pub struct App {
    /// Flags that every command has.
    pub global: Global,
    /// Configuration file.
    pub config: Config,
    /// Output.
    pub printer: Printer,
}

impl App {
    /// Reads the configuration and makes sense of the flags.
    pub fn new(global: Global) -> Result<Self> {
        let config = Config::load(global.config.as_deref())?;
        let printer = Printer::new(
            global.output_format,
            global.template.as_deref(),
            !global.no_headers,
            global.force_color,
            clock::now(),
        )?;
        Ok(Self { global, config, printer })
    }

    /// The context in use, with flags and environment over it.
    pub fn context(&self) -> Result<Context> {
        let global = &self.global;
        let mut context = self.config.context()?;
        let set = |to: &mut Option<String>, from: &Option<String>| {
            if let Some(value) = from.as_ref().filter(|v| !v.is_empty()) {
                *to = Some(value.clone());
            }
        };
        set(&mut context.url, &global.api_url);
        set(&mut context.hmac, &global.hmac);
        set(&mut context.hmac_auth_type, &global.hmac_auth_type);
        set(&mut context.certificate_authority_data, &global.certificate_authority_data);
        Ok(context)
    }

    /// URL of the API.
    pub fn url(&self) -> Result<String> {
        Ok(self.context()?.url.unwrap_or_else(|| DEFAULT_URL.to_owned()))
    }

    /// The token of the user, if there is one.
    pub fn token(&self) -> Result<Option<String>> {
        if let Some(token) = self.global.api_token.as_ref().filter(|t| !t.is_empty()) {
            return Ok(Some(token.clone()));
        }
        let path = kubeconfig::path(self.global.kubeconfig.as_deref())?;
        kubeconfig::token(&path, &kubeconfig::context_name(self.config.current()))
    }

    /// A client that is known to the API by key or token, the key first.
    pub fn client(&self) -> Result<Client> {
        let context = self.context()?;
        let builder = self.builder(&context)?;
        let builder = match context.hmac.filter(|key| !key.is_empty()) {
            Some(key) => {
                let kind: HmacKind = match context.hmac_auth_type.as_deref().filter(|k| !k.is_empty()) {
                    Some(kind) => kind.parse().context("hmac_auth_type of the context")?,
                    None => HmacKind::Admin,
                };
                builder.hmac(kind, key)
            }
            None => match self.token()? {
                Some(token) => builder.bearer(token),
                None => builder,
            },
        };
        Ok(builder.build()?)
    }

    /// A client that tells nobody who is asking.
    pub fn anonymous(&self) -> Result<Client> {
        let context = self.context()?;
        Ok(self.builder(&context)?.build()?)
    }

    fn builder(&self, context: &Context) -> Result<metal_client::Builder> {
        let mut builder = Client::builder(context.url.as_deref().unwrap_or(DEFAULT_URL))
            .user_agent(concat!("metalctl/", env!("CARGO_PKG_VERSION")))
            .timeout(Duration::from_secs(self.global.request_timeout));
        if let Some(data) = context.certificate_authority_data.as_ref().filter(|d| !d.is_empty()) {
            builder = builder.authority(authority(data)?);
        }
        Ok(builder)
    }

    /// Asks a person at a terminal; scripts must have said `--yes-i-really-mean-it` or skip prompts.
    pub fn confirm(&self, question: &str) -> Result<()> {
        if self.global.force {
            return Ok(());
        }
        if !io::stdin().is_terminal() {
            bail!("{question} Nobody is there to answer; say --yes-i-really-mean-it if so");
        }
        eprint!("{question} [y/N] ");
        io::stderr().flush().context("write to the terminal")?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer).context("read from the terminal")?;
        match answer.trim().to_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => bail!("not confirmed, nothing was done"),
        }
    }
}

/// The PEM text of a certificate authority, which contexts hold as base64.
pub fn authority(data: &str) -> Result<Vec<u8>> {
    if data.contains("-----BEGIN") {
        return Ok(data.as_bytes().to_owned());
    }
    let packed: String = data.split_whitespace().collect();
    STANDARD.decode(packed).context("certificate_authority_data of the context is not base64")
}
