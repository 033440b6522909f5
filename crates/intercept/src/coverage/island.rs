//! A network namespace of the probe's own, whose devices end in the probe: the agent's programs see
//! it as any other foreign namespace, and nothing in it can reach the real network.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, Protocol, SendFlags, SocketFlags, SocketType, connect, ipproto, send, sendto,
    socket_with,
};

use super::attempt::judge_error;
use super::connect::{family_of, through_nat64};
use super::datagram::send_raw;
use super::message::{Answer, Seen, Trial};
use super::packet;
use super::sys;
use super::tap::Tap;
use super::way::Way;
use crate::guard::LoneGuard;

const DNS_PORT: u16 = 53;
/// `SOCK_DCCP` of `linux/net.h`.
const DCCP_SOCKET: SocketType = SocketType::from_raw(6);

/// The namespace's two devices: one towards the endpoint, one towards somebody it forwards for.
#[derive(Debug)]
pub(super) struct Island {
    uplink: Tap,
    inner: Tap,
    _guard: LoneGuard,
}

impl Island {
    /// Furnishes the calling thread's network namespace, which must be a fresh one.
    pub(super) fn furnish(pin_dir: &Path) -> Result<Self, Answer> {
        let needs_taps = |error| Answer::impossible("a tap device (CONFIG_TUN)", error);
        let uplink = Tap::create("uplink").map_err(needs_taps)?;
        let inner = Tap::create("inner").map_err(needs_taps)?;
        inner
            .face(Ipv4Addr::new(192, 0, 2, 77).into())
            .map_err(needs_taps)?;
        let guard = LoneGuard::put_on(uplink.index(), pin_dir).map_err(|error| {
            Answer::impossible("put the guard on a device", io::Error::other(error))
        })?;
        Ok(Self {
            uplink,
            inner,
            _guard: guard,
        })
    }

    /// Tries one way from here.
    pub(super) fn try_way(&mut self, trial: Trial) -> Result<Answer, Answer> {
        let way = trial.way;
        let port = if way.is_to_pass() {
            DNS_PORT
        } else {
            trial.endpoint.port()
        };
        let endpoint = SocketAddr::new(trial.endpoint.ip(), port);
        let target = match way {
            Way::RawIpv6 => through_nat64(endpoint),
            _ => endpoint,
        };
        let unusable = |error| Answer::impossible("the probe's own device", error);
        self.uplink.face(target.ip()).map_err(unusable)?;
        self.uplink.drain().map_err(unusable)?;
        match self.send(way, target) {
            Ok(()) => {}
            // A neighbour that is there cannot be unreachable; the hooks have spoken.
            Err(Stop::Said(error)) => return Ok(judge_error(error)),
            Err(Stop::Unable(answer)) => return Err(answer),
        }
        let is_out = self.uplink.lets_out(target).map_err(unusable)?;
        Ok(match (is_out, is_below_sockets(way)) {
            (true, _) => Answer::plain(Seen::Passed),
            // Only a filter of packets stops it without a word.
            (false, true) => Answer::plain(Seen::Refused),
            (false, false) => Answer::noted(Seen::Refused, "dropped without a word"),
        })
    }

    fn send(&mut self, way: Way, target: SocketAddr) -> Result<(), Stop> {
        match way {
            Way::BindToDevice => {
                let socket = stream(target, None)?;
                let name = self.uplink.name().as_bytes();
                sys::set_option(
                    socket.as_fd(),
                    libc::SOL_SOCKET,
                    libc::SO_BINDTODEVICE,
                    name,
                )
                .map_err(|error| Stop::Unable(Answer::impossible("SO_BINDTODEVICE", error)))?;
                begin(&socket, target)
            }
            Way::Sctp => begin(&stream(target, Some(ipproto::SCTP))?, target),
            Way::Dccp => {
                let socket = open(family_of(target), DCCP_SOCKET, Some(ipproto::DCCP))?;
                begin(&socket, target)
            }
            Way::RawIpv6 => {
                let socket = open(family_of(target), SocketType::RAW, Some(ipproto::TCP))?;
                let answer = send_raw(&socket, &packet::segment(target.port()), target);
                if answer.seen == Seen::Passed {
                    return Ok(());
                }
                Err(Stop::Unable(answer))
            }
            Way::OtherPortUdp => {
                let socket = open(family_of(target), SocketType::DGRAM, None)?;
                sendto(&socket, b"", SendFlags::empty(), &target).map_err(Stop::Said)?;
                Ok(())
            }
            Way::PacketRaw => self.send_frame(SocketType::RAW, target, Queue::Passed),
            Way::PacketDatagram => self.send_frame(SocketType::DGRAM, target, Queue::Passed),
            Way::PacketBypass => self.send_frame(SocketType::RAW, target, Queue::Bypassed),
            Way::Forwarded => self.forward(target),
            _ => begin(&stream(target, None)?, target),
        }
    }

    fn send_frame(&self, kind: SocketType, target: SocketAddr, queue: Queue) -> Result<(), Stop> {
        // Without a protocol it receives nothing.
        let socket = open(AddressFamily::PACKET, kind, None)?;
        let unable = |error| Stop::Unable(Answer::impossible("prepare a packet socket", error));
        if queue == Queue::Bypassed {
            let on = 1_i32.to_ne_bytes();
            let (level, option) = (libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS);
            sys::set_option(socket.as_fd(), level, option, &on).map_err(unable)?;
        }
        let protocol = packet::ethernet_protocol(target.ip());
        sys::bind_to_link(socket.as_fd(), self.uplink.index(), protocol).map_err(unable)?;
        let bytes = if kind == SocketType::RAW {
            packet::frame([2, 0, 0, 0, 0, 2], target)
        } else {
            packet::packet(target)
        };
        match send(&socket, &bytes, SendFlags::empty()) {
            // A packet that a queueing layer's filter drops is reported so.
            Ok(_) | Err(Errno::NOBUFS) => Ok(()),
            Err(error) => Err(Stop::Said(error)),
        }
    }

    /// Lets a packet of somebody else arrive, which this namespace forwards.
    fn forward(&mut self, target: SocketAddr) -> Result<(), Stop> {
        let unable = |error| Stop::Unable(Answer::impossible("forward packets", error));
        for (file, value) in [
            ("ip_forward", "1"),
            ("conf/all/rp_filter", "0"),
            ("conf/inner/rp_filter", "0"),
        ] {
            fs::write(Path::new("/proc/sys/net/ipv4").join(file), value).map_err(unable)?;
        }
        let frame = packet::frame(self.inner.hardware(), target);
        self.inner.receive(&frame).map_err(unable)
    }
}

/// Whether packets of a packet socket pass the queueing layer, where filters of a device sit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Queue {
    Passed,
    Bypassed,
}

/// Why nothing was sent.
#[derive(Debug)]
enum Stop {
    /// The kernel refused it or had no way for it.
    Said(Errno),
    /// It could not be tried.
    Unable(Answer),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Unable(Answer::impossible("prepare a socket", error))
    }
}

fn is_below_sockets(way: Way) -> bool {
    matches!(
        way,
        Way::PacketRaw | Way::PacketDatagram | Way::PacketBypass | Way::Forwarded | Way::RawIpv6
    )
}

fn stream(target: SocketAddr, protocol: Option<Protocol>) -> Result<OwnedFd, Stop> {
    open(family_of(target), SocketType::STREAM, protocol)
}

/// Opens a socket, but loads no kernel module for it.
fn open(
    family: AddressFamily,
    kind: SocketType,
    protocol: Option<Protocol>,
) -> Result<OwnedFd, Stop> {
    let module = [(ipproto::SCTP, "SCTP"), (ipproto::DCCP, "DCCP")]
        .into_iter()
        .find(|(of_module, _)| protocol == Some(*of_module));
    if let Some((_, name)) = module
        && !is_loaded(name)?
    {
        let note = format!("the kernel has not loaded {name}, and the probe loads no module");
        return Err(Stop::Unable(Answer::noted(Seen::Impossible, &note)));
    }
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    socket_with(family, kind, flags, protocol)
        .map_err(|error| Stop::Unable(Answer::impossible("no such socket", error)))
}

fn is_loaded(protocol: &str) -> io::Result<bool> {
    let table = fs::read_to_string("/proc/thread-self/net/protocols")?;
    let mut names = table.lines().filter_map(|line| line.split(' ').next());
    Ok(names.any(|name| name == protocol))
}

/// Begins a connect; whether it is let out is seen on the device.
fn begin(socket: &OwnedFd, target: SocketAddr) -> Result<(), Stop> {
    match connect(socket, &target) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(()),
        Err(error) => Err(Stop::Said(error)),
    }
}
