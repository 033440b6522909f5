//! Sends exact bytes from inside a guest, and reads what comes back without any client's help.

use std::net::Ipv4Addr;
use std::time::Duration;

use latchkey_lab::curl::Answer;
use latchkey_lab::network::{METADATA_ADDRESS, WIRESERVER_ADDRESS};
use serde_json::{Value, json};

use crate::world::World;

const CLIENT: &str = include_str!("raw_client.py");

/// How long all exchanges of one call may take together.
const LIMIT: Duration = Duration::from_secs(120);

/// What is sent over one connection.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    address: Ipv4Addr,
    pieces: Vec<Vec<u8>>,
    pause: Duration,
    replies: Vec<Vec<u8>>,
    is_cut: bool,
}

impl Exchange {
    /// Sends these bytes at once to the instance metadata service, and waits for the end.
    pub(crate) fn imds(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            address: METADATA_ADDRESS,
            pieces: vec![bytes.into()],
            pause: Duration::ZERO,
            replies: Vec::new(),
            is_cut: false,
        }
    }

    /// As [`Exchange::imds`], to the `WireServer`.
    pub(crate) fn wireserver(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            address: WIRESERVER_ADDRESS,
            ..Self::imds(bytes)
        }
    }

    /// Sends the bytes one by one, with a pause after each.
    pub(crate) fn byte_by_byte(mut self, pause: Duration) -> Self {
        let bytes = self.pieces.concat();
        self.pieces = bytes.chunks(1).map(<[u8]>::to_vec).collect();
        self.pause = pause;
        self
    }

    /// Sends these bytes when something came back.
    pub(crate) fn then(mut self, bytes: &str) -> Self {
        self.replies.push(bytes.into());
        self
    }

    /// Says after the bytes that nothing more will come.
    pub(crate) fn cut(mut self) -> Self {
        self.is_cut = true;
        self
    }

    fn describe(&self) -> Value {
        let in_hex = |pieces: &[Vec<u8>]| -> Vec<String> {
            pieces.iter().map(|piece| to_hex(piece)).collect()
        };
        json!({
            "address": self.address,
            "port": 80,
            "pieces": in_hex(&self.pieces),
            "replies": in_hex(&self.replies),
            "pauseMs": u64::try_from(self.pause.as_millis()).unwrap(),
            "isCut": self.is_cut,
        })
    }
}

/// What came back over one connection.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The answers, interim ones included.
    pub(crate) answers: Vec<Answer>,
    /// How the connection ended: `closed`, `reset`, or `open` when nothing came for long.
    pub(crate) end: String,
}

impl Outcome {
    fn read(result: &Value) -> Self {
        let received = from_hex(result["received"].as_str().unwrap());
        let text = latchkey_lab::process::readable(&received);
        // No body of the emulators holds the text that every answer begins with.
        let answers = text.split("HTTP/1.1 ").skip(1);
        let answers = answers.map(|rest| Answer::parse(&format!("HTTP/1.1 {rest}")));
        Self {
            answers: answers.collect(),
            end: result["end"].as_str().unwrap().to_owned(),
        }
    }

    /// Returns the statuses of the answers.
    pub(crate) fn statuses(&self) -> Vec<u16> {
        self.answers.iter().filter_map(|a| a.status).collect()
    }
}

/// Makes the exchanges as a user of a guest, one after the other.
pub(crate) fn exchange(
    world: &World,
    guest: &str,
    user: &str,
    exchanges: &[Exchange],
) -> Vec<Outcome> {
    let list: Vec<Value> = exchanges.iter().map(Exchange::describe).collect();
    let python = world.guest(guest).command(user, "/usr/bin/python3");
    let output = python
        .args(["-c", CLIENT])
        .stdin(Value::from(list).to_string())
        .output(LIMIT)
        .unwrap();
    assert!(output.success(), "{output:?}");
    let results: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(results.len(), exchanges.len());
    results.iter().map(Outcome::read).collect()
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}
