//! From method and path to the operation. The tree is built from the table of operations only: an operation
//! without a handler, with two, or of another table keeps the server from starting.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use futures::future::BoxFuture;
use metal_model::v1::operation::{ADDITIONS, ALL};
use metal_model::v1::{Method, Operation};
use prometheus_client::metrics::histogram::Histogram;

use super::call::Call;
use super::fault::Fault;
use super::reply::Reply;
use crate::metrics::{self, Metrics};

type Handler = Box<dyn Fn(Call) -> BoxFuture<'static, Result<Reply, Fault>> + Send + Sync>;

/// An operation and what answers it.
pub struct Route {
    /// The operation.
    pub operation: &'static Operation,
    /// Time its requests took.
    pub durations: Histogram,
    handler: Handler,
}

impl Route {
    /// Answers a request.
    pub fn answer(&self, call: Call) -> BoxFuture<'static, Result<Reply, Fault>> {
        (self.handler)(call)
    }
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Route").field(&self.operation.id).finish()
    }
}

/// The table of operations and the handlers do not fit together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// Nothing answers it.
    #[error("operation {0} has no handler")]
    Missing(&'static str),
    /// It is answered twice.
    #[error("operation {0} has two handlers")]
    Twice(&'static str),
    /// It is not in the table.
    #[error("operation {0} is not in the table")]
    Unknown(&'static str),
}

/// Collects handlers.
#[derive(Default)]
pub struct Routes {
    handlers: Vec<(&'static Operation, Handler)>,
}

impl Routes {
    /// Answers an operation.
    pub fn on<F, A>(&mut self, operation: &'static Operation, handler: F) -> &mut Self
    where
        F: Fn(Call) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Reply, Fault>> + Send + 'static,
    {
        let handler: Handler = Box::new(move |call| Box::pin(handler(call)));
        self.handlers.push((operation, handler));
        self
    }

    /// Checks that every operation is answered exactly once, and builds the tree.
    pub fn build(self, metrics: &Metrics) -> Result<Router, RouteError> {
        let mut router = Router::default();
        let mut answered: BTreeMap<&'static str, Handler> = BTreeMap::new();
        for (operation, handler) in self.handlers {
            if !ALL.iter().chain(ADDITIONS).any(|known| **known == *operation) {
                return Err(RouteError::Unknown(operation.id));
            }
            if answered.insert(operation.id, handler).is_some() {
                return Err(RouteError::Twice(operation.id));
            }
        }
        for operation in ALL.iter().chain(ADDITIONS).copied() {
            let handler = answered.remove(operation.id).ok_or(RouteError::Missing(operation.id))?;
            let labels = metrics::Route { route: operation.path, method: operation.method.as_str() };
            let durations = metrics.durations.get_or_create(&labels).clone();
            router.insert(Route { operation, durations, handler });
        }
        Ok(router)
    }
}

/// All routes.
#[derive(Debug, Default)]
pub struct Router {
    routes: Vec<Arc<Route>>,
    root: Node,
}

#[derive(Debug, Default)]
struct Node {
    literal: BTreeMap<&'static str, Node>,
    parameter: Option<Box<Node>>,
    /// Index of the route of each method.
    methods: [Option<usize>; 4],
}

/// What stands at a path.
#[derive(Debug)]
pub enum Found<'r, 'p> {
    /// A route, and the values of its parameters as they stand in the path.
    Route(&'r Arc<Route>, Vec<&'p str>),
    /// Only routes of other methods.
    OtherMethods(String),
    /// Nothing.
    Nothing,
}

const METHODS: [Method; 4] = [Method::Get, Method::Post, Method::Put, Method::Delete];

fn place(method: Method) -> usize {
    match method {
        Method::Get => 0,
        Method::Post => 1,
        Method::Put => 2,
        Method::Delete => 3,
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.strip_prefix('/').unwrap_or(path).split('/')
}

impl Router {
    fn insert(&mut self, route: Route) {
        let mut node = &mut self.root;
        for segment in segments(route.operation.path) {
            node = if segment.starts_with('{') {
                node.parameter.get_or_insert_default()
            } else {
                node.literal.entry(segment).or_default()
            };
        }
        node.methods[place(route.operation.method)] = Some(self.routes.len());
        self.routes.push(Arc::new(route));
    }

    /// Looks up a path without its base; one slash at its end makes no difference. Where several routes match,
    /// words win over parameters, but only if the method fits.
    pub fn find<'r, 'p>(&'r self, method: &http::Method, path: &'p str) -> Found<'r, 'p> {
        let trimmed = path.strip_suffix('/').filter(|rest| !rest.is_empty()).unwrap_or(path);
        let parts: Vec<&str> = segments(trimmed).collect();
        let mut matches = Vec::new();
        collect(&self.root, &parts, &mut Vec::new(), &mut matches);
        let wanted = METHODS.iter().find(|m| m.as_str() == method.as_str()).map(|m| place(*m));
        for (node, parameters) in &mut matches {
            if let Some(index) = wanted.and_then(|wanted| node.methods[wanted]) {
                return Found::Route(&self.routes[index], std::mem::take(parameters));
            }
        }
        let allowed =
            METHODS.iter().filter(|m| matches.iter().any(|(node, _)| node.methods[place(**m)].is_some()));
        let allowed: Vec<&str> = allowed.map(|m| m.as_str()).collect();
        if allowed.is_empty() { Found::Nothing } else { Found::OtherMethods(allowed.join(", ")) }
    }
}

fn collect<'r, 'p>(
    node: &'r Node,
    rest: &[&'p str],
    parameters: &mut Vec<&'p str>,
    matches: &mut Vec<(&'r Node, Vec<&'p str>)>,
) {
    let Some((&first, rest)) = rest.split_first() else {
        matches.push((node, parameters.clone()));
        return;
    };
    if let Some(next) = node.literal.get(first) {
        collect(next, rest, parameters, matches);
    }
    if let Some(next) = &node.parameter
        && !first.is_empty()
    {
        parameters.push(first);
        collect(next, rest, parameters, matches);
        parameters.pop();
    }
}

#[cfg(test)]
mod tests {
    use metal_runtime::metrics::Registry;

    use super::*;

    async fn nothing(_: Call) -> Result<Reply, Fault> {
        Ok(Reply::empty(200))
    }

    fn complete() -> Routes {
        let mut routes = Routes::default();
        for operation in ALL.iter().chain(ADDITIONS) {
            routes.on(operation, nothing);
        }
        routes
    }

    fn build(routes: Routes) -> Result<Router, RouteError> {
        routes.build(&Metrics::new(&Registry::new()))
    }

    #[test]
    fn every_operation_is_answered_once_or_nothing_starts() {
        assert!(build(complete()).is_ok());
        let mut without = complete();
        without.handlers.pop();
        assert!(matches!(build(without), Err(RouteError::Missing(_))));
        let mut twice = complete();
        twice.on(ALL[0], nothing);
        assert_eq!(build(twice).err(), Some(RouteError::Twice("listMachines")));
        let mut other = complete();
        let foreign = Operation { path: "/v2/machine", ..*ALL[0] };
        other.on(Box::leak(Box::new(foreign)), nothing);
        assert!(matches!(build(other), Err(RouteError::Unknown(_))));
    }

    #[test]
    fn words_win_over_parameters_unless_the_method_says_otherwise() {
        let router = build(complete()).unwrap();
        let find = |method: http::Method, path| match router.find(&method, path) {
            Found::Route(route, parameters) => format!("{} {}", route.operation.id, parameters.join(",")),
            Found::OtherMethods(allowed) => format!("405 {allowed}"),
            Found::Nothing => "404".to_owned(),
        };
        assert_eq!(find(http::Method::GET, "/v1/machine"), "listMachines ");
        assert_eq!(find(http::Method::GET, "/v1/machine/"), "listMachines ");
        assert_eq!(find(http::Method::GET, "/v1/machine//"), "404");
        assert_eq!(find(http::Method::GET, "/v1/machine/m1/ipmi/"), "findIPMIMachine m1");
        assert_eq!(find(http::Method::GET, "/v1/machine/ipmi"), "findMachine ipmi");
        assert_eq!(find(http::Method::POST, "/v1/machine/ipmi"), "ipmiReport ");
        assert_eq!(find(http::Method::DELETE, "/v1/network/free/n1"), "freeNetwork n1");
        assert_eq!(find(http::Method::PATCH, "/v1/network/free/n1"), "405 POST, DELETE");
        assert_eq!(find(http::Method::POST, "/v1/machine/m1"), "405 GET, DELETE");
        assert_eq!(find(http::Method::PUT, "/v1/firmware/bios/a/b/1"), "uploadFirmware bios,a,b,1");
        assert_eq!(find(http::Method::GET, "/v2/machine"), "404");
        assert_eq!(find(http::Method::GET, "/"), "404");
    }
}
