//! Shell globs as identifiers of size constraints use them: `*` and `?` never match a slash, so that disks need
//! `/dev/sd*`, and a backslash takes the next character literally.
//!
//! Globs come from operators and are matched against what machines report, so matching is linear-ish: a star is
//! retried only from the last one, never recursively.

/// One step of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// Any run of characters but slashes.
    Star,
    /// Any character but a slash.
    One,
    /// Exactly this character.
    Char(char),
    /// A character in, or with `true` out of, these ranges.
    Class(bool, Vec<(char, char)>),
}

/// A parsed glob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Glob {
    tokens: Vec<Token>,
}

impl Glob {
    /// Reads a pattern; `None` when a class does not end, is empty or runs backwards, or an escape has no character.
    pub(crate) fn parse(pattern: &str) -> Option<Self> {
        let mut chars = pattern.chars();
        let mut tokens = Vec::new();
        while let Some(c) = chars.next() {
            tokens.push(match c {
                '*' => Token::Star,
                '?' => Token::One,
                '\\' => Token::Char(chars.next()?),
                '[' => class(&mut chars)?,
                c => Token::Char(c),
            });
        }
        Some(Self { tokens })
    }

    /// Does the whole text match?
    pub(crate) fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut at, mut token) = (0, 0);
        // Where to resume when the rest after the last star does not fit: one character further.
        let mut resume: Option<(usize, usize)> = None;
        loop {
            if self.tokens.get(token) == Some(&Token::Star) {
                token += 1;
                resume = Some((token, at));
                continue;
            }
            let fits = match (self.tokens.get(token), text.get(at)) {
                (None, None) => return true,
                (Some(token), Some(c)) => token.is(*c),
                _ => false,
            };
            if fits {
                at += 1;
                token += 1;
                continue;
            }
            match resume {
                // The star may swallow one character more, unless that is a slash or there is none.
                Some((after, from)) if text.get(from).is_some_and(|c| *c != '/') => {
                    resume = Some((after, from + 1));
                    token = after;
                    at = from + 1;
                }
                _ => return false,
            }
        }
    }
}

impl Token {
    fn is(&self, c: char) -> bool {
        match self {
            Self::Star => false,
            Self::One => c != '/',
            Self::Char(want) => *want == c,
            Self::Class(negated, ranges) => {
                c != '/' && ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated
            }
        }
    }
}

fn class(chars: &mut std::str::Chars<'_>) -> Option<Token> {
    let mut next = chars.next()?;
    let negated = next == '^';
    if negated {
        next = chars.next()?;
    }
    let mut ranges = Vec::new();
    loop {
        if next == ']' && !ranges.is_empty() {
            return Some(Token::Class(negated, ranges));
        }
        let low = literal(next, chars)?;
        next = chars.next()?;
        let mut high = low;
        if next == '-' {
            let end = chars.next()?;
            high = literal(end, chars)?;
            next = chars.next()?;
        }
        if high < low {
            return None;
        }
        ranges.push((low, high));
    }
}

/// A character of a class; dashes and brackets must be escaped.
fn literal(c: char, chars: &mut std::str::Chars<'_>) -> Option<char> {
    match c {
        '\\' => chars.next(),
        '-' | ']' => None,
        c => Some(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_like_a_shell_without_crossing_slashes() {
        let table = [
            ("*", "Intel Xeon", true),
            ("*", "/dev/sda", false),
            ("/dev/sd*", "/dev/sda", true),
            ("/dev/sd*", "/dev/nvme0n1", false),
            ("/dev/nvme?n1", "/dev/nvme0n1", true),
            ("/dev/nvme[0-3]n1", "/dev/nvme4n1", false),
            ("/dev/nvme[^0-3]n1", "/dev/nvme4n1", true),
            ("[\\-x]", "-", true),
            ("a*b*c", "axxbyybzc", true),
            ("a*b*c", "axxbyyb", false),
            ("*Xeon*", "Intel(R) Xeon(R) D-2141I", true),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("", "", true),
            ("", "x", false),
            ("**", "ab", true),
            ("ü?", "üä", true),
        ];
        for (pattern, text, expected) in table {
            assert_eq!(Glob::parse(pattern).unwrap().matches(text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn broken_patterns_do_not_parse() {
        for wrong in ["[", "[]", "[a", "[a-", "[z-a]", "\\", "[]a]", "[-a]", "[^]"] {
            assert_eq!(Glob::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn many_stars_do_not_explode() {
        let glob = Glob::parse(&"*a".repeat(200)).unwrap();
        assert!(!glob.matches(&format!("{}b", "a".repeat(5_000))));
    }
}
