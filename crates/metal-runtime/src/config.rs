//! Reading a daemon's TOML file: unknown keys are faults, and all faults are told together.
//!
//! A person who has made three mistakes wants one answer, not three restarts. Deserialisation stops at its first
//! error, so the loader sets the offending lines aside and tries again until nothing is left to complain about.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// The exit code of a program whose configuration is wrong (`EX_USAGE`).
pub const EXIT_BAD_CONFIG: u8 = 64;

/// More faults than this are not worth reading at once.
const MOST_FAULTS: usize = 50;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line it stands in, where known.
    pub line: Option<usize>,
    /// What is wrong.
    pub what: String,
}

impl Fault {
    /// A fault of the content rather than of a line.
    pub fn of(what: impl Into<String>) -> Self {
        Self { line: None, what: what.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("read the configuration {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        #[source]
        source: std::io::Error,
    },
    /// The file is wrong in these ways.
    #[error("the configuration {} has {} fault(s):{}", path.display(), faults.len(), listed(faults))]
    Faults {
        /// The file.
        path: PathBuf,
        /// All that is wrong.
        faults: Vec<Fault>,
    },
}

fn listed(faults: &[Fault]) -> String {
    faults.iter().fold(String::new(), |text, fault| format!("{text}\n  {fault}"))
}

/// Reads, parses and checks a file. `T` should be `#[serde(deny_unknown_fields)]`; `check` adds faults of meaning.
///
/// # Errors
/// Fails when the file cannot be read or anything in it is wrong.
pub fn load<T: DeserializeOwned>(
    path: &Path,
    check: impl FnOnce(&T, &mut Vec<Fault>),
) -> Result<T, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    parse(&text, check).map_err(|faults| ConfigError::Faults { path: path.to_owned(), faults })
}

/// As [`load`], from text.
///
/// # Errors
/// All faults found.
pub fn parse<T: DeserializeOwned>(
    text: &str,
    check: impl FnOnce(&T, &mut Vec<Fault>),
) -> Result<T, Vec<Fault>> {
    if let Err(error) = toml::from_str::<toml::Table>(text) {
        return Err(vec![fault(text, &error)]);
    }
    let mut faults = Vec::new();
    let mut remaining = text.to_owned();
    loop {
        match toml::from_str::<T>(&remaining) {
            Ok(value) => {
                check(&value, &mut faults);
                return if faults.is_empty() { Ok(value) } else { Err(faults) };
            }
            Err(error) => {
                let found = fault(text, &error);
                let set_aside = error.span().and_then(|span| without_line(&remaining, span.start));
                let is_echo = found.what.starts_with("missing field") && !faults.is_empty();
                if !is_echo {
                    faults.push(found);
                }
                match set_aside {
                    Some(rest) if !is_echo && faults.len() < MOST_FAULTS => remaining = rest,
                    _ => return Err(faults),
                }
            }
        }
    }
}

fn fault(text: &str, error: &toml::de::Error) -> Fault {
    let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    Fault { line, what: error.message().to_owned() }
}

/// The document with the line at `offset` blanked to the same length, so that later positions stay true. Nothing
/// when the document then no longer parses (the line opened a table or a longer value) or the line is blank already.
fn without_line(text: &str, offset: usize) -> Option<String> {
    let start = text[..offset].rfind('\n').map_or(0, |at| at + 1);
    let end = text[offset..].find('\n').map_or(text.len(), |at| offset + at);
    let line = &text[start..end];
    if line.trim().is_empty() || line.trim_start().starts_with('[') {
        return None;
    }
    let rest = format!("{}{}{}", &text[..start], " ".repeat(end - start), &text[end..]);
    toml::from_str::<toml::Table>(&rest).is_ok().then_some(rest)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct Example {
        port: u16,
        name: String,
    }

    #[test]
    fn all_faults_are_told_with_their_lines() {
        let text = "port = \"many\"\nnmae = \"x\"\nname = \"y\"\nextra = 1\n";
        let faults = parse::<Example>(text, |_, _| ()).unwrap_err();
        let lines: Vec<_> = faults.iter().filter_map(|fault| fault.line).collect();
        assert_eq!(lines.len(), 3, "{faults:?}");
        assert!(lines.contains(&1) && lines.contains(&2) && lines.contains(&4), "{faults:?}");
    }

    #[test]
    fn broken_syntax_is_one_fault() {
        assert_eq!(parse::<Example>("port = = 1", |_, _| ()).unwrap_err().len(), 1);
    }

    #[test]
    fn meaning_is_checked_last() {
        let check = |value: &Example, faults: &mut Vec<Fault>| {
            if value.port == 0 {
                faults.push(Fault::of("port must not be 0"));
            }
        };
        assert_eq!(parse("name = \"a\"", check).unwrap_err(), vec![Fault::of("port must not be 0")]);
        assert_eq!(parse("port = 1", check).unwrap(), Example { port: 1, name: String::new() });
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = load::<Example>(Path::new("/no/such.toml"), |_, _| ()).unwrap_err();
        assert!(error.to_string().contains("/no/such.toml"));
    }
}
