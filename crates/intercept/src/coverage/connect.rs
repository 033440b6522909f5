//! TCP and MPTCP connects in the agent's network namespace, of every kind that programs make.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Duration;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, Protocol, SendFlags, SocketType, bind, connect, ipproto, sendto, sockopt,
};

use super::attempt::{Attempt, local_port};
use super::leash::{held, held_tcp};
use super::message::{Answer, Seen, Setting, Trial};
use super::sys;
use super::way::Way;

/// How long a connect that is under way may take; on loopback it takes less than a millisecond.
const PATIENCE: Duration = Duration::from_millis(500);

/// The prefix by which IPv6 hosts reach IPv4 ones (RFC 6052).
const NAT64: Ipv6Addr = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0);

const MPTCP: Option<Protocol> = Some(ipproto::MPTCP);

/// Tries one way that begins with a TCP socket.
pub(super) fn try_way(trial: Trial, setting: &Setting) -> Result<Answer, Answer> {
    let endpoint = trial.endpoint;
    match trial.way {
        Way::Tcp6Mapped => to(mapped(endpoint), endpoint, setting),
        Way::Nat64 => to(through_nat64(endpoint), endpoint, setting),
        Way::Nonblocking => nonblocking(endpoint, setting),
        Way::FastOpenSend => fast_open_send(endpoint, setting),
        Way::FastOpenConnect => fast_open_connect(endpoint, setting),
        Way::Mptcp4 => mptcp(endpoint, endpoint, setting),
        Way::MptcpMapped => mptcp(mapped(endpoint), endpoint, setting),
        Way::BindFirst => bound(endpoint, setting),
        Way::SamePort => same_port(endpoint, setting),
        Way::Mark => marked(endpoint, setting),
        _ => to(endpoint, endpoint, setting),
    }
}

pub(super) fn family_of(address: SocketAddr) -> AddressFamily {
    match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    }
}

pub(super) fn mapped(endpoint: SocketAddr) -> SocketAddr {
    match endpoint.ip() {
        IpAddr::V4(address) => SocketAddr::new(address.to_ipv6_mapped().into(), endpoint.port()),
        IpAddr::V6(_) => endpoint,
    }
}

pub(super) fn through_nat64(endpoint: SocketAddr) -> SocketAddr {
    match endpoint.ip() {
        IpAddr::V4(address) => {
            let address = Ipv6Addr::from_bits(NAT64.to_bits() | u128::from(address.to_bits()));
            SocketAddr::new(address.into(), endpoint.port())
        }
        IpAddr::V6(_) => endpoint,
    }
}

/// Connects as most programs do, and waits inside the call.
fn to(asked: SocketAddr, endpoint: SocketAddr, setting: &Setting) -> Result<Answer, Answer> {
    let socket = held_tcp(family_of(asked), setting)?;
    let prepared = sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, Some(PATIENCE))
        .and_then(|()| block(&socket));
    prepared.map_err(|error| Answer::impossible("it cannot be made to wait", error))?;
    let result = connect(&socket, &asked);
    Ok(Attempt::new(&socket, asked, endpoint).judge(result, setting))
}

fn block(socket: &OwnedFd) -> Result<(), Errno> {
    fcntl_setfl(socket, fcntl_getfl(socket)? - OFlags::NONBLOCK)
}

fn nonblocking(endpoint: SocketAddr, setting: &Setting) -> Result<Answer, Answer> {
    let socket = held_tcp(family_of(endpoint), setting)?;
    Ok(connect_and_judge(&socket, endpoint, setting))
}

/// Connects a socket that does not wait and judges what comes of it.
pub(super) fn connect_and_judge(
    socket: &OwnedFd,
    endpoint: SocketAddr,
    setting: &Setting,
) -> Answer {
    let result = connect(socket, &endpoint);
    Attempt::new(socket, endpoint, endpoint).judge(result, setting)
}

/// Sends no byte: an empty message connects too, and the listener must get nothing.
fn fast_open_send(endpoint: SocketAddr, setting: &Setting) -> Result<Answer, Answer> {
    let socket = held_tcp(family_of(endpoint), setting)?;
    let fast_open = SendFlags::from_bits_retain(libc::MSG_FASTOPEN.cast_unsigned());
    let result = sendto(&socket, b"", fast_open, &endpoint).map(drop);
    if result == Err(Errno::OPNOTSUPP) {
        return Err(Answer::noted(
            Seen::Impossible,
            "net.ipv4.tcp_fastopen does not allow clients to use it",
        ));
    }
    Ok(Attempt::new(&socket, endpoint, endpoint).judge(result, setting))
}

fn fast_open_connect(endpoint: SocketAddr, setting: &Setting) -> Result<Answer, Answer> {
    let socket = held_tcp(family_of(endpoint), setting)?;
    set_number(&socket, libc::IPPROTO_TCP, libc::TCP_FASTOPEN_CONNECT, 1)
        .map_err(|error| Answer::impossible("TCP_FASTOPEN_CONNECT (kernel 4.11)", error))?;
    Ok(connect_and_judge(&socket, endpoint, setting))
}

fn mptcp(asked: SocketAddr, endpoint: SocketAddr, setting: &Setting) -> Result<Answer, Answer> {
    let socket = held(family_of(asked), SocketType::STREAM, MPTCP).map_err(|mut answer| {
        answer.note.push_str(" (CONFIG_MPTCP, net.mptcp.enabled)");
        answer
    })?;
    let result = connect(&socket, &asked);
    let attempt = Attempt::new(&socket, asked, endpoint).showing_real_peer();
    Ok(attempt.judge(result, setting))
}

fn bound(endpoint: SocketAddr, setting: &Setting) -> Result<Answer, Answer> {
    let socket = held_tcp(family_of(endpoint), setting)?;
    bind_local(&socket, Ipv4Addr::LOCALHOST, 0)?;
    Ok(connect_and_judge(&socket, endpoint, setting))
}

/// Two sockets that share a port but not an address: their flow records must not be mixed up.
fn same_port(endpoint: SocketAddr, setting: &Setting) -> Result<Answer, Answer> {
    let sockets = [(); 2].map(|()| held_tcp(family_of(endpoint), setting));
    let [first, second] = sockets;
    let (first, second) = (first?, second?);
    for socket in [&first, &second] {
        for option in [libc::SO_REUSEADDR, libc::SO_REUSEPORT] {
            set_number(socket, libc::SOL_SOCKET, option, 1)
                .map_err(|error| Answer::impossible("the port cannot be shared", error))?;
        }
    }
    bind_local(&first, Ipv4Addr::LOCALHOST, 0)?;
    bind_local(&second, Ipv4Addr::new(127, 0, 0, 2), local_port(&first)?)?;
    let answers = [&first, &second].map(|socket| connect_and_judge(socket, endpoint, setting));
    let [first, second] = answers;
    Ok(if first.seen == Seen::Listener {
        second
    } else {
        first
    })
}

/// Marks choose routes; the highest bit is nobody's by convention.
fn marked(endpoint: SocketAddr, setting: &Setting) -> Result<Answer, Answer> {
    let socket = held_tcp(family_of(endpoint), setting)?;
    set_number(&socket, libc::SOL_SOCKET, libc::SO_MARK, i32::MIN)
        .map_err(|error| Answer::impossible("SO_MARK", error))?;
    Ok(connect_and_judge(&socket, endpoint, setting))
}

fn set_number(
    socket: &OwnedFd,
    level: libc::c_int,
    option: libc::c_int,
    value: i32,
) -> io::Result<()> {
    sys::set_option(socket.as_fd(), level, option, &value.to_ne_bytes())
}

fn bind_local(socket: &OwnedFd, address: Ipv4Addr, port: u16) -> Result<(), Answer> {
    bind(socket, &SocketAddr::new(address.into(), port))
        .map_err(|error| Answer::impossible("it cannot be bound to a local address", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoint_has_a_mapped_and_a_translated_form() {
        let endpoint = "169.254.169.254:80".parse().unwrap();
        assert_eq!(mapped(endpoint).to_string(), "[::ffff:169.254.169.254]:80");
        assert_eq!(
            through_nat64(endpoint).to_string(),
            "[64:ff9b::a9fe:a9fe]:80"
        );
    }
}
