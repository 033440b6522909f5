//! Sockets that cannot send anything out of the machine, whatever becomes of their connect.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use nix::unistd::{Uid, geteuid, seteuid};
use rustix::net::{AddressFamily, Protocol, SocketFlags, SocketType, socket_with};

use super::message::{Answer, Setting};
use super::sys::{self, DeviceRequest};

/// The device that leads nowhere else.
const LOOPBACK: &str = "lo";

/// Checks that the device called `lo` is the loopback device.
pub(super) fn check_loopback() -> io::Result<()> {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    let mut request = DeviceRequest::new(LOOPBACK, &[]);
    sys::ask_device(socket.as_fd(), libc::SIOCGIFFLAGS, &mut request)?;
    let [low, high, ..] = request.value;
    if i32::from(u16::from_ne_bytes([low, high])) & libc::IFF_LOOPBACK != 0 {
        return Ok(());
    }
    Err(io::Error::other(
        "the device `lo` is not the loopback device",
    ))
}

/// Makes a socket that is bound to the loopback device.
///
/// SECURITY: the endpoint may be unprotected, and a packet to it would be a request for secrets.
/// Routes over another device, by whatever rule or mark, are not for a socket that is bound to this
/// one; what is sent through it is delivered on this machine and never forwarded.
pub(super) fn held(
    family: AddressFamily,
    kind: SocketType,
    protocol: Option<Protocol>,
) -> Result<OwnedFd, Answer> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, kind, flags, protocol)
        .map_err(|error| Answer::impossible("no such socket", error))?;
    let device = [LOOPBACK.as_bytes(), b"\0"].concat();
    sys::set_option(
        socket.as_fd(),
        libc::SOL_SOCKET,
        libc::SO_BINDTODEVICE,
        &device,
    )
    .map_err(|error| Answer::impossible("it cannot be bound to the loopback device", error))?;
    Ok(socket)
}

/// Makes a TCP socket that is held to the loopback device and hears nobody but the listener, so
/// that a server of this machine that happens to use the endpoint's port cannot answer it.
pub(super) fn held_tcp(family: AddressFamily, setting: &Setting) -> Result<OwnedFd, Answer> {
    let socket = held(family, SocketType::STREAM, None)?;
    as_root(|| hear_only(socket.as_fd(), setting))
        .map_err(|error| Answer::impossible("it cannot be given a filter", error))?;
    Ok(socket)
}

/// Becomes root for a moment, as a child with a saved id may: the kernel has a limit on compiled
/// filters that does not bind root.
fn as_root(action: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let user = geteuid();
    if user.is_root() {
        return action();
    }
    seteuid(Uid::from_raw(0))?;
    let done = action();
    seteuid(user)?;
    done
}

fn hear_only(socket: BorrowedFd<'_>, setting: &Setting) -> io::Result<()> {
    let port = u32::from(setting.listener.port());
    let port_v6 = setting
        .listener_v6
        .map_or(port, |listener| u32::from(listener.port()));
    let step = |code: u32, jump_true, jump_false, operand| libc::sock_filter {
        code: u16::try_from(code).unwrap_or_default(),
        jt: jump_true,
        jf: jump_false,
        k: operand,
    };
    // A TCP segment begins with its source port.
    let mut filter = [
        step(libc::BPF_LD | libc::BPF_H | libc::BPF_ABS, 0, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 2, 0, port),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 1, 0, port_v6),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, 0),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, u32::MAX),
    ];
    sys::attach_filter(socket, &mut filter)
}
