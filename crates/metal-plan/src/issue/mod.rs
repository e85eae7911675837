//! Issues: what is wrong with machines, as far as the control plane can see, with a severity and a place to read on.

mod evaluate;
mod kind;
#[cfg(test)]
mod tests;

pub use evaluate::{evaluate, issues_of};
pub use kind::{Kind, Severity, catalogue};
