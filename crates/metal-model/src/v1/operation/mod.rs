//! What the public API can be asked to do, as data: method, path, who may, what goes in and what comes out.

mod addition;
mod catalogue;
mod fabric;
mod machine;
mod people;
mod table;

pub use addition::*;
pub use catalogue::*;
pub use fabric::*;
pub use machine::*;
pub use people::*;
pub use table::ALL;

/// Name that stands for a multipart body in [`Operation::request`].
pub const MULTIPART: &str = "multipart/form-data";

/// HTTP method of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// Reads.
    Get,
    /// Changes, searches and does everything else.
    Post,
    /// Creates.
    Put,
    /// Deletes and releases.
    Delete,
}

impl Method {
    /// The method as it stands in a request.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// Who may use an operation. Each includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// Anybody.
    Open,
    /// Anybody of the provider's tenant.
    Member,
    /// Role view.
    View,
    /// Role edit.
    Edit,
    /// Role admin.
    Admin,
}

/// What an operation answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// Nothing.
    None,
    /// One object of the named schema.
    One(&'static str),
    /// A list of objects of the named schema.
    List(&'static str),
    /// Server-sent events, each an object of the named schema.
    Stream(&'static str),
}

/// Type of a query parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryKind {
    /// `true` or `false`.
    Flag,
    /// Any text.
    Text,
    /// A number that is not negative.
    Number,
}

/// A query parameter; all are optional.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryParam {
    /// Name in the URL.
    pub name: &'static str,
    /// Type.
    pub kind: QueryKind,
}

impl QueryParam {
    const fn flag(name: &'static str) -> Self {
        Self { name, kind: QueryKind::Flag }
    }

    const fn text(name: &'static str) -> Self {
        Self { name, kind: QueryKind::Text }
    }

    const fn number(name: &'static str) -> Self {
        Self { name, kind: QueryKind::Number }
    }
}

/// One operation of the public API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// Name the generated clients give it.
    pub id: &'static str,
    /// Method.
    pub method: Method,
    /// Path relative to the base path, parameters in braces.
    pub path: &'static str,
    /// Who may.
    pub role: Access,
    /// Schema of the request body, or [`MULTIPART`].
    pub request: Option<&'static str>,
    /// What is answered on success.
    pub response: Body,
    /// Status codes that carry the response.
    pub ok: &'static [u16],
    /// Error codes clients tell apart by type.
    pub typed: &'static [u16],
    /// Whether its use is written to the audit log.
    pub audited: bool,
    /// Query parameters.
    pub query: &'static [QueryParam],
    /// Resource it belongs to.
    pub tag: &'static str,
}

impl Operation {
    const fn new(method: Method, id: &'static str, path: &'static str, role: Access) -> Self {
        let audited = !matches!(method, Method::Get);
        Self {
            id,
            method,
            path,
            role,
            request: None,
            response: Body::None,
            ok: &[200],
            typed: &[],
            audited,
            query: &[],
            tag: "",
        }
    }

    const fn get(id: &'static str, path: &'static str, role: Access) -> Self {
        Self::new(Method::Get, id, path, role)
    }

    const fn post(id: &'static str, path: &'static str, role: Access) -> Self {
        Self::new(Method::Post, id, path, role)
    }

    const fn put(id: &'static str, path: &'static str, role: Access) -> Self {
        Self::new(Method::Put, id, path, role)
    }

    const fn delete(id: &'static str, path: &'static str, role: Access) -> Self {
        Self::new(Method::Delete, id, path, role)
    }

    const fn tag(mut self, tag: &'static str) -> Self {
        self.tag = tag;
        self
    }

    const fn takes(mut self, schema: &'static str) -> Self {
        self.request = Some(schema);
        self
    }

    const fn gives(mut self, schema: &'static str) -> Self {
        self.response = Body::One(schema);
        self
    }

    const fn lists(mut self, schema: &'static str) -> Self {
        self.response = Body::List(schema);
        self
    }

    const fn streams(mut self, schema: &'static str) -> Self {
        self.response = Body::Stream(schema);
        self
    }

    const fn ok(mut self, codes: &'static [u16]) -> Self {
        self.ok = codes;
        self
    }

    const fn typed(mut self, codes: &'static [u16]) -> Self {
        self.typed = codes;
        self
    }

    const fn audited(mut self) -> Self {
        self.audited = true;
        self
    }

    const fn unaudited(mut self) -> Self {
        self.audited = false;
        self
    }

    const fn query(mut self, parameters: &'static [QueryParam]) -> Self {
        self.query = parameters;
        self
    }

    /// Names of the parameters in the path, in order.
    pub fn path_parameters(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::v1::schemas;

    #[test]
    fn there_are_114_and_none_twice() {
        assert_eq!(ALL.len(), 114);
        let both = || ALL.iter().chain(ADDITIONS);
        assert_eq!(both().map(|o| o.id).collect::<BTreeSet<_>>().len(), 114 + ADDITIONS.len());
        assert_eq!(both().map(|o| (o.method, o.path)).collect::<BTreeSet<_>>().len(), 114 + ADDITIONS.len());
    }

    #[test]
    fn every_body_has_a_schema() {
        let known: BTreeSet<String> = schemas().into_iter().map(|s| s.name).collect();
        for operation in ALL.iter().chain(ADDITIONS) {
            let answer = match operation.response {
                Body::None => None,
                Body::One(name) | Body::List(name) | Body::Stream(name) => Some(name),
            };
            for name in operation.request.into_iter().chain(answer).filter(|n| *n != MULTIPART) {
                assert!(known.contains(name), "{name} of {} has no schema", operation.id);
            }
        }
    }

    #[test]
    fn added_queries_belong_to_operations() {
        for (id, _) in ADDED_QUERY {
            assert!(ALL.iter().any(|o| o.id == *id), "{id}");
        }
    }

    #[test]
    fn writes_are_audited_and_reads_are_not() {
        let audited = |id: &str| ALL.iter().find(|o| o.id == id).unwrap().audited;
        for id in [
            "allocateMachine",
            "getMachineConsolePassword",
            "freeIP",
            "machineOff",
            "registerSwitch",
            "ipmiReport",
        ] {
            assert!(audited(id), "{id}");
        }
        for id in [
            "findMachines",
            "issues",
            "notifySwitch",
            "suggest",
            "partitionCapacity",
            "listMachines",
            "health",
        ] {
            assert!(!audited(id), "{id}");
        }
    }
}
