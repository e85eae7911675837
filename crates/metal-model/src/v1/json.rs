//! Reading JSON the way the API's clients write it: `null` for anything that has no value, unknown members anywhere,
//! and whatever else foreign bytes may hold. A fault names the field it is in.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Bytes that are not the JSON that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON at all, or nested too deeply.
    #[error("malformed JSON at line {line} column {column}: {why}")]
    Malformed {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong there.
        why: String,
    },
    /// JSON, but a member has the wrong type or an impossible value.
    #[error("invalid value of field {field:?}: {why}")]
    Field {
        /// Path of the member, for example `networks[0].autoacquire`; `.` is the document itself.
        field: String,
        /// What is wrong with it.
        why: String,
    },
}

/// Reads a document. No bytes at all, and `null`, are an empty document.
pub fn decode<T: DeserializeOwned + Default>(bytes: &[u8]) -> Result<T, DecodeError> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(T::default());
    }
    // Strings that are skipped are not looked at by the parser, yet a document is text as a whole.
    let text = std::str::from_utf8(bytes).map_err(|error| not_text(bytes, error.valid_up_to()))?;
    // Most documents have no nulls where they matter; only the others, and the faulty, pay for a tree.
    match serde_json::from_str(text) {
        Ok(document) => Ok(document),
        Err(_) => decode_value(parse(text)?),
    }
}

/// Turns a document that has been parsed into a model. Nulls are as good as absent.
pub fn decode_value<T: DeserializeOwned + Default>(mut value: Value) -> Result<T, DecodeError> {
    if value.is_null() {
        return Ok(T::default());
    }
    strip_nulls(&mut value);
    serde_path_to_error::deserialize(value).map_err(|e| DecodeError::Field {
        field: e.path().to_string(),
        why: without_position(&e.inner().to_string()),
    })
}

/// Where the text ends to be UTF-8.
fn not_text(bytes: &[u8], at: usize) -> DecodeError {
    let before = &bytes[..at];
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    DecodeError::Malformed {
        line: before.iter().filter(|byte| **byte == b'\n').count() + 1,
        column: at - line_start + 1,
        why: "the text is not UTF-8".to_owned(),
    }
}

fn parse(text: &str) -> Result<Value, DecodeError> {
    serde_json::from_str(text).map_err(|e| DecodeError::Malformed {
        line: e.line(),
        column: e.column(),
        why: without_position(&e.to_string()),
    })
}

/// Removes object members that are null at any depth, and list entries that are null.
fn strip_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, v| !v.is_null());
            members.values_mut().for_each(strip_nulls);
        }
        Value::Array(entries) => {
            entries.retain(|v| !v.is_null());
            entries.iter_mut().for_each(strip_nulls);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The JSON library appends the position, which is told apart here.
fn without_position(message: &str) -> String {
    message.split(" at line ").next().unwrap_or(message).to_owned()
}

/// Whether a number is left out of the JSON.
pub(super) fn is_zero<T: Default + PartialEq>(number: &T) -> bool {
    *number == T::default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::machine_request::MachineAllocateRequest;

    #[test]
    fn names_the_field() {
        let bytes = br#"{"networks":[{"networkid":"a","autoacquire":null},null,{"autoacquire":"yes"}]}"#;
        let fault = decode::<MachineAllocateRequest>(bytes).unwrap_err();
        assert!(
            matches!(fault, DecodeError::Field { ref field, .. } if field == "networks[1].autoacquire"),
            "{fault}"
        );
    }

    #[test]
    fn refuses_what_is_not_json() {
        let deep = "[".repeat(100_000);
        for bytes in [b"{".as_slice(), b"{\"id\":\"\xff\"}", b"nul", deep.as_bytes()] {
            let fault = decode::<MachineAllocateRequest>(bytes).unwrap_err();
            assert!(matches!(fault, DecodeError::Malformed { line: 1, .. }), "{fault}");
        }
    }

    #[test]
    fn empty_is_an_empty_document() {
        assert_eq!(decode::<MachineAllocateRequest>(b" \n").unwrap(), MachineAllocateRequest::default());
    }
}
