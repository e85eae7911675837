//! Requests to servers of others: issuers of tokens, image servers. Always with a deadline, never following a
//! server elsewhere more than a few times, and built when first needed, because most installations need none.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use metal_runtime::chain;

/// Longest time for any of these requests.
const DEADLINE: Duration = Duration::from_secs(10);
/// Largest document anybody may answer.
const MOST_BYTES: usize = 1 << 20;

/// Why another server gave no answer that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutboundError {
    /// The client could not be made, or the server not reached.
    #[error("reach {url}: {why}")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// Why it failed.
        why: String,
    },
    /// It answered, but not with success.
    #[error("{url} answers {status}")]
    Status {
        /// What was asked for.
        url: String,
        /// HTTP status.
        status: u16,
    },
    /// It answered something else than it should.
    #[error("{url} answers something unexpected: {why}")]
    Content {
        /// What was asked for.
        url: String,
        /// What is wrong with it.
        why: String,
    },
}

/// Client for servers of others; clones share connections.
#[derive(Debug, Clone)]
pub struct Outbound {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    trusted_ca: Option<String>,
    client: OnceLock<Result<reqwest::Client, String>>,
}

impl Outbound {
    /// Trusts the system's authorities, and these.
    pub fn new(trusted_ca: Option<String>) -> Self {
        Self { inner: Arc::new(Inner { trusted_ca, client: OnceLock::new() }) }
    }

    /// Whether a HEAD request for `url` succeeds.
    pub async fn head(&self, url: &str) -> Result<(), OutboundError> {
        let request = self.client(url)?.head(url);
        self.send(url, request).await.map(drop)
    }

    /// Reads a JSON document.
    pub async fn get_json<T: serde::de::DeserializeOwned>(&self, url: &str) -> Result<T, OutboundError> {
        let request = self.client(url)?.get(url).header("accept", "application/json");
        let mut answer = self.send(url, request).await?;
        let unreachable =
            |e: reqwest::Error| OutboundError::Unreachable { url: url.to_owned(), why: chain(&e) };
        let content = |why: String| OutboundError::Content { url: url.to_owned(), why };
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
            if bytes.len() + chunk.len() > MOST_BYTES {
                return Err(content(format!("more than {MOST_BYTES} bytes")));
            }
            bytes.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&bytes).map_err(|e| content(e.to_string()))
    }

    async fn send(
        &self,
        url: &str,
        request: reqwest::RequestBuilder,
    ) -> Result<reqwest::Response, OutboundError> {
        let unreachable = |e: reqwest::Error| OutboundError::Unreachable {
            url: url.to_owned(),
            why: chain(&e.without_url()),
        };
        let answer = request.send().await.map_err(unreachable)?;
        let status = answer.status().as_u16();
        if status >= 400 {
            return Err(OutboundError::Status { url: url.to_owned(), status });
        }
        Ok(answer)
    }

    fn client(&self, url: &str) -> Result<&reqwest::Client, OutboundError> {
        let made = self.inner.client.get_or_init(|| make(self.inner.trusted_ca.as_deref()));
        made.as_ref().map_err(|why| OutboundError::Unreachable { url: url.to_owned(), why: why.clone() })
    }
}

fn make(trusted_ca: Option<&str>) -> Result<reqwest::Client, String> {
    let own = match trusted_ca {
        Some(pem) => reqwest::Certificate::from_pem_bundle(pem.as_bytes()).map_err(|e| chain(&e))?,
        None => Vec::new(),
    };
    let builder = || {
        reqwest::Client::builder()
            .timeout(DEADLINE)
            .connect_timeout(DEADLINE)
            .redirect(reqwest::redirect::Policy::limited(5))
    };
    let with_system = builder().tls_certs_merge(own.clone()).build();
    // A host without any authorities of its own must still reach plain HTTP and what the operator trusts.
    with_system.or_else(|_| builder().tls_certs_only(own).build()).map_err(|e| chain(&e))
}
