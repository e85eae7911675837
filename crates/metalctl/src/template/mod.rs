//! The part of Go's template language that people use to cut columns out of answers: fields, `range`, `if`, `with`,
//! variables, pipelines, and a few functions, over the keys of the JSON. What is missing is refused by name.

mod eval;
mod function;
mod lex;
mod parse;
#[cfg(test)]
mod tests;

use anyhow::Result;
use serde_json::Value;

/// A template that has been read.
#[derive(Debug, Clone)]
pub struct Template {
    nodes: Vec<parse::Node>,
}

impl Template {
    /// Reads a template.
    pub fn parse(text: &str) -> Result<Self> {
        Ok(Self { nodes: parse::parse(text)? })
    }

    /// Writes a value through the template.
    pub fn render(&self, value: &Value) -> Result<String> {
        let mut out = String::new();
        eval::Scope::new(value).nodes(&self.nodes, value, &mut out)?;
        Ok(out)
    }
}
