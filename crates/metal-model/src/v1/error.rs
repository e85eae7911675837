//! Errors on the wire. The body is a JSON string that itself contains a JSON object, because that is what the
//! clients of this API read; a plain object would hide the message from them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::json;

/// An error as answered.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = httperrors::HTTPErrorResponse)]
pub struct HttpErrorResponse {
    /// HTTP status.
    #[schema(required = true)]
    pub statuscode: u16,
    /// What went wrong.
    #[schema(required = true)]
    pub message: String,
}

/// The body of an error.
pub fn body(statuscode: u16, message: &str) -> String {
    let object = HttpErrorResponse { statuscode, message: message.to_owned() };
    let text = serde_json::to_string(&object).expect("a number and a string always serialise");
    serde_json::to_string(&text).expect("a string always serialises")
}

/// Reads the body of an error, whether it is a string with an object inside or the object itself.
pub fn parse(bytes: &[u8]) -> Option<HttpErrorResponse> {
    match serde_json::from_slice(bytes).ok()? {
        serde_json::Value::String(text) => {
            json::decode(text.as_bytes()).ok().filter(|e: &HttpErrorResponse| e.statuscode != 0)
        }
        object @ serde_json::Value::Object(_) => {
            json::decode_value(object).ok().filter(|e: &HttpErrorResponse| e.statuscode != 0)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_a_string_with_an_object_inside() {
        let wire = r#""{\"statuscode\":404,\"message\":\"no machine with id \\\"x\\\" found\"}""#;
        assert_eq!(body(404, "no machine with id \"x\" found"), wire);
        let read = HttpErrorResponse { statuscode: 404, message: "no machine with id \"x\" found".into() };
        assert_eq!(parse(wire.as_bytes()), Some(read.clone()));
        assert_eq!(parse(&serde_json::to_vec(&read).unwrap()), Some(read));
        assert_eq!(parse(b"<html>"), None);
        assert_eq!(parse(b"\"tenant X not allowed\""), None);
    }
}
