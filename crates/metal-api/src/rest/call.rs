//! A request after everything that is the same for all of them: who, what, and the means to answer.

use std::sync::Arc;

use bytes::Bytes;
use metal_model::v1::json;
use metal_model::v1::operation::ADDED_QUERY;
use metal_model::v1::{Operation, QueryKind};
use metal_plan::{Env, Error, Snapshot, Tx};
use metal_store::Published;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::fault::Fault;
use super::reply::Reply;
use crate::app::App;
use crate::authn::User;

/// A request on its way to its handler.
#[derive(Debug)]
pub struct Call {
    /// The server.
    pub app: Arc<App>,
    /// Who asks.
    pub user: Arc<User>,
    /// What is asked for.
    pub operation: &'static Operation,
    /// Values of the path's parameters, in order.
    pub parameters: Vec<String>,
    /// Parameters of the query, decoded.
    pub query: Vec<(String, String)>,
    /// The body, where the operation has one.
    pub body: Bytes,
    /// Name of the request.
    pub rqid: Arc<str>,
    /// Where a stream of changes was interrupted.
    pub last_event_id: Option<String>,
}

impl Call {
    /// The first parameter of the path; nearly always the id.
    pub fn id(&self) -> &str {
        self.parameters.first().map_or("", String::as_str)
    }

    /// Reads the body.
    pub fn read<T: DeserializeOwned + Default>(&self) -> Result<T, Fault> {
        Ok(json::decode(&self.body)?)
    }

    /// A parameter of the query.
    pub fn text(&self, name: &str) -> Option<&str> {
        debug_assert!(self.declares(name, QueryKind::Text) || self.declares(name, QueryKind::Number));
        self.value(name)
    }

    /// A parameter of the query that is yes or no; no when absent.
    pub fn flag(&self, name: &'static str) -> Result<bool, Fault> {
        debug_assert!(self.declares(name, QueryKind::Flag));
        match self.value(name) {
            None | Some("" | "false" | "0" | "f" | "F" | "FALSE" | "False") => Ok(false),
            Some("true" | "1" | "t" | "T" | "TRUE" | "True") => Ok(true),
            Some(other) => Err(Fault::invalid(name, format!("{other:?} is neither true nor false"))),
        }
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// What is read here must stand in the table, or nobody learns of it.
    fn declares(&self, name: &str, kind: QueryKind) -> bool {
        let added =
            ADDED_QUERY.iter().filter(|(id, _)| *id == self.operation.id).map(|(_, parameter)| parameter);
        self.operation.query.iter().chain(added).any(|known| known.name == name && known.kind == kind)
    }

    /// A snapshot that contains everything acknowledged before this request began.
    pub async fn snapshot(&self) -> Result<Arc<Published<Snapshot>>, Fault> {
        Ok(self.app.fresh().await?)
    }

    /// Time, seed and caller for a decision that only reads.
    pub fn env(&self) -> Env {
        self.app.env(&self.user.caller)
    }

    /// Decides, makes it durable, and gives what the decision gave.
    pub async fn decide<T, F>(&self, decide: F) -> Result<T, Fault>
    where
        F: FnMut(&mut Tx, &mut Env) -> Result<T, Error> + Send + 'static,
        T: Send + 'static,
    {
        Ok(self.app.transact(self.operation.id, &self.user.caller, decide).await?.value)
    }

    /// Decides and answers with what the decision gave.
    pub async fn change<T, F>(&self, decide: F) -> Result<Reply, Fault>
    where
        F: FnMut(&mut Tx, &mut Env) -> Result<T, Error> + Send + 'static,
        T: Serialize + Send + 'static,
    {
        let value = self.decide(decide).await?;
        Ok(self.answer(&value))
    }

    /// Decides against the newest state and answers what would come of it; nothing is written.
    pub async fn rehearse<T, F>(&self, decide: F) -> Result<Reply, Fault>
    where
        F: FnOnce(&mut Tx, &mut Env) -> Result<T, Error>,
        T: Serialize,
    {
        let published = self.snapshot().await?;
        let value = decide(&mut Tx::new(&published.state), &mut self.env())?;
        Ok(Reply::json(200, &value))
    }

    /// Answers with what a read of the newest state gives.
    pub async fn look<T, F>(&self, read: F) -> Result<Reply, Fault>
    where
        F: FnOnce(&Snapshot) -> Result<T, Error>,
        T: Serialize,
    {
        let published = self.snapshot().await?;
        Ok(self.answer(&read(&published.state)?))
    }

    /// Answers with a list.
    pub fn list<D, R>(
        &self,
        published: Arc<Published<Snapshot>>,
        items: Vec<Arc<D>>,
        view: impl Fn(&Snapshot, &D) -> R + Send + 'static,
    ) -> Reply
    where
        D: Send + Sync + 'static,
        R: Serialize,
    {
        let each = move |snapshot: &Snapshot, some: &[Arc<D>]| {
            some.iter().map(|item| view(snapshot, item)).collect()
        };
        Reply::list(&self.app.edges, published, items, each)
    }

    /// Whether a URL of the request can be fetched, where that is to be checked.
    pub async fn check_url(&self, field: &'static str, url: &str) -> Result<(), Fault> {
        if !self.app.config.check_urls {
            return Ok(());
        }
        self.app.outbound.head(url).await.map_err(|error| Fault::invalid(field, error))
    }

    /// The answer with the operation's status of success.
    pub fn answer(&self, value: &impl Serialize) -> Reply {
        Reply::json(self.operation.ok.first().copied().unwrap_or(200), value)
    }
}

/// Decodes a part of a URL; none when it is not UTF-8 or its escapes are broken.
pub fn unescape(text: &str, plus_is_space: bool) -> Option<String> {
    if !text.contains(['%', '+']) {
        return Some(text.to_owned());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let mut digit = || rest.next().and_then(|d| char::from(d).to_digit(16));
                let value = digit()? * 16 + digit()?;
                bytes.push(u8::try_from(value).ok()?);
            }
            b'+' if plus_is_space => bytes.push(b' '),
            _ => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).ok()
}

/// Reads the query of a URL; none when it is not UTF-8 or its escapes are broken.
pub fn read_query(query: &str) -> Option<Vec<(String, String)>> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((unescape(name, true)?, unescape(value, true)?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone_once() {
        assert_eq!(unescape("a%2Fb%252F+c", false).as_deref(), Some("a/b%2F+c"));
        assert_eq!(unescape("2001%3Adb8%3A%3A1", false).as_deref(), Some("2001:db8::1"));
        for broken in ["%", "%2", "%zz", "%ff", "%+1"] {
            assert_eq!(unescape(broken, false), None, "{broken}");
        }
        let query = read_query("a=1&&b=x+y%26&c").unwrap();
        assert_eq!(query, [("a", "1"), ("b", "x y&"), ("c", "")].map(|(k, v)| (k.to_owned(), v.to_owned())));
    }
}
