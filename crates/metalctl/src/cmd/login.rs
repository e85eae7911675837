//! `login`, `logout`, `whoami`.

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::app::{App, authority};
use crate::cmd::service::is_older;
use crate::config;
use crate::kubeconfig::{self, Login};
use crate::oidc::{self, Issuer};
use crate::print::emit;

/// How to log in.
#[derive(Debug, Args)]
pub struct LoginArgs {
    /// Print the token instead of storing it
    #[arg(long)]
    pub print_only: bool,
}

/// Logs in at the issuer of the context and stores the token where kubectl keeps them.
pub async fn login(app: &App, args: &LoginArgs) -> Result<()> {
    let context = app.context()?;
    let issuer = issuer(&context)?;
    let http = http(&context)?;
    let tokens = oidc::login(&http, &issuer).await?;
    if args.print_only {
        return emit(&format!("{}\n", tokens.id_token));
    }
    let claims = oidc::claims(&tokens.id_token)?;
    let user =
        ["email", "preferred_username", "name", "sub"].iter().find_map(|claim| claims[*claim].as_str());
    let login = Login {
        user: user.unwrap_or("user").to_owned(),
        client_id: issuer.client_id,
        client_secret: issuer.client_secret,
        issuer: issuer.url,
        id_token: tokens.id_token,
        refresh_token: tokens.refresh_token,
    };
    let path = kubeconfig::path(app.global.kubeconfig.as_deref())?;
    kubeconfig::store(&path, &kubeconfig::context_name(app.config.current()), &login)?;
    eprintln!("logged in as {}; the token is in {}", login.user, path.display());
    fits(app).await
}

/// Refuses to go on with a server that wants a newer client.
async fn fits(app: &App) -> Result<()> {
    let server = app.anonymous()?.version().await.context("read the version of the server")?;
    let ours = env!("CARGO_PKG_VERSION");
    if is_older(ours, &server.min_client_version) {
        bail!(
            "this is version {ours}, and the server wants {} at least; install a newer one",
            server.min_client_version
        );
    }
    Ok(())
}

fn issuer(context: &config::Context) -> Result<Issuer> {
    let Some(url) = context.issuer_url.clone().filter(|u| !u.is_empty()) else {
        bail!(
            "the context has no issuer_url to log in at; it may have an HMAC key, with which no login is needed"
        );
    };
    let mut scopes = vec!["openid".to_owned(), "profile".to_owned(), "email".to_owned()];
    match context.custom_scopes.as_deref().filter(|s| !s.is_empty()) {
        Some(custom) => scopes.extend(custom.split([',', ' ']).filter(|s| !s.is_empty()).map(str::to_owned)),
        // Only issuers of the generic kind refuse scopes they do not know.
        None if context.issuer_type.as_deref() == Some("generic") => {}
        None => scopes.extend(["groups", "offline_access", "federated:id"].map(str::to_owned)),
    }
    Ok(Issuer {
        url,
        client_id: context.client_id.clone().unwrap_or_else(|| "auth-go-cli".to_owned()),
        client_secret: context.client_secret.clone().unwrap_or_default(),
        scopes,
    })
}

fn http(context: &config::Context) -> Result<reqwest::Client> {
    metal_runtime::tls::install_provider();
    let mut http = reqwest::Client::builder().connect_timeout(std::time::Duration::from_secs(10));
    if let Some(data) = context.certificate_authority_data.as_ref().filter(|d| !d.is_empty()) {
        let certificates = reqwest::Certificate::from_pem_bundle(&authority(data)?);
        http = http.tls_certs_merge(certificates.context("certificate_authority_data of the context")?);
    }
    http.build().context("set up a client for the issuer")
}

/// Ends the session at the issuer, which knows it by the browser.
pub async fn logout(app: &App) -> Result<()> {
    let context = app.context()?;
    let issuer = issuer(&context)?;
    let discovery = oidc::discover(&http(&context)?, &issuer.url).await?;
    if discovery.end_session_endpoint.is_empty() {
        bail!("the issuer {} has no way to log out; the token ends by itself", issuer.url);
    }
    eprintln!("log out at:\n  {}", discovery.end_session_endpoint);
    Ok(())
}

/// Prints what the token says.
pub fn whoami(app: &App) -> Result<()> {
    let token = app.token()?.context("there is no token; log in first: metalctl login")?;
    app.printer.value(&oidc::claims(&token)?)
}
