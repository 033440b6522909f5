//! The kernel's routing netlink, as far as the guard needs it: which links there are, when they
//! change, and filters on them. A socket belongs to the network namespace that it was opened in.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkDeserializable, NetlinkHeader,
    NetlinkMessage, NetlinkPayload, NlasIterator,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::LinkMessage;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use crate::error::InterceptError;

/// `RTMGRP_LINK`.
const LINK_CHANGES: u32 = 1;
const NO_GROUP: u32 = 0;
/// The kernel puts no more than this into one datagram of a dump.
const MAX_DATAGRAM_BYTES: usize = 65_536;
/// Replies come at once; a kernel that is silent must not stop the heartbeat.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often links are listed anew because some changed meanwhile.
const LIST_ATTEMPTS: u32 = 4;

const LINK_HEADER_BYTES: usize = 16;
const IFLA_IFNAME: u16 = 3;

/// A network link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) name: String,
    /// `ARPHRD_…` of `linux/if_arp.h`.
    pub(crate) layer: u16,
}

/// One message of a reply, not taken apart: a kernel may be newer than any description of it.
#[derive(Debug)]
pub(crate) struct Reply(pub(crate) Vec<u8>);

impl NetlinkDeserializable for Reply {
    type Error = std::convert::Infallible;

    fn deserialize(_: &NetlinkHeader, payload: &[u8]) -> Result<Self, Self::Error> {
        Ok(Self(payload.to_vec()))
    }
}

/// A socket for requests.
#[derive(Debug)]
pub(crate) struct Rtnetlink {
    socket: OwnedFd,
    /// Numbers the requests, so that a late answer is not taken for that to another one.
    requests: AtomicU32,
}

impl Rtnetlink {
    pub(crate) fn open() -> io::Result<Self> {
        let socket = open(SocketFlags::CLOEXEC, NO_GROUP)?;
        set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
        Ok(Self {
            socket,
            requests: AtomicU32::new(0),
        })
    }

    /// Returns all links of the network namespace.
    pub(crate) fn links(&self) -> io::Result<Vec<Link>> {
        for _ in 1..LIST_ATTEMPTS {
            match self.links_at_once() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => return outcome,
            }
        }
        self.links_at_once()
    }

    fn links_at_once(&self) -> io::Result<Vec<Link>> {
        let request = RouteNetlinkMessage::GetLink(LinkMessage::default());
        let replies = self.request(request, NLM_F_DUMP)?;
        replies.iter().map(read_link).collect()
    }

    /// Sends a request and returns all that the kernel answers until it says that it is done.
    pub(crate) fn request(
        &self,
        request: RouteNetlinkMessage,
        flags: u16,
    ) -> io::Result<Vec<Reply>> {
        let mut message = NetlinkMessage::from(request);
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        message.header.sequence_number = number;
        message.header.flags = NLM_F_REQUEST | flags;
        if flags & NLM_F_DUMP != NLM_F_DUMP {
            message.header.flags |= NLM_F_ACK;
        }
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        rustix::net::send(&self.socket, &bytes, SendFlags::empty())?;

        let mut answer = Answer::to(number);
        let mut datagram = vec![0; MAX_DATAGRAM_BYTES];
        loop {
            let (length, _) = rustix::net::recv(&self.socket, &mut datagram, RecvFlags::empty())?;
            let received = datagram.get(..length).ok_or_else(malformed)?;
            if answer.read(received)? == Progress::Done {
                return answer.finish();
            }
        }
    }
}

#[derive(PartialEq, Eq)]
enum Progress {
    More,
    Done,
}

/// What the kernel has answered to one request so far.
struct Answer {
    number: u32,
    replies: Vec<Reply>,
    /// Something changed during the dump: entries may be missing.
    is_torn: bool,
}

impl Answer {
    fn to(number: u32) -> Self {
        Self {
            number,
            replies: Vec::new(),
            is_torn: false,
        }
    }

    fn read(&mut self, mut rest: &[u8]) -> io::Result<Progress> {
        while !rest.is_empty() {
            let message = NetlinkMessage::<Reply>::deserialize(rest).map_err(io::Error::other)?;
            let length = usize::try_from(message.header.length).unwrap_or(usize::MAX);
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
            if message.header.sequence_number != self.number {
                continue;
            }
            self.is_torn |= message.header.flags & NLM_F_DUMP_INTR != 0;
            match message.payload {
                NetlinkPayload::InnerMessage(reply) => self.replies.push(reply),
                NetlinkPayload::Done(_) => return Ok(Progress::Done),
                NetlinkPayload::Error(error) if error.code.is_none() => return Ok(Progress::Done),
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                _ => {}
            }
        }
        Ok(Progress::More)
    }

    /// SECURITY: a link that a torn list lacks would lose its guard.
    fn finish(self) -> io::Result<Vec<Reply>> {
        if self.is_torn {
            return Err(io::ErrorKind::Interrupted.into());
        }
        Ok(self.replies)
    }
}

/// Reads `struct ifinfomsg` and the name, and nothing that newer kernels say in another way.
fn read_link(reply: &Reply) -> io::Result<Link> {
    let (header, attributes) = reply
        .0
        .split_first_chunk::<LINK_HEADER_BYTES>()
        .ok_or_else(malformed)?;
    let [_, _, layer0, layer1, index0, index1, index2, index3, ..] = *header;
    let name = attribute(attributes, IFLA_IFNAME)?.ok_or_else(malformed)?;
    let name = name.strip_suffix(b"\0").unwrap_or(&name);
    Ok(Link {
        index: u32::from_ne_bytes([index0, index1, index2, index3]),
        name: name.escape_ascii().to_string(),
        layer: u16::from_ne_bytes([layer0, layer1]),
    })
}

/// Finds the first attribute of a kind.
pub(crate) fn attribute(attributes: &[u8], kind: u16) -> io::Result<Option<Vec<u8>>> {
    for attribute in NlasIterator::new(attributes) {
        let attribute = attribute.map_err(io::Error::other)?;
        if attribute.kind() == kind {
            return Ok(Some(attribute.value().to_vec()));
        }
    }
    Ok(None)
}

pub(crate) fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the kernel's answer is cut off")
}

fn open(flags: SocketFlags, groups: u32) -> io::Result<OwnedFd> {
    // Protocol 0 is NETLINK_ROUTE.
    let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    rustix::net::bind(&socket, &SocketAddrNetlink::new(0, groups))?;
    Ok(socket)
}

/// Tells when links of a network namespace come, go or change: then the descriptor is readable.
#[derive(Debug)]
pub struct LinkEvents(OwnedFd);

impl LinkEvents {
    /// Watches the links of the calling thread's network namespace.
    ///
    /// # Errors
    ///
    /// [`InterceptError::Links`] when no socket can be had for it.
    pub fn open() -> Result<Self, InterceptError> {
        open(SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, LINK_CHANGES)
            .map(Self)
            .map_err(InterceptError::Links)
    }

    /// Forgets what was told so far; what is told later makes the descriptor readable again.
    ///
    /// # Errors
    ///
    /// [`InterceptError::Links`] when the socket is no longer usable.
    pub fn drain(&self) -> Result<(), InterceptError> {
        let mut ignored = [0; 1];
        loop {
            match rustix::net::recv(&self.0, &mut ignored, RecvFlags::empty()) {
                // Events that found no room are events too: every drain is followed by a look.
                Ok(_) | Err(rustix::io::Errno::NOBUFS | rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(InterceptError::Links(error.into())),
            }
        }
    }
}

impl AsFd for LinkEvents {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<LinkEvents> for OwnedFd {
    fn from(events: LinkEvents) -> Self {
        events.0
    }
}
