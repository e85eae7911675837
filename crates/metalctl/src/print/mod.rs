//! How answers reach the terminal: as a table, as JSON or YAML with the keys of the wire, or through a template.

mod cell;
mod duration;
mod machine;
mod network;
mod other;
mod switch;
mod table;
#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal, Write};

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use serde::Serialize;

pub use cell::{Cell, Colour};
pub use duration::{age, go_duration, parse_duration};
pub use machine::{BmcRow, FirewallRow, IssueRow, LogRow};
pub use network::tree;
pub use other::{CapacityRow, ContextRow, ServiceRow, TaskRow};
pub use switch::{ConnectionRow, PortRow};
use table::{Style, render};

use crate::template::Template;

/// How to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Aligned columns, the most needed ones.
    Table,
    /// Aligned columns, all of them.
    Wide,
    /// A Markdown table.
    Markdown,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
    /// The template given with `--template`.
    Template,
}

/// What rows may depend on beside the thing they show.
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// All columns instead of the most needed ones.
    pub wide: bool,
    /// The time ages are reckoned from.
    pub now: Timestamp,
    /// How long ago an error of a machine may be and still be shown.
    pub error_threshold: jiff::SignedDuration,
}

/// Something that can be a row of a table.
pub trait Row {
    /// Names of the columns.
    fn columns(wide: bool) -> &'static [&'static str];
    /// The cells, one for each column.
    fn cells(&self, view: &View) -> Vec<Cell>;
}

/// Writes answers in the format that was asked for.
#[derive(Debug)]
pub struct Printer {
    format: Option<Format>,
    template: Option<Template>,
    headers: bool,
    colour: bool,
    view: View,
}

impl Printer {
    /// A printer; `colour` forces colours, otherwise a terminal that is not told `NO_COLOR` gets them.
    pub fn new(
        format: Option<Format>,
        template: Option<&str>,
        headers: bool,
        colour: bool,
        now: Timestamp,
    ) -> Result<Self> {
        let template = template.map(Template::parse).transpose().context("parse --template")?;
        let format = if template.is_some() && format.is_none() { Some(Format::Template) } else { format };
        if format == Some(Format::Template) && template.is_none() {
            bail!("-o template needs --template, for example --template '{{{{ .id }}}}'");
        }
        let silent = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        let colour = colour || (!silent && io::stdout().is_terminal());
        let view = View {
            wide: format == Some(Format::Wide),
            now,
            error_threshold: jiff::SignedDuration::from_hours(7 * 24),
        };
        Ok(Self { format, template, headers, colour, view })
    }

    /// Sets how long an error of a machine is shown.
    pub fn error_threshold(mut self, threshold: jiff::SignedDuration) -> Self {
        self.view.error_threshold = threshold;
        self
    }

    /// The same without colours, whatever the terminal.
    #[cfg(test)]
    pub fn plain(self) -> Self {
        Self { colour: false, ..self }
    }

    /// Sets the time ages are reckoned from.
    pub fn at(&self, now: Timestamp) -> Self {
        Self {
            format: self.format,
            template: self.template.clone(),
            headers: self.headers,
            colour: self.colour,
            view: View { now, ..self.view },
        }
    }

    /// The same without headers, for rows that follow a table.
    pub fn without_headers(&self) -> Self {
        Self { headers: false, ..self.at(self.view.now) }
    }

    /// Whether the output is for people to read as a table.
    pub fn is_table(&self) -> bool {
        matches!(self.format, None | Some(Format::Table | Format::Wide | Format::Markdown))
    }

    /// Whether single things that follow each other need a line between them to stay apart.
    pub fn separates(&self) -> bool {
        matches!(self.format, None | Some(Format::Yaml))
    }

    /// Writes a list; a table unless told otherwise.
    pub fn list<T: Row + Serialize>(&self, items: &[T], sort_by: &[String]) -> Result<()> {
        self.list_aligned(items, sort_by, &mut Vec::new())
    }

    /// Writes a list whose columns are at least as wide as those of the lists before.
    pub fn list_aligned<T: Row + Serialize>(
        &self,
        items: &[T],
        sort_by: &[String],
        widths: &mut Vec<usize>,
    ) -> Result<()> {
        emit(&self.list_text(items, sort_by, widths)?)
    }

    /// Writes one thing; YAML unless told otherwise.
    pub fn one<T: Row + Serialize>(&self, item: &T) -> Result<()> {
        if self.format.is_some() && self.is_table() {
            return self.list(std::slice::from_ref(item), &[]);
        }
        self.value(item)
    }

    /// Writes something that has no columns; YAML unless told otherwise.
    pub fn value<T: Serialize>(&self, item: &T) -> Result<()> {
        emit(&self.value_text(item)?)
    }

    /// The text of a list.
    pub fn list_text<T: Row + Serialize>(
        &self,
        items: &[T],
        sort_by: &[String],
        widths: &mut Vec<usize>,
    ) -> Result<String> {
        let order = order(items, sort_by, &self.view)?;
        let sorted: Vec<&T> = order.into_iter().map(|i| &items[i]).collect();
        match self.format {
            Some(Format::Json | Format::Yaml) => self.value_text(&sorted),
            Some(Format::Template) => {
                let mut text = String::new();
                for item in sorted {
                    text.push_str(&self.value_text(item)?);
                }
                Ok(text)
            }
            None | Some(Format::Table | Format::Wide | Format::Markdown) => {
                let rows: Vec<Vec<Cell>> = sorted.iter().map(|i| i.cells(&self.view)).collect();
                let columns = T::columns(self.view.wide);
                let markdown = self.format == Some(Format::Markdown);
                let style = Style { markdown, headers: self.headers, colour: self.colour };
                Ok(render(columns, &rows, style, widths))
            }
        }
    }

    fn value_text<T: Serialize>(&self, item: &T) -> Result<String> {
        Ok(match (self.format, &self.template) {
            (Some(Format::Json), _) => serde_json::to_string_pretty(item)? + "\n",
            (Some(Format::Template), Some(template)) => template.render(&serde_json::to_value(item)?)? + "\n",
            _ => yaml(item)?,
        })
    }
}

/// The YAML of anything.
pub fn yaml<T: Serialize>(item: &T) -> Result<String> {
    let mut text = serde_saphyr::to_string(item).context("write YAML")?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

/// Writes text to standard output. A reader that has gone away, as `head` does, is no error.
pub fn emit(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(e).context("write to standard output"),
        _ => Ok(()),
    }
}

/// The order of the items by the columns named, each `name` or `name:desc`.
fn order<T: Row>(items: &[T], sort_by: &[String], view: &View) -> Result<Vec<usize>> {
    let mut order: Vec<usize> = (0..items.len()).collect();
    if sort_by.is_empty() {
        return Ok(order);
    }
    let wide = View { wide: true, ..*view };
    let narrow = View { wide: false, ..*view };
    let mut keys: Vec<(Vec<String>, bool)> = Vec::new();
    for name in sort_by {
        let (name, descending) = match name.split_once(':') {
            Some((name, "desc")) => (name, true),
            Some((name, "asc")) => (name, false),
            Some(_) => bail!("--sort-by {name}: write a column, or column:desc"),
            None => (name.as_str(), false),
        };
        let (column, view) = column::<T>(name, &wide, &narrow)?;
        let texts =
            items.iter().map(|i| i.cells(view).get(column).map(Cell::key).unwrap_or_default()).collect();
        keys.push((texts, descending));
    }
    order.sort_by(|a, b| {
        keys.iter()
            .map(|(texts, descending)| {
                let by = natural(&texts[*a], &texts[*b]);
                if *descending { by.reverse() } else { by }
            })
            .find(|by| by.is_ne())
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    Ok(order)
}

fn column<'v, T: Row>(name: &str, wide: &'v View, narrow: &'v View) -> Result<(usize, &'v View)> {
    let same = |header: &str| key_of(header) == key_of(name);
    for view in [wide, narrow] {
        if let Some(column) = T::columns(view.wide).iter().position(|h| same(h)) {
            return Ok((column, view));
        }
    }
    let known: Vec<String> = T::columns(true)
        .iter()
        .filter(|h| !h.is_empty())
        .map(|h| h.to_lowercase().replace(' ', "-"))
        .collect();
    bail!("--sort-by {name}: no such column; there are {}", known.join(", "))
}

fn key_of(header: &str) -> String {
    header.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Numbers by value, everything else as text.
fn natural(a: &str, b: &str) -> std::cmp::Ordering {
    match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => a.total_cmp(&b),
        _ => a.cmp(b),
    }
}
