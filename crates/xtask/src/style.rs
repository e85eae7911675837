//! Conventions for source files that no lint knows.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// A file longer than this is split.
const MOST_LINES: usize = 1000;

/// Names that say nothing about what is inside.
const NAMELESS: [&str; 6] = ["util", "utils", "common", "helper", "helpers", "misc"];

/// Phrases and what to write instead. Spelled in two halves so that this file does not contain them.
const PHRASES: [(&str, &str, &str); 6] = [
    ("%", "err", "errors reach a log line through metal_runtime::chain"),
    ("= %", "e)", "errors reach a log line through metal_runtime::chain"),
    ("= %", "e,", "errors reach a log line through metal_runtime::chain"),
    ("?", "err,", "errors reach a log line through metal_runtime::chain"),
    ("#[al", "low(", "suppress a lint with #[expect(…, reason = \"…\")]"),
    ("#![al", "low(", "suppress a lint with #![expect(…, reason = \"…\")]"),
];

/// Everything that is wrong, one line each.
pub fn violations() -> anyhow::Result<Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    collect(&root, &mut files)?;
    files.sort();
    let mut found = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
        let shown = file.strip_prefix(&root).unwrap_or(&file).display().to_string();
        found.extend(name_fault(&file).map(|fault| format!("{shown}: {fault}")));
        found.extend(faults(&text).into_iter().map(|fault| format!("{shown}:{fault}")));
    }
    Ok(found)
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries = fs::read_dir(directory).with_context(|| format!("list {}", directory.display()))?;
    for entry in entries {
        let path = entry.with_context(|| format!("list {}", directory.display()))?.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                collect(&path, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

fn name_fault(file: &Path) -> Option<String> {
    let stem = file.file_stem()?.to_str()?;
    let parent = file.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    let subject = if stem == "mod" { parent? } else { stem };
    NAMELESS.contains(&subject).then(|| format!("{subject:?} says nothing about what is inside"))
}

/// The faults of one file, each beginning with its line number.
fn faults(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if !text.starts_with("//! ") {
        found.push("1: does not open with a //! paragraph on why the file exists".to_owned());
    }
    let lines = text.lines().count();
    if lines > MOST_LINES {
        found.push(format!("{lines}: longer than {MOST_LINES} lines"));
    }
    for (number, line) in text.lines().enumerate() {
        let code = line.trim_start();
        if code.starts_with("//") {
            continue;
        }
        for (first, second, instead) in PHRASES {
            let phrase = format!("{first}{second}");
            if code.contains(&phrase) {
                found.push(format!("{}: `{phrase}`: {instead}", number + 1));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_file_has_no_fault() {
        assert!(faults("//! Exists.\nfn main() {}\n").is_empty());
    }

    #[test]
    fn each_fault_is_found() {
        let bare = format!("//! Exists.\nwarn!(error = {}err, \"x\");\n", '%');
        assert_eq!(faults(&bare).len(), 1);
        assert_eq!(faults("fn main() {}").len(), 1);
        assert_eq!(faults(&format!("//! Long.\n{}", "\n".repeat(1000))).len(), 1);
        assert!(name_fault(Path::new("src/utils.rs")).is_some());
        assert!(name_fault(Path::new("src/misc/mod.rs")).is_some());
        assert!(name_fault(Path::new("src/machine/mod.rs")).is_none());
    }
}
