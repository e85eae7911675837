//! Tokens live where kubectl keeps them: in the user of the kubeconfig context named after ours. That is where
//! `login` puts them and where other tools of the trade look.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use crate::config::replace;

/// What `login` got from the issuer.
#[derive(Debug, Clone, Default)]
pub struct Login {
    /// Who the token is for.
    pub user: String,
    /// Client identifier at the issuer.
    pub client_id: String,
    /// Secret of the client.
    pub client_secret: String,
    /// Issuer.
    pub issuer: String,
    /// Identity token.
    pub id_token: String,
    /// Refresh token, if the issuer gave one.
    pub refresh_token: String,
}

/// The kubeconfig file to use.
pub fn path(named: Option<&Path>) -> Result<PathBuf> {
    if let Some(path) = named {
        return Ok(path.to_owned());
    }
    let listed = std::env::var_os("KUBECONFIG");
    let listed =
        listed.as_ref().and_then(|paths| std::env::split_paths(paths).find(|p| !p.as_os_str().is_empty()));
    match listed {
        Some(path) => Ok(path),
        None => Ok(std::env::home_dir().context("find the home directory")?.join(".kube").join("config")),
    }
}

/// Name of the kubeconfig context that belongs to one of ours.
pub fn context_name(current: Option<&str>) -> String {
    match current {
        Some(name) => format!("cloudctl-{name}"),
        None => "cloudctl".to_owned(),
    }
}

/// The identity token of a context, if there is one.
pub fn token(path: &Path, context: &str) -> Result<Option<String>> {
    let Some(config) = read(path)? else { return Ok(None) };
    let user = named(&config, "contexts", context).and_then(|c| c["context"]["user"].as_str());
    let user = user.and_then(|user| named(&config, "users", user));
    let token = user.and_then(|user| user["user"]["auth-provider"]["config"]["id-token"].as_str());
    Ok(token.filter(|t| !t.is_empty()).map(str::to_owned))
}

/// Stores a login under a context and leaves everything else as it is.
pub fn store(path: &Path, context: &str, login: &Login) -> Result<()> {
    let mut config = read(path)?.unwrap_or_else(|| json!({"apiVersion": "v1", "kind": "Config"}));
    let provider = json!({
        "name": "oidc",
        "config": {
            "client-id": login.client_id,
            "client-secret": login.client_secret,
            "id-token": login.id_token,
            "idp-issuer-url": login.issuer,
            "refresh-token": login.refresh_token,
        },
    });
    let user = format!("{}-{context}", login.user);
    upsert(&mut config, "users", &user, json!({"name": user, "user": {"auth-provider": provider}}))?;
    upsert(
        &mut config,
        "contexts",
        context,
        json!({"name": context, "context": {"cluster": "", "user": user}}),
    )?;
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
    }
    replace(path, &crate::print::yaml(&config)?)
}

fn read(path: &Path) -> Result<Option<Value>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e).with_context(|| format!("read kubeconfig {}", path.display())),
    };
    if text.trim().is_empty() {
        return Ok(None);
    }
    serde_saphyr::from_str_with_options(&text, crate::document::yaml_options())
        .with_context(|| format!("parse kubeconfig {}", path.display()))
}

fn named<'v>(config: &'v Value, list: &str, name: &str) -> Option<&'v Value> {
    config[list].as_array()?.iter().find(|entry| entry["name"] == name)
}

fn upsert(config: &mut Value, list: &str, name: &str, entry: Value) -> Result<()> {
    if config.is_null() {
        *config = Value::Object(Map::new());
    }
    let members = config.as_object_mut().context("the kubeconfig is not an object")?;
    let entries = members.entry(list).or_insert_with(|| json!([]));
    if entries.is_null() {
        *entries = json!([]);
    }
    let entries =
        entries.as_array_mut().with_context(|| format!("{list} of the kubeconfig is not a list"))?;
    match entries.iter_mut().find(|e| e["name"] == name) {
        Some(old) => *old = entry,
        None => entries.push(entry),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_found_again_and_the_rest_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sub").join("config");
        assert_eq!(token(&path, "cloudctl-a").unwrap(), None);
        let login = Login { user: "me".into(), id_token: "t1".into(), ..Login::default() };
        store(&path, "cloudctl-a", &login).unwrap();
        store(&path, "cloudctl-b", &Login { id_token: "t2".into(), ..login.clone() }).unwrap();
        store(&path, "cloudctl-a", &Login { id_token: "t3".into(), ..login }).unwrap();
        assert_eq!(token(&path, "cloudctl-a").unwrap().as_deref(), Some("t3"));
        assert_eq!(token(&path, "cloudctl-b").unwrap().as_deref(), Some("t2"));
        let config = read(&path).unwrap().unwrap();
        assert_eq!(config["users"].as_array().unwrap().len(), 2);
    }
}
