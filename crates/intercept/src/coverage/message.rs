//! What the probe and its child tell each other: one JSON document per line over a socket.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::way::{Place, Way};

/// Where a child is to try ways, and what it has to know.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Setting {
    pub(super) place: Place,
    /// The agent's network namespace, when the probe itself runs in another one.
    pub(super) namespace: Option<PathBuf>,
    /// The cookie of that namespace.
    pub(super) netns_cookie: u64,
    pub(super) listener: SocketAddr,
    pub(super) listener_v6: Option<SocketAddr>,
    pub(super) pin_dir: PathBuf,
    /// The child's own cgroup.
    pub(super) cgroup: PathBuf,
}

impl Setting {
    /// Returns whether this is where redirected connections arrive.
    pub(super) fn is_listener(&self, address: SocketAddr) -> bool {
        address == self.listener || Some(address) == self.listener_v6
    }
}

/// One way to one endpoint.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Trial {
    pub(super) way: Way,
    pub(super) endpoint: SocketAddr,
}

/// What became of a trial, or of the preparation for trials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) seen: Seen,
    pub(super) note: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Seen {
    /// It arrived at the agent's listener.
    Listener,
    /// The kernel refused it.
    Refused,
    /// Neither: it would have reached the endpoint.
    Passed,
    /// It could not be tried.
    Impossible,
}

impl Answer {
    pub(super) fn plain(seen: Seen) -> Self {
        Self::noted(seen, "")
    }

    pub(super) fn noted(seen: Seen, note: &str) -> Self {
        Self {
            seen,
            note: note.to_owned(),
        }
    }

    /// What was needed for a trial failed.
    pub(super) fn impossible(what: &str, error: impl Into<io::Error>) -> Self {
        let error = error.into();
        Self::noted(Seen::Impossible, &format!("{what}: {error}"))
    }
}

/// One end of the conversation.
#[derive(Debug)]
pub(super) struct Line {
    reader: BufReader<UnixStream>,
}

impl Line {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self {
            reader: BufReader::new(stream),
        }
    }

    /// Bounds how long [`Self::receive`] waits.
    pub(super) fn set_patience(&self, patience: Duration) -> io::Result<()> {
        self.reader.get_ref().set_read_timeout(Some(patience))
    }

    pub(super) fn send(&mut self, message: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        self.reader.get_mut().write_all(&line)
    }

    /// Returns the next message, or `None` when the other end is gone.
    pub(super) fn receive<M: DeserializeOwned>(&mut self) -> io::Result<Option<M>> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        Ok(Some(serde_json::from_str(&line)?))
    }
}
