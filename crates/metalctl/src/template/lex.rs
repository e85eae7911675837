//! Cuts a template into text and actions, and actions into words.

use anyhow::{Result, bail};

/// A piece of a template.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    /// Text that is written as it is.
    Text(String),
    /// The words between braces.
    Action(Vec<Word>),
}

/// A word of an action.
#[derive(Debug, Clone, PartialEq)]
pub enum Word {
    /// Name of a function or keyword.
    Name(String),
    /// `.a.b`, split at the dots; empty is the dot itself.
    Field(Vec<String>),
    /// `$x.a.b`: name without the dollar, then fields.
    Variable(String, Vec<String>),
    /// Text in quotes.
    Text(String),
    /// A number.
    Number(f64),
    /// `)` and the fields of what stands before it.
    Close(Vec<String>),
    /// `|`, `(`, `,`, `:=` or `=`.
    Sign(&'static str),
}

/// Cuts a template.
pub fn pieces(mut text: &str) -> Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut trim = false;
    while let Some(start) = text.find("{{") {
        let (before, rest) = text.split_at(start);
        let Some((inside, after)) = close(&rest[2..]) else {
            bail!("a {{{{ has no }}}}: {:?}", rest.chars().take(30).collect::<String>());
        };
        let mut before = if trim { before.trim_start() } else { before };
        let mut inside = inside;
        if let Some(rest) = inside.strip_prefix('-').filter(|r| r.starts_with(char::is_whitespace)) {
            before = before.trim_end();
            inside = rest;
        }
        trim = false;
        if let Some(rest) = inside.strip_suffix('-').filter(|r| r.ends_with(char::is_whitespace)) {
            trim = true;
            inside = rest;
        }
        if !before.is_empty() {
            pieces.push(Piece::Text(before.to_owned()));
        }
        let inside = inside.trim();
        if !inside.starts_with("/*") {
            pieces.push(Piece::Action(words(inside)?));
        }
        text = after;
    }
    let rest = if trim { text.trim_start() } else { text };
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    Ok(pieces)
}

/// What stands before the closing braces, which may also stand inside quotes, and what stands after them.
fn close(text: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some('"') if c == '\\' => escaped = true,
            Some(q) if c == q => quote = None,
            Some(_) => {}
            None if c == '"' || c == '`' => quote = Some(c),
            None if text[at..].starts_with("}}") => return Some((&text[..at], &text[at + 2..])),
            None => {}
        }
    }
    None
}

fn words(mut text: &str) -> Result<Vec<Word>> {
    let mut words = Vec::new();
    loop {
        text = text.trim_start();
        let Some(first) = text.chars().next() else { return Ok(words) };
        let (word, rest) = match first {
            '"' => quoted(text)?,
            '`' => match text[1..].split_once('`') {
                Some((raw, rest)) => (Word::Text(raw.to_owned()), rest),
                None => bail!("a ` has no second one: {text:?}"),
            },
            '.' => {
                let (fields, rest) = fields(text);
                (Word::Field(fields), rest)
            }
            '$' => {
                let (name, rest) = name(&text[1..]);
                let (fields, rest) = fields(rest);
                (Word::Variable(name.to_owned(), fields), rest)
            }
            c if c.is_ascii_digit() || (c == '-' && text[1..].starts_with(|d: char| d.is_ascii_digit())) => {
                let end =
                    text[1..].find(|c: char| !c.is_ascii_digit() && c != '.').map_or(text.len(), |e| e + 1);
                match text[..end].parse() {
                    Ok(number) => (Word::Number(number), &text[end..]),
                    Err(_) => bail!("{:?} is no number", &text[..end]),
                }
            }
            c if c.is_alphabetic() || c == '_' => {
                let (name, rest) = name(text);
                (Word::Name(name.to_owned()), rest)
            }
            ')' => {
                let (fields, rest) = fields(&text[1..]);
                (Word::Close(fields), rest)
            }
            _ => match [":=", "=", "|", "(", ","].into_iter().find(|s| text.starts_with(s)) {
                Some(sign) => (Word::Sign(sign), &text[sign.len()..]),
                None => bail!("unexpected {first:?} in a template"),
            },
        };
        words.push(word);
        text = rest;
    }
}

fn name(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    text.split_at(end)
}

/// `.a.b` and what comes after.
fn fields(mut text: &str) -> (Vec<String>, &str) {
    let mut fields = Vec::new();
    while let Some(rest) = text.strip_prefix('.') {
        let (field, after) = name(rest);
        text = after;
        if field.is_empty() {
            break;
        }
        fields.push(field.to_owned());
    }
    (fields, text)
}

/// Text in double quotes with its escapes resolved, and what comes after.
fn quoted(text: &str) -> Result<(Word, &str)> {
    let mut out = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((Word::Text(out), &text[at + 1..])),
            '\\' => match chars.next().map(|(_, c)| c) {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('r') => out.push('\r'),
                Some(c @ ('"' | '\\' | '\'')) => out.push(c),
                other => {
                    bail!("unknown escape \\{} in {text:?}", other.map(String::from).unwrap_or_default())
                }
            },
            c => out.push(c),
        }
    }
    bail!("a quote is not closed: {text:?}")
}
