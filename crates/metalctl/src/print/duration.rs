//! Lengths of time as people write and read them.

use anyhow::{Result, bail};
use jiff::{SignedDuration, Timestamp};

/// How long ago something was, in its two largest units.
pub fn age(since: Option<Timestamp>, now: Timestamp) -> String {
    match since {
        Some(since) if now.duration_since(since).as_secs() <= 0 => "0s".to_owned(),
        Some(since) => go_duration(now.duration_since(since)),
        None => String::new(),
    }
}

/// A length of time in its two largest units.
pub fn go_duration(length: SignedDuration) -> String {
    let seconds = length.as_secs();
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let Some(first) = units.iter().position(|(unit, _)| seconds >= *unit) else {
        return format!("{}ms", length.as_millis());
    };
    let (unit, name) = units[first];
    let mut text = format!("{}{name}", seconds / unit);
    if let Some((smaller, name)) = units.get(first + 1) {
        let rest = seconds % unit / smaller;
        if rest > 0 {
            text += &format!(" {rest}{name}");
        }
    }
    text
}

/// Reads a length of time like `1h30m`, `7d`, `90s` or `1.5h`.
pub fn parse_duration(text: &str) -> Result<SignedDuration> {
    let mut rest = text.trim();
    let mut total = 0.0;
    let mut any = false;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(end);
        let end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let seconds = match unit.trim() {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            "w" => 604_800.0,
            _ => bail!("{text:?} is no length of time; write for example 90s, 30m, 1h30m or 7d"),
        };
        let Ok(number) = number.parse::<f64>() else {
            bail!("{text:?} is no length of time; write for example 90s, 30m, 1h30m or 7d");
        };
        total += number * seconds;
        rest = tail;
        any = true;
    }
    match SignedDuration::try_from_secs_f64(total) {
        Ok(length) if any => Ok(length),
        _ => bail!("{text:?} is no length of time; write for example 90s, 30m, 1h30m or 7d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        for (text, shown) in
            [("90s", "1m 30s"), ("1h30m", "1h 30m"), ("7d", "7d"), ("1.5h", "1h 30m"), ("0s", "0ms")]
        {
            assert_eq!(go_duration(parse_duration(text).unwrap()), shown);
        }
        for text in ["", "5", "h", "1y", "-1h", "1e9999d"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
