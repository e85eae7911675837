//! Names of units that are instances for a file, written as systemd writes them.

use std::path::Path;

/// A path as the instance part of a unit's name, as `systemd-escape --path` prints it: without slashes at its ends,
/// `-` for `/`, and `\x2d` and the like for everything but letters, digits, `:`, `_` and `.`.
#[must_use]
pub fn escape_path(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt as _;
    let parts: Vec<&[u8]> = path
        .as_os_str()
        .as_bytes()
        .split(|byte| *byte == b'/')
        .filter(|part| !part.is_empty() && *part != b".")
        .collect();
    if parts.is_empty() {
        return "-".to_owned();
    }
    let mut escaped = String::new();
    for (index, byte) in parts.join(&b'/').into_iter().enumerate() {
        match byte {
            b'/' => escaped.push('-'),
            // A leading dot would make it a hidden file.
            b'.' if index > 0 => escaped.push('.'),
            b':' | b'_' => escaped.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => escaped.push(char::from(byte)),
            _ => escaped.push_str(&format!("\\x{byte:02x}")),
        }
    }
    escaped
}

/// The unit that is the instance of a template for a file.
#[must_use]
pub fn instance(template: &str, path: &Path) -> String {
    format!("{template}@{}.service", escape_path(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_paths_as_systemd_does() {
        for (path, escaped) in [
            ("/etc/network/interfaces.tmp", "etc-network-interfaces.tmp"),
            ("/etc/sonic/frr/frr.conf.tmp", "etc-sonic-frr-frr.conf.tmp"),
            ("//var//lib/a-b/", r"var-lib-a\x2db"),
            ("/.hidden/x", r"\x2ehidden-x"),
            ("/a b/ü", r"a\x20b-\xc3\xbc"),
            ("/tmp/q@1:2_3", r"tmp-q\x401:2_3"),
            ("/", "-"),
        ] {
            assert_eq!(escape_path(Path::new(path)), escaped, "{path}");
        }
        assert_eq!(
            instance("interfaces-validation", Path::new("/etc/network/interfaces.tmp")),
            "interfaces-validation@etc-network-interfaces.tmp.service"
        );
    }
}
