//! One cell of a table: its text, its colour, and what it is sorted by.

use jiff::Timestamp;

use super::duration::age;

/// Colours that mean something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// Needs somebody.
    Red,
    /// Worth a look.
    Yellow,
    /// In order.
    Green,
}

/// A cell.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cell {
    /// What is shown.
    pub text: String,
    /// In which colour.
    pub colour: Option<Colour>,
    sort: Option<String>,
}

impl Cell {
    /// A cell in a colour.
    pub fn coloured(text: impl Into<String>, colour: Colour) -> Self {
        Self { text: text.into(), colour: Some(colour), sort: None }
    }

    /// A cell that is sorted by something else than its text.
    pub fn sorted<K: ToString>(text: impl Into<String>, by: &K) -> Self {
        Self { text: text.into(), colour: None, sort: Some(by.to_string()) }
    }

    /// How long ago something was, if it was at all.
    pub fn ago(since: Option<Timestamp>, now: Timestamp) -> Self {
        Self::sorted(age(since, now), &since.map_or(0, |at| now.duration_since(at).as_secs()))
    }

    /// What it is sorted by.
    pub fn key(&self) -> String {
        self.sort.clone().unwrap_or_else(|| self.text.clone())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, colour: None, sort: None }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<&String> for Cell {
    fn from(text: &String) -> Self {
        text.clone().into()
    }
}

/// Makes a row of anything that is a cell.
macro_rules! row {
    ($($cell:expr),* $(,)?) => { vec![$($crate::print::Cell::from($cell)),*] };
}
pub(crate) use row;
