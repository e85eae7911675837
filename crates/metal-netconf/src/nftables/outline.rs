//! What a device has of our table: from the JSON nft lists it in.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::rule::Hook;
use super::{FAMILY, NAME};

/// A table, as far as all versions of nft tell it alike.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline {
    /// Chains by name.
    pub chains: BTreeMap<String, ChainOutline>,
    /// How many things are in the table that we never put there.
    pub strange: usize,
}

/// A chain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChainOutline {
    /// Where it looks at packets; empty if nowhere.
    pub hook: String,
    /// Its priority there.
    pub priority: i64,
    /// What becomes of packets no rule decides on; empty without a hook.
    pub policy: String,
    /// The rules' comments in order; empty for a rule without.
    pub comments: Vec<String>,
}

impl ChainOutline {
    pub(super) fn of(hook: Hook, comments: Vec<String>) -> Self {
        let priority = hook.priority().into();
        Self { hook: hook.name().to_owned(), priority, policy: "accept".to_owned(), comments }
    }
}

/// Why a listing was not understood.
#[derive(Debug, thiserror::Error)]
#[error("read what nft lists")]
pub struct OutlineError(#[from] serde_json::Error);

#[derive(Deserialize)]
struct Listing {
    nftables: Vec<BTreeMap<String, Value>>,
}

#[derive(Deserialize)]
struct TableObject {
    family: String,
    name: String,
    flags: Option<Value>,
}

#[derive(Deserialize)]
struct ChainObject {
    name: String,
    hook: Option<String>,
    prio: Option<i64>,
    policy: Option<String>,
}

#[derive(Deserialize)]
struct RuleObject {
    chain: String,
    comment: Option<String>,
}

impl Outline {
    /// Reads the listing of our table, or of all tables. What follows the listing is not looked at. Nothing if our table
    /// is not in it.
    ///
    /// # Errors
    /// Fails if it is no such listing.
    pub fn parse(json: &str) -> Result<Option<Self>, OutlineError> {
        let mut values = serde_json::Deserializer::from_str(json).into_iter::<Listing>();
        // Where nothing is to be told some versions tell nothing at all.
        let listing = values.next().transpose()?;
        let mut found = None;
        for (kind, value) in listing.into_iter().flat_map(|listing| listing.nftables).flatten() {
            if kind == "table" {
                let table: TableObject = serde_json::from_value(value)?;
                if table.family == FAMILY && table.name == NAME {
                    let strange = usize::from(table.flags.is_some());
                    found = Some(Self { strange, ..Self::default() });
                }
            } else if let Some(outline) = found.as_mut().filter(|_| kind != "metainfo") {
                outline.take(&kind, value)?;
            }
        }
        Ok(found)
    }

    fn take(&mut self, kind: &str, value: Value) -> Result<(), OutlineError> {
        match kind {
            "chain" => {
                let object: ChainObject = serde_json::from_value(value)?;
                let chain = self.chains.entry(object.name).or_default();
                chain.hook = object.hook.unwrap_or_default();
                chain.priority = object.prio.unwrap_or_default();
                chain.policy = object.policy.unwrap_or_default();
            }
            "rule" => {
                let object: RuleObject = serde_json::from_value(value)?;
                let chain = self.chains.entry(object.chain).or_default();
                chain.comments.push(object.comment.unwrap_or_default());
            }
            _ => self.strange += 1,
        }
        Ok(())
    }
}
