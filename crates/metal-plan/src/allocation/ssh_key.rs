//! Public keys as they stand in authorized_keys. Only the form is checked: that somebody can log in with them is not
//! for the control plane to judge, but a truncated paste should fail now and not after the installation.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

/// Key types and how many fields follow the type in the key itself.
const TYPES: [(&str, usize); 7] = [
    ("ssh-ed25519", 1),
    ("ssh-rsa", 2),
    ("ssh-dss", 4),
    ("ecdsa-sha2-nistp256", 2),
    ("ecdsa-sha2-nistp384", 2),
    ("ecdsa-sha2-nistp521", 2),
    ("sk-ssh-ed25519@openssh.com", 2),
];
/// The one type with three fields that also carries an application name.
const SK_ECDSA: (&str, usize) = ("sk-ecdsa-sha2-nistp256@openssh.com", 3);

/// Why a text is no public key.
pub(super) fn check(text: &str) -> Result<(), String> {
    let mut lines =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).peekable();
    if lines.peek().is_none() {
        return Err("it is empty".to_owned());
    }
    lines.try_for_each(check_line)
}

fn check_line(line: &str) -> Result<(), String> {
    let (first, rest) = split(line);
    let fields = match fields_of(first) {
        Some(fields) => Some((first, fields, rest)),
        // Options come first, if any.
        None => {
            let (kind, rest) = split(rest);
            fields_of(kind).map(|fields| (kind, fields, rest))
        }
    };
    let Some((kind, fields, rest)) = fields else {
        return Err("it does not begin with a key type like ssh-ed25519".to_owned());
    };
    let (encoded, _comment) = split(rest);
    let blob = STANDARD
        .decode(encoded)
        .or_else(|_| STANDARD_NO_PAD.decode(encoded))
        .map_err(|_| format!("what follows {kind} is not base64"))?;
    let wrong = || format!("the key after {kind} is cut off or of another type");
    let (inner, mut rest) = string(&blob).ok_or_else(wrong)?;
    if inner != kind.as_bytes() {
        return Err(wrong());
    }
    for _ in 0..fields {
        let (field, more) = string(rest).ok_or_else(wrong)?;
        if field.is_empty() {
            return Err(wrong());
        }
        rest = more;
    }
    if rest.is_empty() || is_certificate(kind) { Ok(()) } else { Err(wrong()) }
}

/// Certificates have many more fields after a nonce; only the first ones are looked at.
fn is_certificate(kind: &str) -> bool {
    kind.contains("-cert-v01@openssh.com")
}

fn fields_of(kind: &str) -> Option<usize> {
    if is_certificate(kind) {
        return Some(2);
    }
    TYPES.iter().chain([&SK_ECDSA]).find(|(name, _)| *name == kind).map(|(_, fields)| *fields)
}

/// First word and the rest; quoted blanks belong to the word.
fn split(text: &str) -> (&str, &str) {
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' if !escaped => quoted = !quoted,
            ' ' | '\t' if !quoted => return (&text[..at], text[at..].trim_start()),
            _ => {}
        }
        escaped = c == '\\' && !escaped;
    }
    (text, "")
}

/// A string with its length before it.
fn string(blob: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = blob.split_at_checked(4)?;
    let length = u32::from_be_bytes(length.try_into().ok()?);
    rest.split_at_checked(usize::try_from(length).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7XcVYTjRQfuFKsHKWFpEbzQ1i7zAhQQ1OA0zBMvqaJ";

    #[test]
    fn accepts_lines_of_authorized_keys() {
        for good in [
            ED25519.to_owned(),
            format!("{ED25519} somebody@somewhere"),
            format!("# mine\n{ED25519}\n"),
            format!("command=\"echo \\\"hi there\\\"\",no-pty {ED25519} x"),
        ] {
            assert_eq!(check(&good), Ok(()), "{good}");
        }
    }

    #[test]
    fn refuses_what_is_cut_off_or_something_else() {
        let cut = &ED25519[..ED25519.len() - 8];
        for wrong in [
            "",
            "# only a comment",
            "ssh-ed25519",
            "AAAAC3",
            cut,
            "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIA==",
            "ssh-ed25519 not-base64!",
            "a \"b c",
        ] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
    }
}
