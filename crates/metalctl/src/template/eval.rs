//! Writes a value through the tree of a template.

use std::borrow::Cow;

use anyhow::{Result, bail};
use serde_json::Value;

use super::function;
use super::parse::{Command, Node, Operand, Pipeline};

/// Values by name; later ones hide earlier ones of the same name.
pub struct Scope {
    variables: Vec<(String, Value)>,
}

impl Scope {
    /// The scope of a whole template, where `$` is the value.
    pub fn new(value: &Value) -> Self {
        Self { variables: vec![(String::new(), value.clone())] }
    }

    /// Writes nodes; variables they make end with them.
    pub fn nodes(&mut self, nodes: &[Node], dot: &Value, out: &mut String) -> Result<()> {
        let depth = self.variables.len();
        let result = nodes.iter().try_for_each(|node| self.node(node, dot, out));
        self.variables.truncate(depth);
        result
    }

    fn node(&mut self, node: &Node, dot: &Value, out: &mut String) -> Result<()> {
        match node {
            Node::Text(text) => out.push_str(text),
            Node::Show(pipeline) => out.push_str(&function::shown(&self.pipeline(pipeline, dot)?)),
            Node::Set(name, pipeline) => {
                let value = self.pipeline(pipeline, dot)?;
                self.variables.push((name.clone(), value));
            }
            Node::If(cases, otherwise) => {
                for (test, then) in cases {
                    if function::truth(&self.pipeline(test, dot)?) {
                        return self.nodes(then, dot, out);
                    }
                }
                self.nodes(otherwise, dot, out)?;
            }
            Node::With(pipeline, then, otherwise) => {
                let value = self.pipeline(pipeline, dot)?;
                if function::truth(&value) {
                    self.nodes(then, &value, out)?;
                } else {
                    self.nodes(otherwise, dot, out)?;
                }
            }
            Node::Range(names, pipeline, body, otherwise) => {
                let entries = entries(self.pipeline(pipeline, dot)?)?;
                if entries.is_empty() {
                    return self.nodes(otherwise, dot, out);
                }
                for (key, value) in entries {
                    self.turn(names, key, &value, body, out)?;
                }
            }
        }
        Ok(())
    }

    fn turn(
        &mut self,
        names: &[String],
        key: Value,
        value: &Value,
        body: &[Node],
        out: &mut String,
    ) -> Result<()> {
        let depth = self.variables.len();
        match names {
            [name] => self.variables.push((name.clone(), value.clone())),
            [first, second] => {
                self.variables.push((first.clone(), key));
                self.variables.push((second.clone(), value.clone()));
            }
            _ => {}
        }
        let result = self.nodes(body, value, out);
        self.variables.truncate(depth);
        result
    }

    fn pipeline(&self, pipeline: &Pipeline, dot: &Value) -> Result<Value> {
        let mut last = None;
        for command in pipeline {
            last = Some(self.command(command, dot, last)?);
        }
        Ok(last.unwrap_or(Value::Null))
    }

    fn command(&self, command: &Command, dot: &Value, last: Option<Value>) -> Result<Value> {
        let Some((first, rest)) = command.split_first() else { bail!("an action is empty") };
        let mut arguments =
            rest.iter().map(|o| Ok(self.operand(o, dot)?.into_owned())).collect::<Result<Vec<_>>>()?;
        arguments.extend(last);
        match first {
            Operand::Call(name) => function::call(name, &arguments),
            operand if arguments.is_empty() => Ok(self.operand(operand, dot)?.into_owned()),
            operand => bail!("{operand:?} is a value and takes no arguments"),
        }
    }

    fn operand<'v>(&'v self, operand: &'v Operand, dot: &'v Value) -> Result<Cow<'v, Value>> {
        Ok(match operand {
            Operand::Call(name) => Cow::Owned(function::call(name, &[])?),
            Operand::Field(path) => Cow::Borrowed(field(dot, path)),
            Operand::Variable(name, path) => {
                let Some((_, value)) = self.variables.iter().rev().find(|(n, _)| n == name) else {
                    bail!("there is no variable ${name}");
                };
                Cow::Borrowed(field(value, path))
            }
            Operand::Constant(value) => Cow::Borrowed(value),
            Operand::Nested(pipeline, path) => {
                Cow::Owned(field(&self.pipeline(pipeline, dot)?, path).clone())
            }
        })
    }
}

/// What stands at a path; nothing if there is no such key, as with a map in Go.
fn field<'v>(mut value: &'v Value, path: &[String]) -> &'v Value {
    for key in path {
        value = value.get(key).unwrap_or(&Value::Null);
    }
    value
}

fn entries(value: Value) -> Result<Vec<(Value, Value)>> {
    Ok(match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.into_iter().enumerate().map(|(i, v)| (i.into(), v)).collect(),
        Value::Object(members) => {
            let mut entries: Vec<_> = members.into_iter().map(|(k, v)| (Value::String(k), v)).collect();
            entries.sort_by(|a, b| a.0.as_str().cmp(&b.0.as_str()));
            entries
        }
        other => bail!("range needs a list or an object, not {other}"),
    })
}
