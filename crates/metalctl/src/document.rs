//! Files of documents: YAML or JSON, one or many, each an entity as `-o yaml` prints it; lists count as many.

use std::io::Read;

use anyhow::{Context, Result, bail};
use metal_model::v1::json;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads all documents of a file; `-` is standard input.
pub fn read(path: &str) -> Result<Vec<Value>> {
    let mut text = String::new();
    if path == "-" {
        std::io::stdin().read_to_string(&mut text).context("read standard input")?;
    } else {
        text = std::fs::read_to_string(path).with_context(|| format!("read {path}"))?;
    }
    parse(&text).with_context(|| format!("parse {path}"))
}

/// Reads all documents of a text.
pub fn parse(text: &str) -> Result<Vec<Value>> {
    let documents: Vec<Value> = match from_json(text) {
        Some(documents) => documents,
        None => {
            serde_saphyr::from_multiple_with_options(text, yaml_options()).context("neither JSON nor YAML")?
        }
    };
    let mut flat = Vec::new();
    for document in documents {
        match document {
            Value::Null => {}
            Value::Array(entries) => flat.extend(entries),
            document => flat.push(document),
        }
    }
    if let Some(odd) = flat.iter().find(|d| !d.is_object()) {
        bail!("a document is no object but {odd}");
    }
    Ok(flat)
}

/// How YAML is read where types are not known beforehand: only `true` and `false` are booleans, not `n` and `yes`.
pub fn yaml_options() -> serde_saphyr::Options {
    serde_saphyr::options! { strict_booleans: true }
}

/// JSON documents one after the other, if that is what it is.
fn from_json(text: &str) -> Option<Vec<Value>> {
    if !text.trim_start().starts_with(['{', '[']) {
        return None;
    }
    serde_json::Deserializer::from_str(text).into_iter().collect::<Result<_, _>>().ok()
}

/// Turns a document into a request. What the request does not know is left out.
pub fn decode<T: DeserializeOwned + Default>(document: Value) -> Result<T> {
    json::decode_value(document).context("the document does not fit")
}

/// The text at a path of keys, empty if there is none.
pub fn text(document: &Value, path: &[&str]) -> String {
    let found = path.iter().fold(document, |value, key| &value[*key]);
    found.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read() {
        for text in [
            "id: a\n---\nid: b\n",
            "---\n- id: a\n- id: b\n---\n",
            "{\"id\":\"a\"}\n{\"id\":\"b\"}",
            "[{\"id\":\"a\"},{\"id\":\"b\"}]",
            "{id: a}\n---\n{id: b}",
        ] {
            let documents = parse(text).unwrap();
            let ids: Vec<_> = documents.iter().map(|d| d["id"].as_str().unwrap()).collect();
            assert_eq!(ids, ["a", "b"], "{text}");
        }
        assert!(parse("just text").is_err());
    }

    #[test]
    fn texts_that_look_like_something_else_survive() {
        for text in [
            "n",
            "yes",
            "true",
            "24.04",
            "1e3",
            "~",
            "null",
            "0x1f",
            "",
            " a",
            "a: b",
            "- a",
            "#",
            "@x",
            "1_000",
            "007",
            "2026-01-01",
            "=",
            "a\nb\n",
            "'\"",
        ] {
            let yaml = crate::print::yaml(&serde_json::json!({ "id": text })).unwrap();
            assert_eq!(parse(&yaml).unwrap()[0]["id"], text, "{yaml}");
        }
        assert_eq!(parse("id: n").unwrap()[0]["id"], "n");
    }

    #[test]
    fn what_is_malformed_is_refused() {
        assert!(parse("a: [").is_err());
    }
}
