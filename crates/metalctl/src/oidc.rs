//! Logging in at an OIDC issuer: authorization code with PKCE, the answer caught by a listener on this machine.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use metal_runtime::clock;
use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Port that issuers usually know this program by; any other if it is taken.
const PORT: u16 = 8000;
/// How long a person may take to log in.
const PATIENCE: Duration = Duration::from_secs(300);

/// What is known about the client at the issuer.
#[derive(Debug, Clone)]
pub struct Issuer {
    /// URL of the issuer.
    pub url: String,
    /// Client identifier.
    pub client_id: String,
    /// Secret of the client; may be empty.
    pub client_secret: String,
    /// Scopes to ask for.
    pub scopes: Vec<String>,
}

/// What the issuer gave.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Tokens {
    /// Identity token.
    pub id_token: String,
    /// Refresh token; may be empty.
    pub refresh_token: String,
}

/// Where the issuer answers what.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Discovery {
    authorization_endpoint: String,
    token_endpoint: String,
    /// Where one logs out; may be empty.
    pub end_session_endpoint: String,
}

/// Asks the issuer where it answers what.
pub async fn discover(http: &reqwest::Client, issuer: &str) -> Result<Discovery> {
    let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let answer = http.get(&url).send().await.and_then(reqwest::Response::error_for_status);
    let answer = answer.with_context(|| format!("ask the issuer at {url}"))?;
    answer.json().await.with_context(|| format!("understand the answer of {url}"))
}

/// Logs in and returns the tokens.
pub async fn login(http: &reqwest::Client, issuer: &Issuer) -> Result<Tokens> {
    let discovery = discover(http, &issuer.url).await?;
    let listener = match TcpListener::bind(("127.0.0.1", PORT)).await {
        Ok(listener) => listener,
        Err(_) => TcpListener::bind(("127.0.0.1", 0)).await.context("listen for the issuer's answer")?,
    };
    let port = listener.local_addr().context("listen for the issuer's answer")?.port();
    let redirect = format!("http://localhost:{port}/callback");
    let verifier = random();
    let state = random();
    let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()));
    let mut url: Url =
        discovery.authorization_endpoint.parse().context("the issuer names no authorization URL")?;
    url.query_pairs_mut().extend_pairs([
        ("response_type", "code"),
        ("client_id", &issuer.client_id),
        ("redirect_uri", &redirect),
        ("scope", &issuer.scopes.join(" ")),
        ("state", &state),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ]);
    eprintln!("log in at:\n  {url}");
    open(url.as_str());
    let code = tokio::time::timeout(PATIENCE, answer(&listener, &state))
        .await
        .context("nobody logged in within five minutes; try again: metalctl login")??;
    exchange(http, issuer, &discovery, &code, &redirect, &verifier).await
}

fn random() -> String {
    URL_SAFE_NO_PAD.encode(clock::random::<32>())
}

/// Opens a browser, where there is one; otherwise the printed URL has to do.
fn open(url: &str) {
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let null = std::process::Stdio::null;
    let _ = std::process::Command::new(program).arg(url).stdin(null()).stdout(null()).stderr(null()).spawn();
}

/// Waits for the browser to come back with a code.
async fn answer(listener: &TcpListener, state: &str) -> Result<String> {
    loop {
        let (stream, _) = listener.accept().await.context("listen for the issuer's answer")?;
        // Browsers ask for icons and open connections they never use; only the callback counts.
        if let Ok(Some(result)) = tokio::time::timeout(Duration::from_secs(5), serve(stream, state)).await {
            return result;
        }
    }
}

async fn serve(stream: TcpStream, state: &str) -> Option<Result<String>> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    (&mut stream).take(16 * 1024).read_line(&mut line).await.ok()?;
    let result = callback(&line, state);
    let (status, text) = match &result {
        None => ("404 Not Found", "There is nothing here."),
        Some(Ok(_)) => ("200 OK", "You are logged in and can close this page."),
        Some(Err(_)) => ("400 Bad Request", "Logging in failed; the terminal tells why."),
    };
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    );
    // What matters has arrived; a browser that does not read the answer misses only the text.
    let _ = stream.get_mut().write_all(answer.as_bytes()).await;
    let _ = stream.get_mut().shutdown().await;
    result
}

/// The code in the first line of a request; none if it is not the callback.
fn callback(line: &str, state: &str) -> Option<Result<String>> {
    let path = line.strip_prefix("GET ")?.split_whitespace().next()?;
    let url: Url = format!("http://localhost{path}").parse().ok()?;
    if url.path() != "/callback" {
        return None;
    }
    let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
    if let Some(error) = query.get("error") {
        let why = query.get("error_description").map_or("", String::as_str);
        return Some(Err(anyhow::anyhow!("the issuer refused: {error} {why}")));
    }
    if query.get("state").map(String::as_str) != Some(state) {
        return Some(Err(anyhow::anyhow!(
            "the answer does not belong to this login; try again: metalctl login"
        )));
    }
    query.get("code").map(|code| Ok(code.clone()))
}

async fn exchange(
    http: &reqwest::Client,
    issuer: &Issuer,
    discovery: &Discovery,
    code: &str,
    redirect: &str,
    verifier: &str,
) -> Result<Tokens> {
    let mut form = Url::parse("http://form/").expect("the URL is constant");
    form.query_pairs_mut().extend_pairs([
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", redirect),
        ("client_id", &issuer.client_id),
        ("code_verifier", verifier),
    ]);
    if !issuer.client_secret.is_empty() {
        form.query_pairs_mut().append_pair("client_secret", &issuer.client_secret);
    }
    let url = &discovery.token_endpoint;
    let request = http
        .post(url)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form.query().unwrap_or_default().to_owned());
    let answer = request.send().await.with_context(|| format!("ask for a token at {url}"))?;
    let status = answer.status();
    let body = answer.text().await.with_context(|| format!("ask for a token at {url}"))?;
    if !status.is_success() {
        bail!("the issuer gave no token: {status} {}", body.trim());
    }
    let tokens: Tokens =
        serde_json::from_str(&body).with_context(|| format!("understand the answer of {url}"))?;
    if tokens.id_token.is_empty() {
        bail!("the issuer gave no identity token; is the scope openid allowed for {}?", issuer.client_id);
    }
    Ok(tokens)
}

/// What a token says, without checking it: that is for the server.
pub fn claims(token: &str) -> Result<Value> {
    let mut parts = token.trim().split('.');
    let (Some(_), Some(claims), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        bail!("the token is not a JWT");
    };
    let bytes = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).context("the token is not a JWT")?;
    serde_json::from_slice(&bytes).context("the token is not a JWT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callbacks_are_told_apart() {
        let code = |line: &str| callback(line, "s").map(|r| r.map_err(|e| e.to_string()));
        assert_eq!(code("GET /callback?code=a%2Bb&state=s HTTP/1.1"), Some(Ok("a+b".into())));
        assert_eq!(code("GET /favicon.ico HTTP/1.1"), None);
        assert!(code("GET /callback?code=a&state=other HTTP/1.1").unwrap().is_err());
        assert!(
            code("GET /callback?error=access_denied&state=s HTTP/1.1")
                .unwrap()
                .unwrap_err()
                .contains("access_denied")
        );
        assert_eq!(code(""), None);
    }

    #[test]
    fn claims_are_read() {
        let token = format!("e30.{}.x", URL_SAFE_NO_PAD.encode(r#"{"email":"a@b"}"#));
        assert_eq!(claims(&token).unwrap()["email"], "a@b");
        assert!(claims("nonsense").is_err() && claims("a.b.c").is_err());
    }

    #[tokio::test]
    async fn the_listener_waits_for_the_callback() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let at = listener.local_addr().unwrap();
        let ask = |path: &'static str| async move {
            let mut stream = TcpStream::connect(at).await.unwrap();
            stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
            let mut text = Vec::new();
            let _ = stream.read_to_end(&mut text).await;
        };
        let (code, ()) = tokio::join!(answer(&listener, "s"), async {
            ask("/favicon.ico").await;
            ask("/callback?code=c&state=s").await;
        });
        assert_eq!(code.unwrap(), "c");
    }
}
