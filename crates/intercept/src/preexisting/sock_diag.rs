//! Lists and destroys connected sockets of the thread's network namespace over `NETLINK_SOCK_DIAG`.
//!
//! A socket is named by its addresses and the kernel's cookie together: one that was closed meanwhile,
//! and whose addresses another one has now, is not found.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
    NetlinkSerializable,
};
use netlink_packet_sock_diag::inet::{
    ExtensionFlags, InetRequest, InetResponseHeader, SocketId, StateFlags,
};
use netlink_packet_sock_diag::{
    AF_INET, AF_INET6, IPPROTO_TCP, IPPROTO_UDP, SockDiagDestroy, SockDiagMessage,
};
use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_SOCK_DIAG;
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};

use super::{OpenConnection, Transport};
use crate::process::Uid;

/// The kernel answers at once; this is for one that never does.
const PATIENCE: Duration = Duration::from_secs(10);
/// The largest piece of an answer.
const PIECE_BYTES: usize = 64 * 1024;

/// A socket that has a peer.
#[derive(Clone, Debug)]
pub(super) struct ConnectedSocket {
    pub(super) peer: SocketAddr,
    pub(super) inode: u32,
    uid: u32,
    transport: Transport,
    family: u8,
    id: SocketId,
}

impl ConnectedSocket {
    fn new(transport: Transport, found: InetResponseHeader) -> Self {
        Self {
            peer: SocketAddr::new(
                found.socket_id.destination_address,
                found.socket_id.destination_port,
            ),
            inode: found.inode,
            uid: found.uid,
            transport,
            family: found.family,
            id: found.socket_id,
        }
    }

    pub(super) fn open_connection(&self) -> OpenConnection {
        OpenConnection {
            transport: self.transport,
            uid: Uid(self.uid),
            inode: self.inode,
        }
    }
}

/// A socket that asks about sockets.
pub(super) struct SockDiag(Socket);

impl SockDiag {
    pub(super) fn open() -> io::Result<Self> {
        let socket = Socket::new(NETLINK_SOCK_DIAG)?;
        set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
        Ok(Self(socket))
    }

    /// Lists the sockets that have a peer and a process.
    pub(super) fn connected(&self, transport: Transport) -> io::Result<Vec<ConnectedSocket>> {
        let mut sockets = Vec::new();
        for (family, any) in [
            (AF_INET, SocketId::new_v4()),
            (AF_INET6, SocketId::new_v6()),
        ] {
            let request = request(transport, family, any);
            self.send(
                NLM_F_REQUEST | NLM_F_DUMP,
                SockDiagMessage::InetRequest(request),
            )?;
            let found = self.receive()?.into_iter();
            // Without an inode it is closed already, and only the kernel has it: nobody reads from it.
            let found = found.filter(|socket| socket.inode != 0);
            sockets.extend(found.map(|socket| ConnectedSocket::new(transport, socket)));
        }
        Ok(sockets)
    }

    /// Ends a connection; that it has ended already is success.
    pub(super) fn destroy(&self, socket: &ConnectedSocket) -> io::Result<()> {
        let request = request(socket.transport, socket.family, socket.id.clone());
        let request = SockDiagDestroy::new(SockDiagMessage::InetRequest(request));
        self.send(NLM_F_REQUEST | NLM_F_ACK, request)?;
        match self.receive() {
            Err(error) if error.raw_os_error() == Some(Errno::NOENT.raw_os_error()) => Ok(()),
            other => other.map(drop),
        }
    }

    fn send<M: NetlinkSerializable>(&self, flags: u16, message: M) -> io::Result<()> {
        let mut header = NetlinkHeader::default();
        header.flags = flags;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(message));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.0.send(&bytes, 0).map(drop)
    }

    /// Receives the answer to one request, to its end.
    fn receive(&self) -> io::Result<Vec<InetResponseHeader>> {
        let mut found = Vec::new();
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let received = self.0.recv(&mut piece.as_mut_slice(), 0)?;
            let mut rest = piece.get(..received).unwrap_or_default();
            while !rest.is_empty() {
                let message = NetlinkMessage::<SockDiagMessage>::deserialize(rest)
                    .map_err(io::Error::other)?;
                let length = aligned(message.header.length);
                match message.payload {
                    NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(response)) => {
                        found.push(response.header);
                    }
                    NetlinkPayload::Done(done) if done.code == 0 => return Ok(found),
                    NetlinkPayload::Done(done) => {
                        return Err(io::Error::from_raw_os_error(done.code.saturating_abs()));
                    }
                    NetlinkPayload::Error(error) if error.code.is_none() => return Ok(found),
                    NetlinkPayload::Error(error) => return Err(error.to_io()),
                    _ => return Err(io::ErrorKind::InvalidData.into()),
                }
                rest = rest.get(length..).unwrap_or_default();
            }
        }
    }
}

/// Messages begin at multiples of four bytes.
fn aligned(length: u32) -> usize {
    usize::try_from(length).map_or(usize::MAX, |length| length.next_multiple_of(4))
}

fn request(transport: Transport, family: u8, socket_id: SocketId) -> InetRequest {
    InetRequest {
        family,
        protocol: match transport {
            Transport::Tcp => IPPROTO_TCP,
            Transport::Udp => IPPROTO_UDP,
        },
        extensions: ExtensionFlags::empty(),
        // Whatever can still send a request or receive an answer.
        states: StateFlags::SYN_SENT
            | StateFlags::SYN_RECV
            | StateFlags::ESTABLISHED
            | StateFlags::FIN_WAIT1
            | StateFlags::FIN_WAIT2
            | StateFlags::CLOSE_WAIT,
        socket_id,
    }
}
