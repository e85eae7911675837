//! The functions of templates, and how values are written.

use std::cmp::Ordering;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Functions there are.
pub const NAMES: &[&str] = &[
    "and",
    "contains",
    "default",
    "eq",
    "ge",
    "gt",
    "hasPrefix",
    "hasSuffix",
    "index",
    "join",
    "le",
    "len",
    "lower",
    "lt",
    "ne",
    "not",
    "or",
    "print",
    "printf",
    "println",
    "quote",
    "toJson",
    "upper",
];

/// A number as JSON has it, whole if it is whole.
pub fn number(number: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "only whole numbers in the range are turned")]
    if number.fract() == 0.0 && number.abs() < 9e15 { (number as i64).into() } else { number.into() }
}

/// Whether a value counts as true: it is neither nothing, zero nor empty.
pub fn truth(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(b) => *b,
        Value::Number(n) => n.as_f64() != Some(0.0),
        Value::String(s) => !s.is_empty(),
        Value::Array(a) => !a.is_empty(),
        Value::Object(o) => !o.is_empty(),
    }
}

/// A value as it is written.
pub fn shown(value: &Value) -> String {
    match value {
        Value::Null => "<no value>".to_owned(),
        Value::Bool(b) => b.to_string(),
        Value::Number(n) => n.to_string(),
        Value::String(s) => s.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(" ")),
        Value::Object(members) => {
            let mut parts: Vec<String> = members.iter().map(|(k, v)| format!("{k}:{}", shown(v))).collect();
            parts.sort();
            format!("map[{}]", parts.join(" "))
        }
    }
}

/// Calls a function.
pub fn call(name: &str, arguments: &[Value]) -> Result<Value> {
    let text = |i: usize| arguments.get(i).map(shown).with_context(|| format!("{name} needs more arguments"));
    Ok(match name {
        "and" => pick(arguments, |v| !truth(v)),
        "or" => pick(arguments, truth),
        "not" => (!truth(first(name, arguments)?)).into(),
        "len" => length(first(name, arguments)?)?.into(),
        "index" => index(arguments)?,
        "eq" => {
            let one = first(name, arguments)?;
            arguments[1..].iter().any(|other| compare(one, other) == Some(Ordering::Equal)).into()
        }
        "ne" | "lt" | "le" | "gt" | "ge" => {
            let [one, other] = arguments else { bail!("{name} needs two arguments") };
            relation(name, one, other)?.into()
        }
        "print" => arguments.iter().map(shown).collect::<Vec<_>>().join(" ").into(),
        "println" => (arguments.iter().map(shown).collect::<Vec<_>>().join(" ") + "\n").into(),
        "printf" => format(&text(0)?, &arguments[1..])?.into(),
        "join" => {
            // Both orders are in use: `join "," .tags` and `.tags | join ","`.
            let (list, with) = match arguments {
                [Value::Array(list), with] | [with, Value::Array(list)] => (list, shown(with)),
                [_, Value::Null] | [Value::Null, _] => return Ok("".into()),
                _ => bail!("join needs a list and a text"),
            };
            list.iter().map(shown).collect::<Vec<_>>().join(&with).into()
        }
        "upper" => text(0)?.to_uppercase().into(),
        "lower" => text(0)?.to_lowercase().into(),
        "contains" => text(1)?.contains(&text(0)?).into(),
        "hasPrefix" => text(1)?.starts_with(&text(0)?).into(),
        "hasSuffix" => text(1)?.ends_with(&text(0)?).into(),
        "default" => match arguments {
            [_, value] if truth(value) => value.clone(),
            [default, ..] => default.clone(),
            [] => bail!("default needs an argument"),
        },
        "quote" => Value::from(text(0)?).to_string().into(),
        "toJson" => first(name, arguments)?.to_string().into(),
        _ => bail!("{name} is not supported in templates"),
    })
}

fn first<'v>(name: &str, arguments: &'v [Value]) -> Result<&'v Value> {
    arguments.first().with_context(|| format!("{name} needs an argument"))
}

/// The first argument that decides, or the last.
fn pick(arguments: &[Value], decides: fn(&Value) -> bool) -> Value {
    arguments.iter().find(|v| decides(v)).or(arguments.last()).cloned().unwrap_or(Value::Null)
}

fn length(value: &Value) -> Result<usize> {
    Ok(match value {
        Value::Null => 0,
        Value::String(s) => s.len(),
        Value::Array(a) => a.len(),
        Value::Object(o) => o.len(),
        other => bail!("len of {other}, which has none"),
    })
}

fn index(arguments: &[Value]) -> Result<Value> {
    let (value, keys) = arguments.split_first().context("index needs an argument")?;
    let mut value = value;
    for key in keys {
        value = match (value, key) {
            (Value::Array(items), Value::Number(n)) => {
                let at = n.as_u64().and_then(|n| usize::try_from(n).ok());
                at.and_then(|at| items.get(at))
                    .with_context(|| format!("index {n} of a list of {}", items.len()))?
            }
            (Value::Object(members), Value::String(key)) => members.get(key).unwrap_or(&Value::Null),
            (Value::Null, _) => &Value::Null,
            (value, key) => bail!("cannot take {key} of {value}"),
        };
    }
    Ok(value.clone())
}

fn compare(one: &Value, other: &Value) -> Option<Ordering> {
    match (one, other) {
        (Value::Number(a), Value::Number(b)) => a.as_f64()?.partial_cmp(&b.as_f64()?),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (a, b) => (a == b).then_some(Ordering::Equal),
    }
}

fn relation(name: &str, one: &Value, other: &Value) -> Result<bool> {
    let order = compare(one, other);
    if name == "ne" {
        return Ok(order != Some(Ordering::Equal));
    }
    let Some(order) = order else { bail!("{name} cannot compare {one} with {other}") };
    Ok(match name {
        "lt" => order.is_lt(),
        "le" => order.is_le(),
        "gt" => order.is_gt(),
        _ => order.is_ge(),
    })
}

/// `printf`: verbs `v s d f q t x %` with flags `-` and `0`, width and precision.
fn format(pattern: &str, arguments: &[Value]) -> Result<String> {
    let mut out = String::new();
    let mut arguments = arguments.iter();
    let mut rest = pattern;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let spec = &rest[at + 1..];
        let end = spec.find(|c: char| c.is_alphabetic() || c == '%').context("a % in printf has no verb")?;
        let (flags, verb) = (&spec[..end], &spec[end..=end]);
        rest = &spec[end + 1..];
        if verb == "%" {
            out.push('%');
            continue;
        }
        let value = arguments.next().with_context(|| format!("printf {pattern:?} needs more arguments"))?;
        out.push_str(&pad(flags, &verb_text(verb, flags, value)?));
    }
    out.push_str(rest);
    Ok(out)
}

fn verb_text(verb: &str, flags: &str, value: &Value) -> Result<String> {
    let precision: Option<usize> = flags.split_once('.').and_then(|(_, p)| p.parse().ok());
    Ok(match verb {
        "v" | "s" | "d" | "t" => match precision {
            Some(precision) => shown(value).chars().take(precision).collect(),
            None => shown(value),
        },
        "q" => Value::from(shown(value)).to_string(),
        "f" => {
            let number = value.as_f64().with_context(|| format!("%f needs a number, not {value}"))?;
            format!("{number:.*}", precision.unwrap_or(6))
        }
        "x" => {
            let number = value.as_i64().with_context(|| format!("%x needs a whole number, not {value}"))?;
            format!("{number:x}")
        }
        _ => bail!("printf verb %{verb} is not supported; there are %v %s %d %f %q %t %x"),
    })
}

fn pad(flags: &str, text: &str) -> String {
    let width = flags.split('.').next().unwrap_or_default();
    let left = width.contains('-');
    let zeros = width.trim_start_matches('-').starts_with('0');
    // A width beyond any terminal is a mistake, and must not take the memory.
    let width = width.trim_start_matches(['-', '+', ' ', '0']).parse::<usize>().unwrap_or(0).min(1000);
    match (left, zeros) {
        (true, _) => format!("{text:<width$}"),
        (false, true) => "0".repeat(width.saturating_sub(text.chars().count())) + text,
        (false, false) => format!("{text:>width$}"),
    }
}
