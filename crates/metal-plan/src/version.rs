//! Lenient semantic versions and the one-comparison expressions that images, layouts and constraints are chosen by.
//!
//! Operators write `24.04`, `24.4.20250101` or `v1`; missing parts count as zero but are remembered in an
//! expression, because `= 24.04` means every 24.04 while `= 24.04.1` means that one. The comparison operators behave
//! like those of the library the Go clients were written against, so an expression keeps its meaning.

use std::fmt;

use semver::{BuildMetadata, Prerelease, Version};

/// Why a text is no version or no expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// Not of the form `major[.minor[.patch]]`.
    #[error("{0:?} is not a version like 24.04 or 24.4.20250101")]
    Version(String),
    /// More than an operator and a version, or not separated by exactly one blank.
    #[error("{0:?} is not a version expression: write one version, or operator, one blank, version")]
    Form(String),
    /// The operator is none of the known ones.
    #[error("{0:?} is not an operator; use one of = != > < >= => <= =< ~ ~> ^")]
    Operator(String),
}

/// A version and how many of its parts were written.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Partial {
    version: Version,
    parts: usize,
}

impl Partial {
    fn parse(text: &str) -> Result<Self, VersionError> {
        let wrong = || VersionError::Version(text.to_owned());
        let rest = text.strip_prefix('v').unwrap_or(text);
        let (rest, build) = match rest.split_once('+') {
            Some((_, "")) => return Err(wrong()),
            Some((rest, build)) => (rest, BuildMetadata::new(build).map_err(|_| wrong())?),
            None => (rest, BuildMetadata::EMPTY),
        };
        let (rest, pre) = match rest.split_once('-') {
            Some((_, "")) => return Err(wrong()),
            Some((rest, pre)) => (rest, Prerelease::new(pre).map_err(|_| wrong())?),
            None => (rest, Prerelease::EMPTY),
        };
        let mut numbers = [0_u64; 3];
        let mut parts = 0;
        for part in rest.split('.') {
            if part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) {
                return Err(wrong());
            }
            *numbers.get_mut(parts).ok_or_else(wrong)? = part.parse().map_err(|_| wrong())?;
            parts += 1;
        }
        let [major, minor, patch] = numbers;
        Ok(Self { version: Version { major, minor, patch, pre, build }, parts })
    }

    fn minor_missing(&self) -> bool {
        self.parts < 2
    }

    fn patch_missing(&self) -> bool {
        self.parts < 3
    }
}

/// Reads a version; one to three numbers, leading zeros and a leading `v` are fine.
pub fn parse(text: &str) -> Result<Version, VersionError> {
    Partial::parse(text).map(|partial| partial.version)
}

/// Comparison of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    Less,
    AtLeast,
    AtMost,
    Tilde,
    Caret,
}

impl Operator {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "=" => Self::Equal,
            "!=" => Self::NotEqual,
            ">" => Self::Greater,
            "<" => Self::Less,
            ">=" | "=>" => Self::AtLeast,
            "<=" | "=<" => Self::AtMost,
            "~" | "~>" => Self::Tilde,
            "^" => Self::Caret,
            _ => return None,
        })
    }
}

/// Which versions are meant: all, or those that compare in one way with one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    text: String,
    bound: Option<(Operator, Partial)>,
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Expression {
    /// Reads `*`, a version, or operator, one blank, version.
    pub fn parse(text: &str) -> Result<Self, VersionError> {
        let trimmed = text.trim();
        if trimmed == "*" {
            return Ok(Self { text: trimmed.to_owned(), bound: None });
        }
        let parts: Vec<&str> = trimmed.split(' ').collect();
        let bound = match parts.as_slice() {
            [version] => {
                (Operator::Equal, Partial::parse(version).map_err(|_| VersionError::Form(text.to_owned()))?)
            }
            [operator, version] => (
                Operator::parse(operator).ok_or_else(|| VersionError::Operator((*operator).to_owned()))?,
                Partial::parse(version)?,
            ),
            _ => return Err(VersionError::Form(text.to_owned())),
        };
        Ok(Self { text: trimmed.to_owned(), bound: Some(bound) })
    }

    /// True when every version is meant.
    pub fn is_any(&self) -> bool {
        self.bound.is_none()
    }

    /// The version it compares with.
    pub fn version(&self) -> Option<&Version> {
        self.bound.as_ref().map(|(_, partial)| &partial.version)
    }

    /// Does it mean this version? Pre-releases are only meant by expressions that name one.
    pub fn accepts(&self, version: &Version) -> bool {
        let Some((operator, bound)) = &self.bound else { return true };
        if !version.pre.is_empty() && bound.version.pre.is_empty() {
            return false;
        }
        let is = |operator| compare(operator, version, bound);
        match operator {
            Operator::Equal if bound.patch_missing() => is(Operator::Tilde),
            operator => is(*operator),
        }
    }
}

/// One comparison. Parts that were not written match everything where the operator allows it.
fn compare(operator: Operator, version: &Version, bound: &Partial) -> bool {
    let with = &bound.version;
    let order = version.cmp_precedence(with);
    let same_major = version.major == with.major;
    let same_minor = same_major && version.minor == with.minor;
    match operator {
        Operator::Equal => order.is_eq(),
        Operator::NotEqual if bound.minor_missing() => !same_major,
        Operator::NotEqual if bound.patch_missing() => !same_minor,
        Operator::NotEqual => order.is_ne(),
        Operator::Greater if bound.minor_missing() => version.major > with.major,
        Operator::Greater if bound.patch_missing() => {
            (version.major, version.minor) > (with.major, with.minor)
        }
        Operator::Greater => order.is_gt(),
        Operator::Less => order.is_lt(),
        Operator::AtLeast => order.is_ge(),
        Operator::AtMost if bound.minor_missing() => version.major <= with.major,
        Operator::AtMost if bound.patch_missing() => {
            (version.major, version.minor) <= (with.major, with.minor)
        }
        Operator::AtMost => order.is_le(),
        // A written out ~0.0.0 has always meant everything.
        Operator::Tilde if !bound.patch_missing() && (with.major, with.minor, with.patch) == (0, 0, 0) => {
            true
        }
        Operator::Tilde => order.is_ge() && same_major && (bound.minor_missing() || same_minor),
        Operator::Caret => order.is_ge() && caret(version, bound),
    }
}

/// Same leftmost non-zero part.
fn caret(version: &Version, bound: &Partial) -> bool {
    let with = &bound.version;
    if with.major > 0 || bound.minor_missing() {
        version.major == with.major
    } else if version.major > 0 {
        false
    } else if with.minor > 0 || bound.patch_missing() {
        version.minor == with.minor
    } else {
        version.minor == 0 && version.patch == with.patch
    }
}

/// Refuses an operating system's expression in a map of constraints: 400 texts shared by all places that have one.
pub(crate) fn check_expressions<'a>(
    images: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> Result<(), crate::Error> {
    for (os, expression) in images {
        if os == "*" {
            return Err(crate::Error::invalid(
                "images",
                "\"*\" does not name an operating system; list each one by name",
            ));
        }
        Expression::parse(expression)
            .map_err(|error| crate::Error::invalid("images", format!("of {os:?}: {error}")))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(expression: &str, version: &str) -> bool {
        Expression::parse(expression).unwrap().accepts(&parse(version).unwrap())
    }

    #[test]
    fn versions_may_be_short_and_padded() {
        assert_eq!(parse("24.04").unwrap(), Version::new(24, 4, 0));
        assert_eq!(parse("24.04.20250101").unwrap(), Version::new(24, 4, 20_250_101));
        assert_eq!(parse("v3").unwrap(), Version::new(3, 0, 0));
        assert_eq!(parse("007.08.09").unwrap(), Version::new(7, 8, 9));
        for wrong in
            ["", "v", "1.", ".1", "1.2.3.4", "a", "1.x", "1 2", "-1", "99999999999999999999", "1.2-", "1+"]
        {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn each_operator_compares() {
        let table = [
            ("*", "1.2.3", true),
            ("24.04", "24.4.7", true),
            ("24.04", "24.10.7", false),
            ("24.04.1", "24.4.1", true),
            ("24.04.1", "24.4.2", false),
            ("= 24.04.1", "24.4.1", true),
            ("= 24", "24.9.9", true),
            ("!= 24.04", "24.4.1", false),
            ("!= 24.04", "24.5.1", true),
            ("!= 24", "24.5.1", false),
            ("!= 24.4.1", "24.4.2", true),
            ("> 20.04.20211011", "20.4.20211011", false),
            ("> 20.04.20211011", "20.4.20211012", true),
            ("> 20", "20.9.9", false),
            ("> 20.04", "20.4.9", false),
            ("> 20.04", "20.5.0", true),
            ("< 2", "1.9.9", true),
            ("< 2", "2.0.0", false),
            (">= 20.04.20211011", "20.4.20211011", true),
            ("=> 20.04.20211011", "20.4.1", false),
            ("<= 20.04", "20.4.99", true),
            ("<= 20", "20.99.0", true),
            ("=< 20.04.1", "20.4.2", false),
            ("~ 20.04.5", "20.4.6", true),
            ("~> 20.04.5", "20.4.4", false),
            ("~ 20.04.5", "20.5.0", false),
            ("~ 20", "20.99.0", true),
            ("~ 0.0.0", "7.0.0", true),
            ("^ 1.2.3", "1.9.0", true),
            ("^ 1.2.3", "2.0.0", false),
            ("^ 0.2.3", "0.2.9", true),
            ("^ 0.2.3", "0.3.0", false),
            ("^ 0.0.3", "0.0.3", true),
            ("^ 0.0.3", "0.0.4", false),
            ("^ 0.0", "0.0.4", true),
            ("^ 0", "0.7.4", true),
            (">= 1.0.0", "2.0.0-rc.1", false),
            (">= 1.0.0-0", "2.0.0-rc.1", true),
        ];
        for (expression, version, expected) in table {
            assert_eq!(accepts(expression, version), expected, "{expression} with {version}");
        }
    }

    #[test]
    fn expressions_have_one_blank_and_one_comparison() {
        for wrong in ["", ">=1.2.3", ">=  1.2.3", "> 1 < 2", ">= 1, < 2", "== 1.0", "1 || 2", "> x", "latest"]
        {
            assert!(Expression::parse(wrong).is_err(), "{wrong}");
        }
    }
}
