//! A connect that was made, and what became of it.
//!
//! Brokered means that the socket's real peer is the agent's listener, that the listener accepted,
//! and that getpeername(2) shows the endpoint.

use std::net::SocketAddr;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{Shutdown, getpeername, getsockname, shutdown, sockopt};

use super::message::{Answer, Seen, Setting};
use super::table::real_peer;

/// How long a redirected connect may take; on loopback it takes less than a millisecond.
const ARRIVAL: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 500_000_000,
};
/// How long the agent may take to notice that a connection ends.
const FAREWELL: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 250_000_000,
};

/// What getpeername(2) shows of a redirected connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ShowsPeer {
    /// What was asked for.
    Asked,
    /// The listener: no hook is called.
    Real,
}

/// A connect that was made, and what is needed to judge it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt<'a> {
    socket: &'a OwnedFd,
    asked: SocketAddr,
    endpoint: SocketAddr,
    shows_peer: ShowsPeer,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(socket: &'a OwnedFd, asked: SocketAddr, endpoint: SocketAddr) -> Self {
        Self {
            socket,
            asked,
            endpoint,
            shows_peer: ShowsPeer::Asked,
        }
    }

    /// Says that no hook is asked what getpeername(2) shows.
    pub(super) fn showing_real_peer(self) -> Self {
        Self {
            shows_peer: ShowsPeer::Real,
            ..self
        }
    }

    pub(super) fn judge(self, result: Result<(), Errno>, setting: &Setting) -> Answer {
        match result {
            Ok(()) | Err(Errno::INPROGRESS | Errno::AGAIN | Errno::TIMEDOUT) => {
                self.follow(setting).unwrap_or_else(|answer| answer)
            }
            Err(error) => judge_error(error),
        }
    }

    /// Finds out where a connect that was not refused leads.
    fn follow(self, setting: &Setting) -> Result<Answer, Answer> {
        let port = local_port(self.socket)?;
        let asked = SocketAddr::new(self.asked.ip().to_canonical(), self.asked.port());
        let is_sought = |peer| setting.is_listener(peer) || peer == asked;
        let peer = real_peer(port, is_sought)
            .map_err(|error| Answer::impossible("read /proc/net/tcp", error))?;
        match peer {
            Some(peer) if setting.is_listener(peer) => self.arrive(),
            Some(_) => Ok(Answer::plain(Seen::Passed)),
            None => self.explain_absence(),
        }
    }

    /// The connect was redirected; it still has to be accepted.
    fn arrive(self) -> Result<Answer, Answer> {
        if !is_connected(self.socket.as_fd())? {
            let note = "sent to the agent's listener, which does not accept it";
            return Ok(Answer::noted(Seen::Refused, note));
        }
        let shown = match getpeername(self.socket) {
            Ok(shown) => shown.and_then(|name| SocketAddr::try_from(name).ok()),
            // With a Fast Open cookie the connect waits for the first byte.
            Err(Errno::NOTCONN) => return Ok(Answer::plain(Seen::Listener)),
            Err(error) => return Err(Answer::impossible("getpeername", error)),
        };
        let shown = shown.map(|peer| SocketAddr::new(peer.ip().to_canonical(), peer.port()));
        take_leave(self.socket).map_err(|error| Answer::impossible("end the connection", error))?;
        Ok(if shown == Some(self.endpoint) {
            Answer::plain(Seen::Listener)
        } else if self.shows_peer == ShowsPeer::Real {
            Answer::noted(Seen::Listener, "the caller can see the listener's address")
        } else {
            let shown = shown.map_or("nothing".to_owned(), |peer| peer.to_string());
            Answer::noted(Seen::Listener, &format!("getpeername shows {shown}"))
        })
    }

    /// A socket that is in no table any more was reset by whoever it led to.
    fn explain_absence(self) -> Result<Answer, Answer> {
        if self.shows_peer == ShowsPeer::Asked {
            // Its filter lets the listener alone reset it.
            let note = "sent to the agent's listener, where nobody listens";
            return Ok(Answer::noted(Seen::Refused, note));
        }
        match sockopt::socket_error(self.socket) {
            Ok(Err(error)) => Ok(Answer::noted(
                Seen::Impossible,
                &format!("it ended before it could be seen where it led: {error}"),
            )),
            Ok(Ok(())) => Ok(Answer::noted(Seen::Impossible, "it is in no table")),
            Err(error) => Err(Answer::impossible("ask for its error", error)),
        }
    }
}

/// What an error of connect(2) or sendto(2) says about who stopped it.
pub(super) fn judge_error(error: Errno) -> Answer {
    match error {
        // The programs' words, and other filters' ones.
        Errno::CONNREFUSED | Errno::PERM | Errno::ACCESS => Answer::plain(Seen::Refused),
        // What a raw socket is told of a packet that a filter on the device has dropped.
        Errno::NOBUFS => Answer::noted(Seen::Refused, "dropped at the device"),
        // It was looked for on the loopback device as it was asked for.
        Errno::NETUNREACH | Errno::HOSTUNREACH => {
            Answer::noted(Seen::Passed, "only the missing route stopped it")
        }
        error => Answer::impossible("it fails for another reason", error),
    }
}

fn is_connected(socket: BorrowedFd<'_>) -> Result<bool, Answer> {
    let failed = |error: Errno| Answer::impossible("wait for the connection", error);
    let mut waiting = [PollFd::from_borrowed_fd(socket, PollFlags::OUT)];
    if poll(&mut waiting, Some(&ARRIVAL)).map_err(failed)? == 0 {
        return Ok(false);
    }
    Ok(sockopt::socket_error(socket).map_err(failed)?.is_ok())
}

/// Ends a brokered connection in order: one that is gone before the agent looks has no flow record
/// any more, and the agent would record it as somebody's direct connection.
fn take_leave(socket: &OwnedFd) -> Result<(), Errno> {
    shutdown(socket, Shutdown::Write)?;
    let mut waiting = [PollFd::new(socket, PollFlags::IN | PollFlags::RDHUP)];
    poll(&mut waiting, Some(&FAREWELL)).map(drop)
}

pub(super) fn local_port(socket: &OwnedFd) -> Result<u16, Answer> {
    let name = getsockname(socket).and_then(SocketAddr::try_from);
    name.map(|name| name.port())
        .map_err(|error| Answer::impossible("its port is not known", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_program_can_say_counts_as_refused() {
        for error in [Errno::CONNREFUSED, Errno::PERM, Errno::ACCESS] {
            assert_eq!(judge_error(error).seen, Seen::Refused);
        }
        assert_eq!(judge_error(Errno::NETUNREACH).seen, Seen::Passed);
        assert_eq!(judge_error(Errno::MFILE).seen, Seen::Impossible);
    }
}
