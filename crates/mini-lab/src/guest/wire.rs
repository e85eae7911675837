//! What host and guest say to each other over the one serial line between them.
//!
//! Output and the exit code travel on the same line in frames, so that the code never overtakes the output and nothing
//! a command prints can be taken for a code. A frame is a byte that says what it is, the length as four bytes with the
//! least significant first, and so many bytes.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};

use super::qemu::Share;

/// A longer frame is a fault of the other end.
const LONGEST: usize = 1 << 20;
const HEAD: usize = 5;

/// What the host asks for, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Program and arguments.
    pub command: Vec<String>,
    /// Where to run it, if there is such a directory inside.
    pub directory: String,
    /// Further environment variables.
    pub environment: BTreeMap<String, String>,
    /// What to mount where.
    pub shares: Vec<Share>,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// Guest to host: the agent runs and waits for a request.
    Hello,
    /// Host to guest: a [`Request`] as JSON.
    Request(Vec<u8>),
    /// Guest to host: bytes of the command's standard output.
    Output(Vec<u8>),
    /// Guest to host: bytes of the command's standard error.
    Error(Vec<u8>),
    /// Guest to host, the last: how the command ended, as a shell counts.
    Exited(u8),
    /// Guest to host, the last: why the command could not be run.
    Failed(String),
}

impl Frame {
    /// Its bytes on the line.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (kind, body): (u8, &[u8]) = match self {
            Self::Hello => (1, &[]),
            Self::Request(json) => (2, json),
            Self::Output(bytes) => (3, bytes),
            Self::Error(bytes) => (4, bytes),
            Self::Exited(code) => (5, std::slice::from_ref(code)),
            Self::Failed(why) => (6, why.as_bytes()),
        };
        let length = u32::try_from(body.len()).expect("a frame is shorter than 4 GiB");
        let mut bytes = Vec::with_capacity(HEAD + body.len());
        bytes.push(kind);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(body);
        bytes
    }

    fn decode(kind: u8, body: &[u8]) -> io::Result<Self> {
        match (kind, body) {
            (1, []) => Ok(Self::Hello),
            (2, json) => Ok(Self::Request(json.to_owned())),
            (3, bytes) => Ok(Self::Output(bytes.to_owned())),
            (4, bytes) => Ok(Self::Error(bytes.to_owned())),
            (5, [code]) => Ok(Self::Exited(*code)),
            (6, why) => Ok(Self::Failed(String::from_utf8_lossy(why).into_owned())),
            _ => Err(invalid(format!("a frame of kind {kind} with {} bytes", body.len()))),
        }
    }
}

/// Puts frames together from pieces of any size.
#[derive(Debug, Default)]
pub struct Decoder {
    bytes: Vec<u8>,
    taken: usize,
}

impl Decoder {
    /// Takes what has arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole frame, if it is there.
    ///
    /// # Errors
    /// Fails when what arrived is no frame; nothing after it can be read then.
    pub fn next(&mut self) -> io::Result<Option<Frame>> {
        let rest = &self.bytes[self.taken..];
        let Some((&[kind, a, b, c, d], body)) = rest.split_first_chunk::<HEAD>() else { return Ok(None) };
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        if length > LONGEST {
            return Err(invalid(format!("a frame of {length} bytes")));
        }
        let Some(body) = body.get(..length) else { return Ok(None) };
        let frame = Frame::decode(kind, body)?;
        self.taken += HEAD + length;
        Ok(Some(frame))
    }
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames() -> Vec<Frame> {
        vec![
            Frame::Hello,
            Frame::Request(b"{}".to_vec()),
            Frame::Output(vec![0, 5, 255]),
            Frame::Error(Vec::new()),
            Frame::Failed("no such program".to_owned()),
            Frame::Exited(7),
        ]
    }

    #[test]
    fn frames_survive_being_cut_anywhere() {
        let line: Vec<u8> = frames().iter().flat_map(Frame::encode).collect();
        for piece in 1..=line.len() {
            let mut decoder = Decoder::default();
            let mut found = Vec::new();
            for bytes in line.chunks(piece) {
                decoder.push(bytes);
                while let Some(frame) = decoder.next().unwrap() {
                    found.push(frame);
                }
            }
            assert_eq!(found, frames(), "in pieces of {piece}");
        }
    }

    #[test]
    fn output_that_looks_like_a_frame_is_output() {
        let hostile = Frame::Output(Frame::Exited(0).encode());
        let mut decoder = Decoder::default();
        decoder.push(&hostile.encode());
        assert_eq!(decoder.next().unwrap(), Some(hostile));
        assert_eq!(decoder.next().unwrap(), None);
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        for bytes in [&[9, 0, 0, 0, 0][..], &[5, 2, 0, 0, 0, 1, 2], &[3, 255, 255, 255, 255]] {
            let mut decoder = Decoder::default();
            decoder.push(bytes);
            assert!(decoder.next().is_err(), "{bytes:?}");
        }
    }
}
