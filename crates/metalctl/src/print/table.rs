//! Columns aligned by what a terminal shows, not by bytes: addresses, names and the few symbols of machine states.

use std::fmt::Write;

use unicode_width::UnicodeWidthStr;

use super::{Cell, Colour};

/// Space between columns.
const GAP: usize = 2;

/// How a table is written.
#[derive(Debug, Clone, Copy, Default)]
pub struct Style {
    /// As Markdown.
    pub markdown: bool,
    /// With the names of the columns.
    pub headers: bool,
    /// With colours.
    pub colour: bool,
}

/// The text of a table. Columns are at least as wide as `widths` says, which becomes how wide they are, so that
/// rows that follow later stay aligned.
pub fn render(columns: &[&str], rows: &[Vec<Cell>], style: Style, widths: &mut Vec<usize>) -> String {
    let Style { markdown, headers, colour } = style;
    let titles: Vec<String> =
        columns.iter().map(|c| if markdown { (*c).to_owned() } else { c.to_uppercase() }).collect();
    widen(widths, &titles, rows, headers || markdown);
    let mut text = String::new();
    if markdown {
        let cells: Vec<Cell> = titles.iter().map(Cell::from).collect();
        markdown_line(&mut text, &cells, widths);
        let rules: Vec<Cell> = widths.iter().map(|w| Cell::from("-".repeat(*w))).collect();
        markdown_line(&mut text, &rules, widths);
        rows.iter().for_each(|row| markdown_line(&mut text, row, widths));
        return text;
    }
    if headers {
        let cells: Vec<Cell> = titles.into_iter().map(Cell::from).collect();
        line(&mut text, &cells, widths, colour);
    }
    rows.iter().for_each(|row| line(&mut text, row, widths, colour));
    text
}

fn widen(widths: &mut Vec<usize>, titles: &[String], rows: &[Vec<Cell>], headers: bool) {
    widths.resize(titles.len(), 0);
    if headers {
        for (width, title) in widths.iter_mut().zip(titles) {
            *width = (*width).max(title.width());
        }
    }
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.text.width());
        }
    }
}

fn line(text: &mut String, cells: &[Cell], widths: &[usize], colour: bool) {
    let start = text.len();
    for (cell, width) in cells.iter().zip(widths) {
        let escape = match cell.colour.filter(|_| colour) {
            Some(Colour::Red) => "\x1b[31m",
            Some(Colour::Yellow) => "\x1b[33m",
            Some(Colour::Green) => "\x1b[32m",
            None => "",
        };
        text.push_str(escape);
        // What is shown comes from elsewhere and must not steer the terminal.
        text.extend(cell.text.chars().map(|c| if c.is_control() { ' ' } else { c }));
        if !escape.is_empty() {
            text.push_str("\x1b[0m");
        }
        text.extend(std::iter::repeat_n(' ', width + GAP - cell.text.width().min(*width)));
    }
    text.truncate(start + text[start..].trim_end_matches(' ').len());
    text.push('\n');
}

fn markdown_line(text: &mut String, cells: &[Cell], widths: &[usize]) {
    text.push('|');
    for (cell, width) in cells.iter().zip(widths) {
        let shown = cell.text.replace('|', "\\|").replace(['\n', '\r'], " ");
        let fill = width.saturating_sub(shown.width());
        let _ = write!(text, " {shown}{:fill$} |", "");
    }
    text.push('\n');
}
