//! Arguments that many commands have, and how their values are read.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use metal_model::v1::{DnsServer, NtpServer};

/// The thing that is meant.
#[derive(Debug, Clone, Args)]
pub struct IdArg {
    /// Identifier
    pub id: String,
}

/// Work through a file instead of naming one thing.
#[derive(Debug, Clone, Default, Args)]
pub struct FileArgs {
    /// File with one or many documents in YAML or JSON, - is standard input
    #[arg(short, long)]
    pub file: Option<String>,
    /// Print all results at the end instead of each when it is there
    #[arg(long)]
    pub bulk_output: bool,
    /// Do not ask before changing or deleting what is in the file
    #[arg(long)]
    pub skip_security_prompts: bool,
    /// Print how long each document took
    #[arg(long)]
    pub timestamps: bool,
}

/// One thing by name, or many by file.
#[derive(Debug, Clone, Args)]
pub struct DeleteArgs {
    /// Identifier
    pub id: Option<String>,
    #[command(flatten)]
    pub file: FileArgs,
}

/// How lists are shown.
#[derive(Debug, Clone, Default, Args)]
pub struct SortArgs {
    /// Sort by these columns, each with :desc for the other way round
    #[arg(long, value_delimiter = ',')]
    pub sort_by: Vec<String>,
    /// Go on and print what changes
    #[arg(short, long)]
    pub watch: bool,
}

/// Wait for a machine that was allocated.
#[derive(Debug, Clone, Default, Args)]
pub struct WaitArgs {
    /// Wait until the machine has phoned home
    #[arg(long)]
    pub wait: bool,
    /// Stop waiting after this time
    #[arg(long, default_value = "30m")]
    pub wait_timeout: String,
    /// Only tell what would be allocated
    #[arg(long)]
    pub dry_run: bool,
}

/// Reads `key=value` pairs; a key alone has an empty value.
pub fn pairs(texts: &[String]) -> Result<BTreeMap<String, String>> {
    let mut map = BTreeMap::new();
    for text in texts {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        if key.is_empty() {
            bail!("{text:?} has no key; write key=value");
        }
        map.insert(key.to_owned(), value.to_owned());
    }
    Ok(map)
}

/// The pairs, unless there are none.
pub fn some_pairs(texts: &[String]) -> Result<Option<BTreeMap<String, String>>> {
    if texts.is_empty() { Ok(None) } else { pairs(texts).map(Some) }
}

/// A list, unless it is empty.
pub fn some_list(list: Vec<String>) -> Option<Vec<String>> {
    if list.is_empty() { None } else { Some(list) }
}

/// What is written as `@file` stands in the file.
pub fn literal_or_file(text: &str) -> Result<String> {
    match text.strip_prefix('@') {
        Some(path) => std::fs::read_to_string(path).with_context(|| format!("read {path}")),
        None => Ok(text.to_owned()),
    }
}

/// The public key to log in with: what was given, or the first that is found at home.
pub fn ssh_key(given: Option<&str>) -> Result<Vec<String>> {
    if let Some(text) = given {
        return Ok(vec![literal_or_file(text)?.trim().to_owned()]);
    }
    let Some(dir) = std::env::home_dir().map(|home| home.join(".ssh")) else { return Ok(Vec::new()) };
    let names = ["id_ed25519.pub", "id_ecdsa.pub", "id_rsa.pub", "id_dsa.pub"];
    let found = names.iter().find_map(|name| std::fs::read_to_string(dir.join(name)).ok());
    Ok(found.map(|key| key.trim().to_owned()).into_iter().collect())
}

/// A private key to log in with.
pub fn identity(given: Option<&PathBuf>) -> Vec<String> {
    match given {
        Some(path) => vec!["-i".to_owned(), path.display().to_string()],
        None => Vec::new(),
    }
}

/// DNS resolvers by address.
pub fn dns_servers(addresses: Vec<String>) -> Vec<DnsServer> {
    addresses.into_iter().map(|ip| DnsServer { ip }).collect()
}

/// Time servers by address.
pub fn ntp_servers(addresses: Vec<String>) -> Vec<NtpServer> {
    addresses.into_iter().map(|address| NtpServer { address }).collect()
}

/// Reads the file of a program's arguments: one document.
pub fn yaml_file<T: serde::de::DeserializeOwned + Default>(path: &str) -> Result<T> {
    let documents = crate::document::read(path)?;
    let [document] = documents.as_slice() else { bail!("{path} must hold exactly one document") };
    crate::document::decode(document.clone()).with_context(|| format!("read {path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read() {
        let map = pairs(&["a=b=c".into(), "d".into()]).unwrap();
        assert_eq!(
            map.into_iter().collect::<Vec<_>>(),
            [("a".into(), "b=c".into()), ("d".into(), String::new())]
        );
        assert!(pairs(&["=x".into()]).is_err());
    }
}
