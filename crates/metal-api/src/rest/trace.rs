//! Traces of requests for the audit log: what is kept of a request and of its answer, and what must not be.

use bytes::Bytes;
use metal_model::v1::AuditResponse;
use serde_json::Value;

use crate::authn::User;

/// Longest body kept in a trace.
const MOST_BYTES: usize = 64 << 10;
/// Members whose values never enter the log.
const SECRETS: [&str; 5] = ["console_password", "auth_key", "password", "Password", "token"];

/// The trace of a request, before it was acted upon.
pub fn request(
    user: &User,
    rqid: &str,
    method: &str,
    path: &str,
    forwarded_for: &str,
    remote: &str,
    body: &[u8],
) -> AuditResponse {
    AuditResponse {
        component: "metal-api".to_owned(),
        rqid: rqid.to_owned(),
        kind: "http".to_owned(),
        user: user.caller.email.clone(),
        tenant: user.caller.tenant.clone(),
        project: project(body),
        detail: method.to_owned(),
        phase: "request".to_owned(),
        path: path.to_owned(),
        forwarded_for: forwarded_for.to_owned(),
        remote_addr: remote.to_owned(),
        body: text(body),
        ..AuditResponse::default()
    }
}

/// The trace of the answer to a request.
pub fn response(request: AuditResponse, status: u16, body: Option<&Bytes>) -> AuditResponse {
    let body = body.map(|bytes| text(bytes)).unwrap_or_default();
    let is_error = status >= 400;
    AuditResponse {
        phase: "response".to_owned(),
        status_code: Some(status.into()),
        error: if is_error { body.clone() } else { String::new() },
        body,
        ..request
    }
}

/// The project a request is about, where its body tells.
fn project(body: &[u8]) -> String {
    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct About {
        projectid: Value,
    }
    // Bodies that are no JSON, or have something else there, are about no project.
    let about: About = serde_json::from_slice(body).unwrap_or_default();
    about.projectid.as_str().unwrap_or_default().to_owned()
}

/// The body as text, without secrets, cut to a bearable length.
fn text(body: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(body).into_owned();
    if SECRETS.iter().any(|name| text.contains(name)) {
        text = match serde_json::from_slice::<Value>(body) {
            Ok(mut value) => {
                hide(&mut value);
                value.to_string()
            }
            // Nobody can tell where the secret ends.
            Err(_) => "[a malformed body with a secret]".to_owned(),
        };
    }
    if text.len() > MOST_BYTES {
        let end = (0..=MOST_BYTES).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        text.truncate(end);
        text.push_str("[cut]");
    }
    text
}

fn hide(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                if SECRETS.contains(&name.as_str()) && member.is_string() {
                    *member = Value::String("[secret]".to_owned());
                } else {
                    hide(member);
                }
            }
        }
        Value::Array(entries) => entries.iter_mut().for_each(hide),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_stay_out() {
        let kept = text(br#"{"a":[{"console_password":"hunter2","id":"m1"}]}"#);
        assert_eq!(kept, r#"{"a":[{"console_password":"[secret]","id":"m1"}]}"#);
        assert!(!text(br#"{"password":"hunter2""#).contains("hunter2"));
    }

    #[test]
    fn long_bodies_are_cut_between_characters() {
        let kept = text("ä".repeat(MOST_BYTES).as_bytes());
        assert!(kept.ends_with("ä[cut]") && kept.len() <= MOST_BYTES + 5);
    }

    #[test]
    fn the_project_is_taken_from_the_body() {
        assert_eq!(project(br#"{"projectid":"p1"}"#), "p1");
        assert_eq!(project(br#"{"projectid":5}"#), "");
        assert_eq!(project(b"["), "");
    }
}
