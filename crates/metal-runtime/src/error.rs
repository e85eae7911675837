//! The one way an error reaches a log line.
//!
//! Our errors say what was tried and leave the reason to their source; a log line wants the whole chain, each
//! link once.

use std::error::Error;
use std::fmt::Write as _;

/// The error and all its sources, joined by `: `. A source whose text its parent already ends with is left out.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let link = cause.to_string();
        if !text.ends_with(&link) {
            // Writing to a string cannot fail.
            let _ = write!(text, ": {link}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("open the store")]
    struct Outer(#[source] std::io::Error);

    #[derive(Debug, thiserror::Error)]
    #[error("read: {0}")]
    struct Repeating(#[source] std::io::Error);

    #[test]
    fn each_link_appears_once() {
        let io = || std::io::Error::other("disk on fire");
        assert_eq!(chain(&Outer(io())), "open the store: disk on fire");
        assert_eq!(chain(&Repeating(io())), "read: disk on fire");
    }
}
