//! Where log lines go and what they look like.
//!
//! Lines go to standard error, standard output belongs to a program's answers. Colours appear only where a person
//! looks and has not declined them.

use std::io::IsTerminal as _;
use std::str::FromStr;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The shape of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// One readable line.
    #[default]
    Human,
    /// One JSON object per line.
    Json,
}

impl FromStr for Format {
    type Err = LogError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s {
            "human" | "text" => Ok(Self::Human),
            "json" => Ok(Self::Json),
            _ => Err(LogError::Format(s.to_owned())),
        }
    }
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The level or filter is malformed.
    #[error("parse the log filter {filter:?}")]
    Filter {
        /// What was given.
        filter: String,
        /// What is wrong with it.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// The format is neither `human` nor `json`.
    #[error("unknown log format {0:?}, known are human and json")]
    Format(String),
    /// Somebody else has installed a subscriber.
    #[error("install the log subscriber")]
    Installed(#[source] tracing_subscriber::util::TryInitError),
}

/// Starts logging. `filter` is a level (`info`) or a list of directives (`info,metal_store=debug`).
///
/// # Errors
/// Fails on a malformed filter, and when a subscriber is installed already.
pub fn init(filter: &str, format: Format) -> Result<(), LogError> {
    let parsed = EnvFilter::try_new(filter)
        .map_err(|source| LogError::Filter { filter: filter.to_owned(), source })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(parsed)
        .with_writer(std::io::stderr)
        .with_timer(Stamp)
        .with_ansi(wants_colour());
    let installed = match format {
        Format::Human => builder.finish().try_init(),
        Format::Json => builder.json().flatten_event(true).finish().try_init(),
    };
    installed.map_err(LogError::Installed)
}

/// RFC 3339 in UTC with milliseconds, from the same clock as everything else.
struct Stamp;

impl FormatTime for Stamp {
    fn format_time(&self, w: &mut Writer<'_>) -> std::fmt::Result {
        write!(w, "{:.3}", crate::clock::now())
    }
}

/// Whether standard error is a terminal of somebody who has not declined colours (`NO_COLOR`).
#[must_use]
pub fn wants_colour() -> bool {
    let declined = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !declined && std::io::stderr().is_terminal()
}
