//! Makes a tree of pieces.

use std::collections::VecDeque;

use anyhow::{Result, bail};

use super::function;
use super::lex::{Piece, Word, pieces};

/// A part of a template.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// Text that is written as it is.
    Text(String),
    /// A value that is written.
    Show(Pipeline),
    /// A variable that gets a value.
    Set(String, Pipeline),
    /// `if`, in pairs of condition and body, with a last body for everything else.
    If(Vec<(Pipeline, Vec<Node>)>, Vec<Node>),
    /// `with`.
    With(Pipeline, Vec<Node>, Vec<Node>),
    /// `range`: variables for key and value, list, body, body for nothing.
    Range(Vec<String>, Pipeline, Vec<Node>, Vec<Node>),
}

/// Commands, each given the result of the one before.
pub type Pipeline = Vec<Command>;

/// A function or value with arguments.
pub type Command = Vec<Operand>;

/// A value of a command.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// Function.
    Call(String),
    /// Field of the dot.
    Field(Vec<String>),
    /// Field of a variable.
    Variable(String, Vec<String>),
    /// Constant.
    Constant(serde_json::Value),
    /// Pipeline in parentheses, and a field of its result.
    Nested(Pipeline, Vec<String>),
}

/// What ended a body.
#[derive(Debug, PartialEq)]
enum End {
    Document,
    Closed,
    Else(VecDeque<Word>),
}

/// Reads a template.
pub fn parse(text: &str) -> Result<Vec<Node>> {
    let mut rest: VecDeque<Piece> = pieces(text)?.into();
    match body(&mut rest)? {
        (nodes, End::Document) => Ok(nodes),
        _ => bail!("an end or else has nothing it belongs to"),
    }
}

fn body(rest: &mut VecDeque<Piece>) -> Result<(Vec<Node>, End)> {
    let mut nodes = Vec::new();
    while let Some(piece) = rest.pop_front() {
        let mut words: VecDeque<Word> = match piece {
            Piece::Text(text) => {
                nodes.push(Node::Text(text));
                continue;
            }
            Piece::Action(words) => words.into(),
        };
        let keyword = match words.front() {
            Some(Word::Name(name)) => name.clone(),
            _ => String::new(),
        };
        match keyword.as_str() {
            "end" => return Ok((nodes, End::Closed)),
            "else" => {
                words.pop_front();
                return Ok((nodes, End::Else(words)));
            }
            "if" => {
                words.pop_front();
                nodes.push(condition(words, rest)?);
            }
            "with" => {
                words.pop_front();
                let value = pipeline(&mut words)?;
                let (then, otherwise) = branches(rest, "with")?;
                nodes.push(Node::With(value, then, otherwise));
            }
            "range" => {
                words.pop_front();
                let names = variables(&mut words);
                let value = pipeline(&mut words)?;
                let (then, otherwise) = branches(rest, "range")?;
                nodes.push(Node::Range(names, value, then, otherwise));
            }
            "define" | "template" | "block" | "break" | "continue" => {
                bail!(
                    "{keyword} is not supported in templates; there are if, with, range, variables and pipelines"
                )
            }
            _ => match variables(&mut words).as_slice() {
                [name] => nodes.push(Node::Set(name.clone(), pipeline(&mut words)?)),
                _ => nodes.push(Node::Show(pipeline(&mut words)?)),
            },
        }
    }
    Ok((nodes, End::Document))
}

fn condition(mut words: VecDeque<Word>, rest: &mut VecDeque<Piece>) -> Result<Node> {
    let mut cases = Vec::new();
    loop {
        let test = pipeline(&mut words)?;
        let (then, end) = body(rest)?;
        cases.push((test, then));
        match end {
            End::Document => bail!("an if has no end"),
            End::Closed => return Ok(Node::If(cases, Vec::new())),
            End::Else(mut next) => {
                if next.pop_front() == Some(Word::Name("if".to_owned())) {
                    words = next;
                    continue;
                }
                let (otherwise, end) = body(rest)?;
                if end != End::Closed {
                    bail!("an else has no end");
                }
                return Ok(Node::If(cases, otherwise));
            }
        }
    }
}

fn branches(rest: &mut VecDeque<Piece>, of: &str) -> Result<(Vec<Node>, Vec<Node>)> {
    let (then, end) = body(rest)?;
    match end {
        End::Closed => Ok((then, Vec::new())),
        End::Else(words) if words.is_empty() => match body(rest)? {
            (otherwise, End::Closed) => Ok((then, otherwise)),
            _ => bail!("an else has no end"),
        },
        End::Else(_) => bail!("else with something behind it belongs to if, not to {of}"),
        End::Document => bail!("a {of} has no end"),
    }
}

/// `$a, $b :=` or `$a :=` at the beginning, taken away.
fn variables(words: &mut VecDeque<Word>) -> Vec<String> {
    let assign = |w: Option<&Word>| matches!(w, Some(Word::Sign(":=" | "=")));
    let variable = |w: Option<&Word>| match w {
        Some(Word::Variable(name, fields)) if fields.is_empty() => Some(name.clone()),
        _ => None,
    };
    let (first, third) = (variable(words.front()), variable(words.get(2)));
    match (first, third) {
        (Some(name), _) if assign(words.get(1)) => {
            words.drain(..2);
            vec![name]
        }
        (Some(key), Some(value)) if words.get(1) == Some(&Word::Sign(",")) && assign(words.get(3)) => {
            words.drain(..4);
            vec![key, value]
        }
        _ => Vec::new(),
    }
}

fn pipeline(words: &mut VecDeque<Word>) -> Result<Pipeline> {
    let commands = commands(words)?;
    match words.front() {
        None => Ok(commands),
        Some(word) => bail!("unexpected {word:?} in a template"),
    }
}

fn commands(words: &mut VecDeque<Word>) -> Result<Pipeline> {
    let mut commands = vec![Command::new()];
    while let Some(word) = words.front() {
        if matches!(word, Word::Close(_)) {
            break;
        }
        let Some(word) = words.pop_front() else { break };
        let command = commands.last_mut().expect("there is at least one command");
        match word {
            Word::Sign("|") => {
                commands.push(Command::new());
                continue;
            }
            Word::Sign("(") => {
                let nested = self::commands(words)?;
                let Some(Word::Close(fields)) = words.pop_front() else { bail!("a ( has no )") };
                command.push(Operand::Nested(nested, fields));
            }
            Word::Close(_) => bail!("a ) has no ("),
            Word::Sign(sign) => bail!("unexpected {sign} in a template"),
            Word::Field(fields) => command.push(Operand::Field(fields)),
            Word::Variable(name, fields) => command.push(Operand::Variable(name, fields)),
            Word::Text(text) => command.push(Operand::Constant(text.into())),
            Word::Number(number) => command.push(Operand::Constant(function::number(number))),
            Word::Name(name) => command.push(match name.as_str() {
                "true" => Operand::Constant(true.into()),
                "false" => Operand::Constant(false.into()),
                "nil" => Operand::Constant(serde_json::Value::Null),
                name if function::NAMES.contains(&name) => Operand::Call(name.to_owned()),
                name => {
                    bail!("{name} is not supported in templates; there are {}", function::NAMES.join(", "))
                }
            }),
        }
    }
    if commands.iter().any(Vec::is_empty) {
        bail!("an action or a part of a pipeline is empty");
    }
    Ok(commands)
}
