//! What clients posted: the last hundred, numbered, and of each the first few kilobytes.
//!
//! For people who look at what their guests report. Bounded in number and size; lost at
//! the end of the process.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use latchkey_protocol::{EndpointKind, RequestHead};
use serde::{Deserialize, Serialize};

use crate::machine::Machine;

/// How many posts are kept.
pub const MAX_POSTS: usize = 100;
/// How much of a body is kept, in bytes.
pub const MAX_KEPT_BYTES: usize = 4096;

/// One post of a guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Posted {
    /// Its number, counted from 1 since the process started.
    pub number: u64,
    /// When its head had arrived.
    pub time: Timestamp,
    /// The machine's id.
    pub machine: String,
    /// Which service took it.
    pub endpoint: EndpointKind,
    /// The method.
    pub method: String,
    /// The target as received.
    pub target: String,
    /// The length of the whole body in bytes.
    pub length: u64,
    /// The beginning of the body.
    pub body: Kept,
}

/// The beginning of a body: as text where it is text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kept {
    /// UTF-8.
    Text(String),
    /// Anything else, in base64.
    Base64(String),
}

impl Posted {
    pub(crate) fn new(
        machine: &Machine,
        endpoint: EndpointKind,
        head: &RequestHead,
        body: &[u8],
        length: u64,
        time: Timestamp,
    ) -> Self {
        Self {
            // Given by the inbox.
            number: 0,
            time,
            machine: machine.id.as_str().to_owned(),
            endpoint,
            method: head.method.as_str().to_owned(),
            target: head.target.clone(),
            length,
            body: Kept::beginning_of(body),
        }
    }
}

impl Kept {
    fn beginning_of(body: &[u8]) -> Self {
        let kept = body.get(..MAX_KEPT_BYTES).unwrap_or(body);
        let whole_characters = match std::str::from_utf8(kept) {
            Ok(text) => return Self::Text(text.to_owned()),
            // The cut may have gone through a character.
            Err(error) if error.error_len().is_none() => kept.get(..error.valid_up_to()),
            Err(_) => None,
        };
        match whole_characters.map(std::str::from_utf8) {
            Some(Ok(text)) => Self::Text(text.to_owned()),
            Some(Err(_)) | None => Self::Base64(STANDARD.encode(kept)),
        }
    }
}

/// The last posts of all guests.
#[derive(Debug, Default)]
pub struct Inbox(Mutex<Posts>);

#[derive(Debug, Default)]
struct Posts {
    kept: VecDeque<Posted>,
    last_number: u64,
}

impl Inbox {
    pub(crate) fn put(&self, posted: Posted) {
        let mut posts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if posts.kept.len() >= MAX_POSTS {
            posts.kept.pop_front();
        }
        posts.last_number += 1;
        let number = posts.last_number;
        posts.kept.push_back(Posted { number, ..posted });
    }

    /// Returns all posts, oldest first.
    #[must_use]
    pub fn posts(&self) -> Vec<Posted> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .kept
            .iter()
            .cloned()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_cut_between_characters_and_binary_ones_are_encoded() {
        let long = "é".repeat(MAX_KEPT_BYTES);
        let Kept::Text(text) = Kept::beginning_of(long.as_bytes()) else {
            panic!()
        };
        assert_eq!(text.len(), MAX_KEPT_BYTES);
        let Kept::Text(text) = Kept::beginning_of(format!("x{long}").as_bytes()) else {
            panic!()
        };
        assert_eq!(text.len(), MAX_KEPT_BYTES - 1);
        assert!(matches!(
            Kept::beginning_of(&[0xFF, 0xFE, b'a']),
            Kept::Base64(_)
        ));
    }

    #[test]
    fn oldest_post_gives_way() {
        let inbox = Inbox::default();
        for length in 0..=MAX_POSTS as u64 {
            inbox.put(Posted {
                number: 0,
                time: Timestamp::UNIX_EPOCH,
                machine: String::new(),
                endpoint: EndpointKind::WireServer,
                method: String::new(),
                target: String::new(),
                length,
                body: Kept::Text(String::new()),
            });
        }
        let posts = inbox.posts();
        assert_eq!((posts.len(), posts[0].length), (MAX_POSTS, 1));
        let numbers: Vec<_> = posts.iter().map(|posted| posted.number).collect();
        assert_eq!((numbers[0], numbers[99]), (2, 101));
    }
}
