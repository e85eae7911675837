//! The table of figures, and its JSON form.

use std::path::{Path, PathBuf};

use serde::Serialize;

/// One measured figure.
#[derive(Debug, Serialize)]
struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    target: String,
    note: String,
}

/// Collects figures; each is printed as soon as it is known.
#[derive(Debug)]
pub struct Report {
    out: PathBuf,
    figures: Vec<Figure>,
}

impl Report {
    /// Starts a table; the directory is created.
    pub fn new(out: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(out)?;
        println!("{:<58} {:>14} {:<12} {:<22} note", "figure", "measured", "unit", "target");
        Ok(Self { out: out.to_owned(), figures: Vec::new() })
    }

    /// Adds a figure.
    pub fn add(&mut self, name: &str, value: f64, unit: &'static str, target: &str, note: impl Into<String>) {
        let note = note.into();
        let shown = if value.abs() >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") };
        println!("{name:<58} {shown:>14} {unit:<12} {target:<22} {note}");
        self.figures.push(Figure { name: name.to_owned(), value, unit, target: target.to_owned(), note });
    }

    /// Writes `figures.json`.
    pub fn finish(self) -> anyhow::Result<()> {
        let path = self.out.join("figures.json");
        std::fs::write(&path, serde_json::to_vec_pretty(&self.figures)?)?;
        println!("written to {}", path.display());
        Ok(())
    }
}

/// Milliseconds of a duration, for people.
pub fn ms(duration: std::time::Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// The value below which `share` of the sorted values lie.
pub fn quantile(sorted: &[std::time::Duration], share: f64) -> std::time::Duration {
    if sorted.is_empty() {
        return std::time::Duration::ZERO;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index into a list of measurements"
    )]
    let index = ((sorted.len() - 1) as f64 * share) as usize;
    sorted[index]
}
