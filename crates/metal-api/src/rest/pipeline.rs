//! What every request goes through, in this order: a name, who asks, how often, whose tenant, which operation, which
//! media types, the body, the audit log, the role, the handler. Credentials come before routes, so that a stranger
//! learns nothing about what exists.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures::FutureExt as _;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use metal_model::v1::operation::MULTIPART;
use metal_model::v1::{Access, AuditResponse};
use metal_runtime::clock;
use tokio::sync::oneshot;
use tracing::Instrument as _;

use super::Rest;
use super::call::{Call, read_query, unescape};
use super::fault::Fault;
use super::negotiate;
use super::reply::{Body, EVENTS, JSON, Reply};
use super::route::{Found, Route};
use super::trace;
use crate::authn::User;
use crate::authz;
use crate::metrics::Answered;

/// Header with the name of a request.
const REQUEST_ID: &str = "x-request-id";
/// Longest name of a request that is taken over.
const LONGEST_RQID: usize = 128;

/// Anything wrong with reading a body; the transport's own error is of no use to the client.
type BodyError = Box<dyn std::error::Error + Send + Sync>;

impl Rest {
    /// Answers a request. Never fails and never panics: whatever goes wrong is an answer too.
    pub async fn handle<B>(self: &Arc<Self>, request: Request<B>, peer: SocketAddr) -> Response<Body>
    where
        B: hyper::body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BodyError>,
    {
        let started = clock::monotonic();
        let (head, body) = request.into_parts();
        let rqid = self.name(&head);
        let span =
            tracing::info_span!("request", method = %head.method, path = head.uri.path(), rqid = &*rqid);
        let mut response = if head.method == Method::OPTIONS {
            self.options(&head)
        } else {
            let wants_problem = negotiate::wants_problem(&head.headers);
            let answered = self.answer(&head, body, peer, &rqid, started).instrument(span).await;
            answered.unwrap_or_else(|fault| fault.render(wants_problem, &rqid))
        };
        let has_origin = head.headers.contains_key("origin");
        let headers = response.headers_mut();
        if let Ok(value) = HeaderValue::from_str(&rqid) {
            headers.insert(REQUEST_ID, value);
        }
        if has_origin {
            headers.insert("access-control-allow-origin", HeaderValue::from_static("*"));
        }
        let method = known_method(&head.method);
        self.app.metrics.requests.get_or_create(&Answered { code: response.status().as_u16(), method }).inc();
        response
    }

    async fn answer<B>(
        self: &Arc<Self>,
        head: &Parts,
        body: B,
        peer: SocketAddr,
        rqid: &Arc<str>,
        started: Instant,
    ) -> Result<Response<Body>, Fault>
    where
        B: hyper::body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BodyError>,
    {
        if let Some(response) = self.probe(head) {
            return Ok(response);
        }
        let user = self.authenticate(head, peer, started).await?;
        let path = head.uri.path();
        let below_base = path.strip_prefix(self.base.as_str()).map(|rest| format!("/{rest}"));
        if below_base.as_deref() == Some("/apidocs.json") && head.method == Method::GET {
            return Ok(json_response(StatusCode::OK, self.openapi.clone()));
        }
        let found = self.router.find(&head.method, below_base.as_deref().unwrap_or("//"));
        let is_open = matches!(&found, Found::Route(route, _) if route.operation.role == Access::Open);
        if !is_open {
            authz::check_tenant(&user, &self.app.config.provider_tenant)?;
        }
        let (route, parameters) = match found {
            Found::Route(route, parameters) => (route, parameters),
            Found::OtherMethods(allow) => {
                let message = format!("405: Method Not Allowed, possible here: {allow}");
                return Err(Fault { allow: Some(allow), ..Fault::new(405, message) });
            }
            Found::Nothing => return Err(Fault::new(404, "404: Page Not Found")),
        };
        check_media_types(head, route)?;
        let call = self.call(head, body, user, route, &parameters, rqid).await?;
        let response = self.act(head, peer, route, call).await;
        route.durations.observe(clock::monotonic().duration_since(started).as_secs_f64());
        response
    }

    /// Puts together what a handler gets.
    async fn call<B>(
        self: &Arc<Self>,
        head: &Parts,
        body: B,
        user: Arc<User>,
        route: &Route,
        parameters: &[&str],
        rqid: &Arc<str>,
    ) -> Result<Call, Fault>
    where
        B: hyper::body::Body<Data = Bytes> + Send,
        B::Error: Into<BodyError>,
    {
        let parameters: Option<Vec<String>> = parameters.iter().map(|text| unescape(text, false)).collect();
        let parameters = parameters.ok_or_else(|| Fault::new(400, "the path is not valid UTF-8"))?;
        let query = read_query(head.uri.query().unwrap_or_default());
        let query = query.ok_or_else(|| Fault::new(400, "the query is not valid UTF-8"))?;
        let body = match route.operation.request {
            None | Some("v1.EmptyBody" | MULTIPART) => Bytes::new(),
            Some(_) => self.read_body(head, body).await?,
        };
        let last_event_id = head.headers.get("last-event-id").and_then(|value| value.to_str().ok());
        Ok(Call {
            app: self.app.clone(),
            user,
            operation: route.operation,
            parameters,
            query,
            body,
            rqid: rqid.clone(),
            last_event_id: last_event_id.map(str::to_owned),
        })
    }

    async fn read_body<B>(&self, head: &Parts, body: B) -> Result<Bytes, Fault>
    where
        B: hyper::body::Body<Data = Bytes> + Send,
        B::Error: Into<BodyError>,
    {
        let limits = &self.app.config.limits;
        let too_large = || Fault::new(413, format!("the body is larger than {} bytes", limits.body_bytes));
        let declared = head.headers.get("content-length").and_then(|value| value.to_str().ok()?.parse().ok());
        if declared.is_some_and(|bytes: usize| bytes > limits.body_bytes) {
            return Err(too_large());
        }
        let read = Box::pin(Limited::new(body, limits.body_bytes).collect());
        match tokio::time::timeout(limits.request_timeout, read).await {
            Err(_) => Err(Fault::new(408, "the body did not arrive in time")),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
            Ok(Err(_)) => Err(Fault::new(400, "the body ended early or is malformed")),
            Ok(Ok(collected)) => Ok(collected.to_bytes()),
        }
    }

    /// Traces the request where that is due, and lets the handler answer it.
    async fn act(
        self: &Arc<Self>,
        head: &Parts,
        peer: SocketAddr,
        route: &Arc<Route>,
        call: Call,
    ) -> Result<Response<Body>, Fault> {
        let Some(audit) = self.app.audit.clone().filter(|_| route.operation.audited) else {
            return self.run(route, call).await.map(into_response);
        };
        let forwarded = head.headers.get("x-forwarded-for").and_then(|value| value.to_str().ok());
        let (method, path) = (head.method.as_str(), head.uri.path());
        let remote = peer.to_string();
        let trace = trace::request(
            &call.user,
            &call.rqid,
            method,
            path,
            forwarded.unwrap_or_default(),
            &remote,
            &call.body,
        );
        audit.record(trace.clone()).await?;
        // From here on the work goes on even if the client does not wait for it: an entry about a request without
        // one about its end would leave an auditor guessing.
        let (sender, answered) = oneshot::channel();
        let (rest, route) = (self.clone(), route.clone());
        let wants_problem = negotiate::wants_problem(&head.headers);
        let work = async move {
            let outcome = rest.run(&route, call).await.map(into_response);
            let response = outcome.unwrap_or_else(|fault| fault.render(wants_problem, &trace.rqid));
            rest.trace_response(trace, &response).await;
            // A client that went away gets no answer.
            let _ = sender.send(response);
        };
        self.app.edges.spawn("request", work.instrument(tracing::Span::current()));
        answered
            .await
            .map_err(|_| Fault::new(500, "Internal the server ended before the request was answered"))
    }

    async fn trace_response(&self, request: AuditResponse, response: &Response<Body>) {
        let Some(audit) = &self.app.audit else { return };
        let trace = trace::response(request, response.status().as_u16(), response.body().as_full());
        if let Err(error) = audit.note(trace).await {
            // The deed is done; refusing its answer would help nobody.
            tracing::error!(error = metal_runtime::chain(&error), "audit trace of an answer not stored");
        }
    }

    /// The role, then the handler, within its time; a panic is an answer like any other.
    async fn run(&self, route: &Route, call: Call) -> Result<Reply, Fault> {
        authz::check_role(&call.user, route.operation.role)?;
        let work = AssertUnwindSafe(route.answer(call)).catch_unwind();
        match tokio::time::timeout(self.app.config.limits.request_timeout, work).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(_)) => {
                self.app.metrics.panics.inc();
                tracing::error!(operation = route.operation.id, "handler panicked");
                Err(Fault::new(500, "Internal the request met a defect of this server"))
            }
            Err(_) => Err(Fault::new(503, "Internal the request took too long; it may still be carried out")),
        }
    }

    /// Who asks, and whether they ask too often.
    async fn authenticate(&self, head: &Parts, peer: SocketAddr, now: Instant) -> Result<Arc<User>, Fault> {
        let app = &self.app;
        let snapshot = app.store.snapshot();
        let method = head.method.as_str();
        let shown = app.authenticator.identify(method, &head.headers, app.clock.now(), &snapshot.state).await;
        let taken = match &shown {
            Ok(user) if !user.is_guest() => app.rate_limit.take(&user.caller.email, now),
            // Strangers are told apart by where they come from.
            Ok(_) | Err(_) => app.rate_limit.take(&peer.ip().to_string(), now),
        };
        if let Err(wait) = taken {
            app.metrics.limited.inc();
            let fault = Fault::new(429, "too many requests, please retry later");
            return Err(Fault { retry_after: Some(wait), ..fault });
        }
        shown.map_err(|error| {
            tracing::info!(reason = metal_runtime::chain(&error), peer = %peer.ip(), "credentials refused");
            error.into()
        })
    }

    /// Answers probes of those who run this server; they have no credentials and learn nothing but yes or no.
    fn probe(&self, head: &Parts) -> Option<Response<Body>> {
        if head.method != Method::GET {
            return None;
        }
        match head.uri.path() {
            "/healthz" => Some(plain(StatusCode::OK, "ok\n")),
            "/readyz" => Some(match self.app.not_ready() {
                None => plain(StatusCode::OK, "ok\n"),
                Some(why) => plain(StatusCode::SERVICE_UNAVAILABLE, why),
            }),
            _ => None,
        }
    }

    /// What browsers ask before they send a request from another site.
    fn options(&self, head: &Parts) -> Response<Body> {
        let mut response = Response::new(Body::full(Bytes::new()));
        let headers = response.headers_mut();
        let below_base = head.uri.path().strip_prefix(self.base.as_str()).map(|rest| format!("/{rest}"));
        let found = self.router.find(&Method::OPTIONS, below_base.as_deref().unwrap_or("//"));
        if let Found::OtherMethods(allow) = found
            && let Ok(allow) = HeaderValue::from_str(&allow)
        {
            headers.insert("allow", allow);
        }
        if head.headers.contains_key("origin") {
            let fixed = HeaderValue::from_static;
            headers.insert("access-control-allow-methods", fixed("GET, POST, PUT, DELETE"));
            let names = "Content-Type, Accept, Authorization, X-Date, X-Data-Salt, X-Request-Id";
            headers.insert("access-control-allow-headers", fixed(names));
            headers.insert("access-control-max-age", fixed("600"));
        }
        response
    }

    /// The name the client gave the request, or a new one.
    fn name(&self, head: &Parts) -> Arc<str> {
        let given = head.headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
        let good = given.filter(|text| {
            !text.is_empty() && text.len() <= LONGEST_RQID && text.bytes().all(|byte| byte.is_ascii_graphic())
        });
        good.map_or_else(
            || {
                let millis = u64::try_from(self.app.clock.now().as_millisecond()).unwrap_or_default();
                uuid::Builder::from_unix_timestamp_millis(millis, &clock::random())
                    .into_uuid()
                    .to_string()
                    .into()
            },
            Into::into,
        )
    }
}

/// 415 and 406.
fn check_media_types(head: &Parts, route: &Route) -> Result<(), Fault> {
    let operation = route.operation;
    let needs_json = match operation.request {
        // Ignored bodies may be anything; the deprecated ones without a schema always could.
        None | Some("v1.EmptyBody") => false,
        Some(MULTIPART) => false,
        Some(_) => {
            matches!(head.method, Method::POST | Method::PUT) || head.headers.contains_key(CONTENT_TYPE)
        }
    };
    if needs_json && !negotiate::sends_json(&head.headers) {
        return Err(Fault::new(415, "415: Unsupported Media Type, a body must be application/json"));
    }
    let answers = match operation.response {
        metal_model::v1::Body::Stream(_) => EVENTS,
        metal_model::v1::Body::None | metal_model::v1::Body::One(_) | metal_model::v1::Body::List(_) => JSON,
    };
    if !negotiate::reads(&head.headers, answers) {
        return Err(Fault::new(406, format!("406: Not Acceptable, the answer is {answers}")));
    }
    Ok(())
}

fn into_response(reply: Reply) -> Response<Body> {
    let mut response = Response::new(reply.body);
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
    if let Some(kind) = reply.content_type {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    response
}

fn json_response(status: StatusCode, body: Bytes) -> Response<Body> {
    into_response(Reply { status: status.as_u16(), content_type: Some(JSON), body: Body::full(body) })
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    let content_type = Some("text/plain; charset=utf-8");
    into_response(Reply { status: status.as_u16(), content_type, body: Body::full(text) })
}

/// The method as a label; strangers must not be able to make new ones.
fn known_method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::HEAD => "HEAD",
        Method::PATCH => "PATCH",
        _ => "other",
    }
}
