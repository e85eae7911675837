//! One request of one operation: path parameters, query, body; sent once, answered or not.

use std::time::Duration;

use bytes::Bytes;
use metal_model::v1::operation::DRY_RUN;
use metal_model::v1::{Method, Operation, error, json};
use metal_runtime::clock;
use reqwest::{Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::client::Inner;
use crate::error::{ApiError, Error};

/// A request that is being put together.
#[must_use = "a request does nothing until it is sent"]
pub struct Request<'a> {
    client: &'a Inner,
    operation: &'static Operation,
    path: Vec<String>,
    query: Vec<(&'static str, String)>,
    body: Result<Option<Vec<u8>>, Error>,
    content_type: String,
    ok: &'static [u16],
}

impl<'a> Request<'a> {
    pub(crate) fn new(client: &'a Inner, operation: &'static Operation) -> Self {
        // Operations without parameters in the body still want one to be there.
        let empty = operation.request == Some("v1.EmptyBody");
        Self {
            client,
            operation,
            path: Vec::new(),
            query: Vec::new(),
            body: Ok(empty.then(|| b"[]".to_vec())),
            content_type: "application/json".to_owned(),
            ok: operation.ok,
        }
    }

    /// Fills the next parameter of the path.
    pub fn path(mut self, value: &str) -> Self {
        self.path.push(value.to_owned());
        self
    }

    /// Sets a query parameter.
    pub fn query<V: ToString + ?Sized>(mut self, name: &'static str, value: &V) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    /// Sets a query parameter if there is a value.
    pub fn query_some<V: ToString + ?Sized>(self, name: &'static str, value: Option<&V>) -> Self {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }

    /// Only asks what would happen. Nothing is created then, so the answer is never "created".
    pub fn dry_run(mut self) -> Self {
        self.ok = &[200];
        self.query(DRY_RUN.name, &true)
    }

    /// Sets the body.
    pub fn body<B: Serialize + ?Sized>(mut self, body: &B) -> Self {
        let operation = self.operation.id;
        self.body = serde_json::to_vec(body).map(Some).map_err(|source| Error::Encode { operation, source });
        self
    }

    /// Sets a body with one file in it.
    pub fn file(mut self, name: &str, content: &[u8]) -> Self {
        let boundary: String = clock::random::<16>().iter().map(|b| format!("{b:02x}")).collect();
        let name: String = name.chars().filter(|c| !matches!(c, '"' | '\\' | '\r' | '\n')).collect();
        let mut body = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        )
        .into_bytes();
        body.extend_from_slice(content);
        body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        self.content_type = format!("multipart/form-data; boundary={boundary}");
        self.body = Ok(Some(body));
        self
    }

    /// Sends the request and reads the answer.
    pub async fn send<R: DeserializeOwned + Default>(self) -> Result<R, Error> {
        let (status, url, bytes) = self.exchange().await?;
        let _ = status;
        json::decode(&bytes).map_err(|source| Error::Decode { url, source })
    }

    /// Sends the request and reads the answer together with its status, for operations that have several.
    pub async fn send_with_status<R: DeserializeOwned + Default>(self) -> Result<(u16, R), Error> {
        let (status, url, bytes) = self.exchange().await?;
        Ok((status, json::decode(&bytes).map_err(|source| Error::Decode { url, source })?))
    }

    /// Sends the request and looks only at the status of the answer.
    pub async fn send_for_nothing(self) -> Result<(), Error> {
        self.exchange().await.map(|_| ())
    }

    async fn exchange(self) -> Result<(u16, String, Bytes), Error> {
        let timeout = self.client.timeout;
        let (response, url) = self.start(Some(timeout)).await?;
        let status = response.status().as_u16();
        let bytes = response.bytes().await.map_err(|e| transport(e, &url, timeout))?;
        Ok((status, url, bytes))
    }

    /// Sends the request and returns the answer as soon as it is known to be a success.
    pub(crate) async fn start(self, timeout: Option<Duration>) -> Result<(Response, String), Error> {
        let url = self.url()?;
        let name = url.to_string();
        let method = self.operation.method;
        let mut request = match method {
            Method::Get => self.client.http.get(url),
            Method::Post => self.client.http.post(url),
            Method::Put => self.client.http.put(url),
            Method::Delete => self.client.http.delete(url),
        };
        if let Some(timeout) = timeout {
            request = request.timeout(timeout);
        }
        for (header, value) in self.client.auth.headers(method.as_str()) {
            request = request.header(header, value);
        }
        if let Some(body) = self.body? {
            request = request.header("content-type", self.content_type).body(body);
        }
        let waited = timeout.unwrap_or(self.client.timeout);
        let response = request.send().await.map_err(|e| transport(e, &name, waited))?;
        let status = response.status().as_u16();
        if self.ok.contains(&status) {
            return Ok((response, name));
        }
        let bytes = response.bytes().await.map_err(|e| transport(e, &name, waited))?;
        Err(refusal(self.operation, status, &bytes).into())
    }

    fn url(&self) -> Result<Url, Error> {
        let mut url = self.client.base.clone();
        let mut values = self.path.iter();
        {
            let mut segments =
                url.path_segments_mut().expect("the base was checked when the client was built");
            segments.pop_if_empty();
            for part in self.operation.path.split('/').skip(1) {
                if !part.starts_with('{') {
                    segments.push(part);
                    continue;
                }
                match values.next() {
                    Some(value) if !value.is_empty() && value != "." && value != ".." => segments.push(value),
                    _ => {
                        return Err(Error::Setup {
                            url: self.client.base.to_string(),
                            why: format!("{} needs a value for {part}", self.operation.id),
                        });
                    }
                };
            }
        }
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        Ok(url)
    }
}

/// Reads the body of an error. Proxies on the way answer in their own forms.
fn refusal(operation: &'static Operation, status: u16, bytes: &[u8]) -> ApiError {
    let message = match error::parse(bytes) {
        Some(error) => error.message,
        None => {
            let text = String::from_utf8_lossy(&bytes[..bytes.len().min(500)]);
            match text.trim() {
                "" => "the answer says nothing more".to_owned(),
                text => text.trim_matches('"').to_owned(),
            }
        }
    };
    ApiError { operation: operation.id, status, message, typed: operation.typed.contains(&status) }
}

pub(crate) fn transport(source: reqwest::Error, url: &str, after: Duration) -> Error {
    let url = url.to_owned();
    let source = source.without_url();
    if source.is_connect() {
        Error::Connect { url, source }
    } else if source.is_timeout() {
        Error::Timeout { url, after }
    } else {
        Error::Broken { url, source }
    }
}

#[cfg(test)]
mod tests {
    use metal_model::v1::operation;

    use super::*;
    use crate::Client;

    #[test]
    fn urls_keep_the_base_path_and_escape_values() {
        let client = Client::builder("http://localhost:1/metal/").build().unwrap();
        let request = client.request(&operation::DELETE_SWITCH).path("a/b c").query("force", &true);
        assert_eq!(
            request.url().unwrap().as_str(),
            "http://localhost:1/metal/v1/switch/a%2Fb%20c?force=true"
        );
        assert!(client.request(&operation::FIND_SWITCH).url().is_err());
        assert!(client.request(&operation::FIND_SWITCH).path("..").url().is_err());
    }

    #[test]
    fn refusals_are_read_in_every_form() {
        let said = |bytes: &[u8]| refusal(&operation::CREATE_SIZE, 409, bytes);
        assert_eq!(said(error::body(409, "it exists").as_bytes()).message, "it exists");
        assert_eq!(said(b"\"tenant X not allowed\"").message, "tenant X not allowed");
        assert_eq!(said(b"").message, "the answer says nothing more");
        assert!(said(b"").typed);
    }
}
