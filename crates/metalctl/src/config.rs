//! The configuration file: contexts, each naming an API and how one is known to it, and which of them is in use.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

/// What stands in the file.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
struct File {
    current: Option<String>,
    previous: Option<String>,
    contexts: BTreeMap<String, Option<Context>>,
}

/// An API and how one is known to it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Context {
    /// URL of the API.
    pub url: Option<String>,
    /// Certificates to trust, as base64 of PEM.
    pub certificate_authority_data: Option<String>,
    /// OIDC issuer.
    pub issuer_url: Option<String>,
    /// `generic` or nothing.
    pub issuer_type: Option<String>,
    /// Scopes to ask the issuer for, separated by commas.
    pub custom_scopes: Option<String>,
    /// Client identifier at the issuer.
    pub client_id: Option<String>,
    /// Secret of the client.
    pub client_secret: Option<String>,
    /// HMAC key.
    pub hmac: Option<String>,
    /// Type of the HMAC key.
    pub hmac_auth_type: Option<String>,
}

/// The configuration.
#[derive(Debug, Clone, Default)]
pub struct Config {
    path: Option<PathBuf>,
    file: File,
}

impl Config {
    /// Reads the file that was named, or the first of those that are looked for. None is fine.
    pub fn load(named: Option<&Path>) -> Result<Self> {
        let path = match named {
            Some(path) => Some(path.to_owned()),
            None => places().into_iter().find(|p| p.is_file()),
        };
        match path {
            Some(path) => Self::read(path),
            None => Ok(Self::default()),
        }
    }

    fn read(path: PathBuf) -> Result<Self> {
        let text =
            fs::read_to_string(&path).with_context(|| format!("read configuration {}", path.display()))?;
        let file = if text.trim().is_empty() {
            File::default()
        } else {
            serde_saphyr::from_str(&text)
                .with_context(|| format!("parse configuration {}", path.display()))?
        };
        Ok(Self { path: Some(path), file })
    }

    /// Name of the context in use.
    pub fn current(&self) -> Option<&str> {
        self.file.current.as_deref().filter(|name| !name.is_empty())
    }

    /// The context in use; an empty one if there is none.
    pub fn context(&self) -> Result<Context> {
        let Some(name) = self.current() else { return Ok(Context::default()) };
        match self.file.contexts.get(name) {
            Some(context) => Ok(context.clone().unwrap_or_default()),
            None => bail!(
                "the current context {name:?} is not in {}; choose another: metalctl context <name>",
                self.place()
            ),
        }
    }

    /// All contexts.
    pub fn contexts(&self) -> impl Iterator<Item = (&str, Context)> {
        self.file.contexts.iter().map(|(name, context)| (name.as_str(), context.clone().unwrap_or_default()))
    }

    /// Switches to a context, `-` being the previous one, and returns its name.
    pub fn switch(&mut self, to: &str) -> Result<String> {
        let to = if to == "-" {
            let previous = self.file.previous.clone().filter(|p| !p.is_empty());
            previous.context("there is no previous context yet; name one: metalctl context <name>")?
        } else {
            to.to_owned()
        };
        if !self.file.contexts.contains_key(&to) {
            let known: Vec<&str> = self.file.contexts.keys().map(String::as_str).collect();
            bail!("there is no context {to:?} in {}; there are: {}", self.place(), known.join(", "));
        }
        if self.file.current.as_deref() != Some(&to) {
            self.file.previous = self.file.current.replace(to.clone());
            self.store()?;
        }
        Ok(to)
    }

    fn place(&self) -> String {
        match &self.path {
            Some(path) => path.display().to_string(),
            None => "a configuration file, for there is none".to_owned(),
        }
    }

    /// Writes back which context is in use, and touches nothing else in the file.
    fn store(&self) -> Result<()> {
        let path = self.path.as_ref().context("there is no configuration file to write to")?;
        let text =
            fs::read_to_string(path).with_context(|| format!("read configuration {}", path.display()))?;
        let current = self.file.current.as_deref().unwrap_or_default();
        let previous = self.file.previous.as_deref().unwrap_or_default();
        if let Ok(mut file @ serde_json::Value::Object(_)) = serde_json::from_str(&text) {
            file["current"] = current.into();
            file["previous"] = previous.into();
            return replace(path, &(serde_json::to_string_pretty(&file)? + "\n"));
        }
        replace(path, &set_key(&set_key(&text, "current", current), "previous", previous))
    }
}

/// Sets a key of the top level in YAML text without touching anything else, comments included.
fn set_key(text: &str, key: &str, value: &str) -> String {
    let line = format!("{key}: {}\n", serde_json::Value::from(value));
    let prefix = format!("{key}:");
    let mut out = String::new();
    let mut done = false;
    for old in text.split_inclusive('\n') {
        if old.starts_with(&prefix) && !done {
            out.push_str(&line);
            done = true;
        } else {
            out.push_str(old);
        }
    }
    if !done {
        let start = if out.starts_with("---") { out.find('\n').map_or(out.len(), |n| n + 1) } else { 0 };
        out.insert_str(start, &line);
    }
    out
}

/// Replaces a file in one step, keeping it for the owner's eyes only.
pub fn replace(path: &Path, text: &str) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;

    // A link is followed, so that it is the file behind it that changes.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let new = target.with_extension(format!("new-{}", std::process::id()));
    let write = || -> std::io::Result<()> {
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &target)
    };
    write().with_context(|| format!("write {}", target.display()))
}

/// Where the file is looked for, in order.
fn places() -> Vec<PathBuf> {
    let home = std::env::home_dir().map(|home| home.join(".metalctl"));
    let dirs = [Some(PathBuf::from("/etc/metalctl")), home, Some(PathBuf::from("."))];
    dirs.into_iter().flatten().map(|dir| dir.join("config.yaml")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "---\n# our sites\ncurrent: prod\ncontexts:\n  prod:\n    url: https://a/metal\n    hmac: k # secret\n  dev:\n    url: http://b\n    hmac_auth_type: Metal-View\n  empty:\n";

    #[test]
    fn contexts_are_switched_and_nothing_else_changes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.yaml");
        fs::write(&path, FILE).unwrap();
        let load = || Config::load(Some(&path)).unwrap();
        assert_eq!(load().context().unwrap().url.as_deref(), Some("https://a/metal"));
        assert!(load().switch("-").is_err());
        let unknown = load().switch("nope").unwrap_err().to_string();
        assert!(unknown.contains("dev, empty, prod"), "{unknown}");
        assert_eq!(load().switch("dev").unwrap(), "dev");
        assert_eq!(load().context().unwrap().hmac_auth_type.as_deref(), Some("Metal-View"));
        assert_eq!(load().switch("-").unwrap(), "prod");
        assert_eq!(load().switch("-").unwrap(), "dev");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("# our sites") && text.contains("hmac: k # secret"), "{text}");
        assert_eq!(load().contexts().count(), 3);
    }

    #[test]
    fn a_file_in_json_stays_json() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.yaml");
        fs::write(&path, r#"{"current": "a", "contexts": {"a": {"hmac": "k"}, "b": {}}}"#).unwrap();
        Config::load(Some(&path)).unwrap().switch("b").unwrap();
        let file: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!((&file["current"], &file["previous"]), (&"b".into(), &"a".into()));
        assert_eq!(file["contexts"]["a"]["hmac"], "k");
    }

    #[test]
    fn no_file_is_an_empty_configuration_but_a_named_one_must_be_there() {
        assert_eq!(Config::default().context().unwrap(), Context::default());
        assert!(Config::load(Some(Path::new("/does/not/exist"))).is_err());
    }

    #[test]
    fn a_context_that_is_gone_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.yaml");
        fs::write(&path, "current: gone\n").unwrap();
        let said = Config::load(Some(&path)).unwrap().context().unwrap_err().to_string();
        assert!(said.contains("gone") && said.contains("metalctl context"), "{said}");
    }
}
