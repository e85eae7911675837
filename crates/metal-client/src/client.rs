//! The client: where the server is, whom it is trusted by, and how requests are authenticated.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use metal_model::v1::Operation;
use metal_runtime::Secret;
use reqwest::{Certificate, Url, redirect};

use crate::auth::{Auth, HmacKind};
use crate::error::Error;
use crate::request::Request;

/// How long an answer may take unless told otherwise. Listing everything of a big site takes seconds.
const TIMEOUT: Duration = Duration::from_secs(60);
/// How long connecting may take unless told otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Speaks to one server.
#[derive(Clone)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) http: reqwest::Client,
    pub(crate) base: Url,
    pub(crate) auth: Auth,
    pub(crate) timeout: Duration,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("base", &self.inner.base.as_str()).finish_non_exhaustive()
    }
}

impl Client {
    /// Starts setting up a client of the API at `url`, which may have a path.
    pub fn builder(url: &str) -> Builder {
        Builder {
            url: url.to_owned(),
            auth: Auth::None,
            authority: None,
            timeout: TIMEOUT,
            connect_timeout: CONNECT_TIMEOUT,
            agent: concat!("metal-client/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }

    /// URL of the API.
    pub fn url(&self) -> &str {
        self.inner.base.as_str()
    }

    /// Starts a request of an operation.
    pub fn request(&self, operation: &'static Operation) -> Request<'_> {
        Request::new(&self.inner, operation)
    }
}

/// Sets up a [`Client`].
#[derive(Debug)]
pub struct Builder {
    url: String,
    auth: Auth,
    authority: Option<Vec<u8>>,
    timeout: Duration,
    connect_timeout: Duration,
    agent: String,
}

impl Builder {
    /// Authenticates with a shared key.
    #[must_use]
    pub fn hmac(mut self, kind: HmacKind, key: impl Into<String>) -> Self {
        self.auth = Auth::Hmac { kind, key: Secret::new(key.into()) };
        self
    }

    /// Authenticates with a token.
    #[must_use]
    pub fn bearer(mut self, token: impl Into<String>) -> Self {
        self.auth = Auth::Bearer(Secret::new(token.into()));
        self
    }

    /// Trusts the certificates in this PEM text, and only them.
    #[must_use]
    pub fn authority(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.authority = Some(pem.into());
        self
    }

    /// How long an answer may take.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long connecting may take.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// What the client calls itself.
    #[must_use]
    pub fn user_agent(mut self, agent: impl Into<String>) -> Self {
        self.agent = agent.into();
        self
    }

    /// Makes the client. Connects to nothing yet.
    pub fn build(self) -> Result<Client, Error> {
        let fault = |why: String| Error::Setup { url: self.url.clone(), why };
        metal_runtime::tls::install_provider();
        let base: Url = self.url.parse().map_err(|e| fault(format!("not a URL: {e}")))?;
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            return Err(fault("the URL must begin with http:// or https://".to_owned()));
        }
        let mut http = reqwest::Client::builder()
            .user_agent(&self.agent)
            .connect_timeout(self.connect_timeout)
            .tcp_nodelay(true)
            // Signed headers and tokens must not follow a redirect to somebody else.
            .redirect(redirect::Policy::none());
        if let Some(pem) = &self.authority {
            let certificates = Certificate::from_pem_bundle(pem)
                .map_err(|e| fault(format!("certificate authority: {e}")))?;
            if certificates.is_empty() {
                return Err(fault("certificate authority: no certificate in the PEM text".to_owned()));
            }
            http = http.tls_certs_only(certificates);
        } else if base.scheme() == "http" {
            // Reading the system's authorities takes tens of milliseconds and none of them will be asked.
            http = http.tls_certs_only([]);
        }
        let http = http.build().map_err(|e| fault(metal_runtime::chain(&e).to_string()))?;
        Ok(Client { inner: Arc::new(Inner { http, base, auth: self.auth, timeout: self.timeout }) })
    }
}
