//! A client of Redis, as much of its protocol as the switch's databases need: version 2, blocking.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::databases::{Database, Endpoint};

/// Longest an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Largest text an answer may hold; the databases have nothing near it.
const LONGEST: usize = 64 << 20;
/// Nested answers are not asked for.
const DEEPEST: u8 = 8;

/// Why the database did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum RedisError {
    /// It cannot be reached.
    #[error("connect to {endpoint}")]
    Connect {
        /// Where it should be.
        endpoint: Endpoint,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The connection broke or nothing came.
    #[error("wait for the answer to {command}")]
    Lost {
        /// What was asked.
        command: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It refused.
    #[error("{command} was refused: {answer}")]
    Refused {
        /// What was asked.
        command: String,
        /// Its words.
        answer: String,
    },
    /// It answered something else.
    #[error("{command} was answered with something else than expected")]
    Unexpected {
        /// What was asked.
        command: String,
    },
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    Error(String),
    Number(i64),
    Nothing,
    List(Vec<Value>),
}

trait Stream: Read + Write + Send {}
impl Stream for UnixStream {}
impl Stream for TcpStream {}

/// A connection to one database.
pub struct Connection {
    stream: BufReader<Box<dyn Stream>>,
}

impl Connection {
    /// Connects, says the password if there is one, and chooses the database.
    ///
    /// # Errors
    /// Fails when it cannot be reached or refuses.
    pub fn open(database: &Database) -> Result<Self, RedisError> {
        let stream = connect(&database.endpoint)
            .map_err(|source| RedisError::Connect { endpoint: database.endpoint.clone(), source })?;
        let mut connection = Self { stream: BufReader::new(stream) };
        if let Some(password) = &database.password {
            connection.call(&["AUTH", password.expose()])?;
        }
        connection.call(&["CLIENT", "SETNAME", "metal-core"])?;
        connection.call(&["SELECT", &database.id.to_string()])?;
        Ok(connection)
    }

    /// All fields of a row; empty if there is no row.
    pub fn fields(&mut self, key: &str) -> Result<BTreeMap<String, String>, RedisError> {
        let mut rows = self.rows(&[key.to_owned()])?;
        Ok(rows.pop().unwrap_or_default())
    }

    /// All fields of many rows, asked in one go.
    pub fn rows(&mut self, keys: &[String]) -> Result<Vec<BTreeMap<String, String>>, RedisError> {
        let mut rows = Vec::with_capacity(keys.len());
        // In portions, so that neither side waits for the other to read.
        for keys in keys.chunks(256) {
            let commands: Vec<[&str; 2]> = keys.iter().map(|key| ["HGETALL", key.as_str()]).collect();
            let bytes: Vec<u8> = commands.iter().flat_map(|command| encode(command)).collect();
            self.send(&bytes, "HGETALL")?;
            for command in &commands {
                let list = self.answer(command).and_then(|value| list(value, command))?;
                let mut texts = list.into_iter().map(|value| text(value, command));
                let mut row = BTreeMap::new();
                while let Some(field) = texts.next() {
                    row.insert(field?, texts.next().ok_or_else(|| unexpected(command))??);
                }
                rows.push(row);
            }
        }
        Ok(rows)
    }

    /// Keys like a pattern.
    pub fn keys(&mut self, pattern: &str) -> Result<Vec<String>, RedisError> {
        let mut keys = Vec::new();
        let mut cursor = "0".to_owned();
        loop {
            let command = ["SCAN", &cursor, "MATCH", pattern, "COUNT", "1000"];
            let answer = list(self.call(&command)?, &command)?;
            let Ok([next, found]) = <[Value; 2]>::try_from(answer) else { return Err(unexpected(&command)) };
            let found = list(found, &command)?;
            for key in found {
                keys.push(text(key, &command)?);
            }
            let next = text(next, &command)?;
            if next == "0" {
                break;
            }
            cursor = next;
        }
        // A key may be told twice.
        keys.sort();
        keys.dedup();
        Ok(keys)
    }

    /// Whether a row exists.
    pub fn exists(&mut self, key: &str) -> Result<bool, RedisError> {
        let command = ["EXISTS", key];
        match self.call(&command)? {
            Value::Number(number) => Ok(number > 0),
            _ => Err(unexpected(&command)),
        }
    }

    /// Writes fields of a row.
    pub fn set<'a>(
        &mut self,
        key: &str,
        fields: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<(), RedisError> {
        let mut command = vec!["HSET", key];
        command.extend(fields.into_iter().flat_map(|(field, value)| [field, value]));
        self.call(&command).map(drop)
    }

    /// Removes a row; one that is not there is no error.
    pub fn delete(&mut self, key: &str) -> Result<(), RedisError> {
        self.call(&["DEL", key]).map(drop)
    }

    fn call(&mut self, command: &[&str]) -> Result<Value, RedisError> {
        self.send(&encode(command), &name(command))?;
        self.answer(command)
    }

    fn send(&mut self, bytes: &[u8], command: &str) -> Result<(), RedisError> {
        self.stream
            .get_mut()
            .write_all(bytes)
            .map_err(|source| RedisError::Lost { command: command.to_owned(), source })
    }

    fn answer(&mut self, command: &[&str]) -> Result<Value, RedisError> {
        let value = decode(&mut self.stream, 0)
            .map_err(|source| RedisError::Lost { command: name(command), source })?;
        match value {
            Value::Error(answer) => Err(RedisError::Refused { command: name(command), answer }),
            value => Ok(value),
        }
    }
}

fn connect(endpoint: &Endpoint) -> io::Result<Box<dyn Stream>> {
    match endpoint {
        Endpoint::Unix(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            Ok(Box::new(stream))
        }
        Endpoint::Tcp(host, port) => {
            let stream = TcpStream::connect((host.as_str(), *port))?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            Ok(Box::new(stream))
        }
    }
}

/// What may be told of a command: without its arguments if they are a password.
fn name(command: &[&str]) -> String {
    match command {
        ["AUTH", ..] => "AUTH".to_owned(),
        [name, key, ..] => format!("{name} {key}"),
        _ => command.concat(),
    }
}

fn unexpected(command: &[&str]) -> RedisError {
    RedisError::Unexpected { command: name(command) }
}

fn text(value: Value, command: &[&str]) -> Result<String, RedisError> {
    if let Value::Text(text) = value { Ok(text) } else { Err(unexpected(command)) }
}

fn list(value: Value, command: &[&str]) -> Result<Vec<Value>, RedisError> {
    if let Value::List(list) = value { Ok(list) } else { Err(unexpected(command)) }
}

fn encode(command: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", command.len()).into_bytes();
    for argument in command {
        bytes.extend(format!("${}\r\n", argument.len()).into_bytes());
        bytes.extend(argument.as_bytes());
        bytes.extend(b"\r\n");
    }
    bytes
}

fn odd(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the answer has {what}"))
}

/// Reads one answer.
pub(super) fn decode(stream: &mut impl BufRead, depth: u8) -> io::Result<Value> {
    let mut line = Vec::new();
    stream.take(64 << 10).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let line = line.strip_suffix(b"\r\n").ok_or_else(|| odd("a line without an end"))?;
    let (kind, rest) = line.split_first().ok_or_else(|| odd("an empty line"))?;
    let rest = String::from_utf8_lossy(rest).into_owned();
    let number = || rest.parse::<i64>().map_err(|_| odd("a length that is no number"));
    match kind {
        b'+' => Ok(Value::Text(rest)),
        b'-' => Ok(Value::Error(rest)),
        b':' => number().map(Value::Number),
        b'$' | b'*' if number()? < 0 => Ok(Value::Nothing),
        b'$' => {
            let length = usize::try_from(number()?).ok().filter(|length| *length <= LONGEST);
            let length = length.ok_or_else(|| odd("an enormous text"))?;
            let mut bytes = vec![0; length + 2];
            stream.read_exact(&mut bytes)?;
            bytes.truncate(length);
            Ok(Value::Text(String::from_utf8_lossy(&bytes).into_owned()))
        }
        b'*' if depth >= DEEPEST => Err(odd("lists in lists without end")),
        b'*' => (0..number()?).map(|_| decode(stream, depth + 1)).collect::<io::Result<_>>().map(Value::List),
        _ => Err(odd("an unknown type")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let read = |text: &str| decode(&mut text.as_bytes(), 0);
        assert_eq!(read("+OK\r\n").unwrap(), Value::Text("OK".into()));
        assert_eq!(read("-ERR no\r\n").unwrap(), Value::Error("ERR no".into()));
        assert_eq!(read("$-1\r\n").unwrap(), Value::Nothing);
        let list = Value::List(vec![Value::Number(-3), Value::Text("a\r\nb".into())]);
        assert_eq!(read("*2\r\n:-3\r\n$4\r\na\r\nb\r\n").unwrap(), list);
    }

    #[test]
    fn broken_answers_are_errors() {
        for text in
            ["", "+OK", "$5\r\nab\r\n", "*2\r\n:1\r\n", "$x\r\n\r\n", "?\r\n", "\r\n", "$99999999999\r\n"]
        {
            assert!(decode(&mut text.as_bytes(), 0).is_err(), "{text:?}");
        }
        assert!(decode(&mut "*1\r\n".repeat(100).as_bytes(), 0).is_err());
    }

    #[test]
    fn a_password_is_not_told() {
        assert_eq!(name(&["AUTH", "hidden"]), "AUTH");
    }
}
