//! Datagrams and raw packets in the agent's network namespace; what is not refused is delivered on
//! the loopback device, where an empty datagram or an RST of no connection means nothing to anybody.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd as _, OwnedFd};

use rustix::io::Errno;
use rustix::net::{Protocol, SendFlags, SocketType, connect, ipproto, send, sendto};

use super::attempt::judge_error;
use super::connect::{family_of, mapped};
use super::leash::held;
use super::message::{Answer, Seen, Trial};
use super::packet;
use super::sys;
use super::way::Way;

/// Tries one way that begins with a datagram or raw socket.
pub(super) fn try_way(trial: Trial) -> Result<Answer, Answer> {
    let endpoint = trial.endpoint;
    match trial.way {
        Way::UdpConnected => udp_connected(endpoint),
        Way::UdpMapped => datagram(mapped(endpoint), None),
        Way::UdpLite => datagram(endpoint, Some(ipproto::UDPLITE)),
        Way::RawIpv4 => raw(endpoint),
        Way::RawIpv4Header => raw_with_header(endpoint),
        _ => datagram(endpoint, None),
    }
}

fn datagram(to: SocketAddr, protocol: Option<Protocol>) -> Result<Answer, Answer> {
    let socket = held(family_of(to), SocketType::DGRAM, protocol)?;
    Ok(judge(sendto(&socket, b"", SendFlags::empty(), &to)))
}

fn udp_connected(endpoint: SocketAddr) -> Result<Answer, Answer> {
    let socket = held(family_of(endpoint), SocketType::DGRAM, None)?;
    let sent = connect(&socket, &endpoint).and_then(|()| send(&socket, b"", SendFlags::empty()));
    Ok(judge(sent))
}

fn raw(endpoint: SocketAddr) -> Result<Answer, Answer> {
    let socket = held(family_of(endpoint), SocketType::RAW, Some(ipproto::TCP))?;
    Ok(send_raw(
        &socket,
        &packet::segment(endpoint.port()),
        endpoint,
    ))
}

/// `IPPROTO_RAW` stands for a header that the sender writes itself.
fn raw_with_header(endpoint: SocketAddr) -> Result<Answer, Answer> {
    let socket = held(family_of(endpoint), SocketType::RAW, Some(ipproto::RAW))?;
    let on = 1_i32.to_ne_bytes();
    sys::set_option(socket.as_fd(), libc::IPPROTO_IP, libc::IP_HDRINCL, &on)
        .map_err(|error| Answer::impossible("IP_HDRINCL", error))?;
    Ok(send_raw(&socket, &packet::packet(endpoint), endpoint))
}

/// Sends through a raw socket, which takes no port.
pub(super) fn send_raw(socket: &OwnedFd, bytes: &[u8], endpoint: SocketAddr) -> Answer {
    let to: SocketAddr = match endpoint.ip() {
        IpAddr::V4(address) => (address, 0).into(),
        IpAddr::V6(address) => (address, 0).into(),
    };
    judge(sendto(socket, bytes, SendFlags::empty(), &to))
}

fn judge(sent: Result<usize, Errno>) -> Answer {
    match sent {
        Ok(_) => Answer::plain(Seen::Passed),
        Err(error) => judge_error(error),
    }
}
