//! A connect through `io_uring`, which never passes connect(2) itself.
#![expect(
    unsafe_code,
    reason = "the ring takes raw pointers, which must live until the operation ends"
)]

use std::io;
use std::net::{SocketAddr, SocketAddrV4};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::Duration;

use io_uring::types::{Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, opcode};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::net::AddressFamily;

use super::attempt::Attempt;
use super::leash::held_tcp;
use super::message::{Answer, Setting, Trial};
use super::way::Way;

/// How long the operation may take; whatever is under way after it leads elsewhere or nowhere.
const PATIENCE: Timespec = Timespec::new().nsec(Duration::from_millis(400).subsec_nanos());
/// How long the kernel's thread spins for work before it sleeps, in milliseconds.
const SPIN_MS: u32 = 50;

pub(super) fn try_way(trial: Trial, setting: &Setting) -> Result<Answer, Answer> {
    let SocketAddr::V4(endpoint) = trial.endpoint else {
        return Err(Answer::impossible("not IPv4", io::ErrorKind::Unsupported));
    };
    // Before the ring, so that it outlives it: the kernel's thread may look at it late.
    let address = kernel_form(endpoint);
    let mut builder = IoUring::builder();
    if trial.way == Way::IoUringPolled {
        builder.setup_sqpoll(SPIN_MS);
    }
    let mut ring = builder.build(2).map_err(|error| {
        Answer::impossible("io_uring (kernel 5.1, kernel.io_uring_disabled = 0)", error)
    })?;
    if !ring.params().is_feature_ext_arg() {
        return Err(Answer::impossible(
            "io_uring with a time limit (kernel 5.11)",
            io::ErrorKind::Unsupported,
        ));
    }
    let socket = held_tcp(AddressFamily::INET, setting)?;
    fcntl_getfl(&socket)
        .and_then(|flags| fcntl_setfl(&socket, flags - OFlags::NONBLOCK))
        .map_err(|error| Answer::impossible("it cannot be made to wait", error))?;
    let result = connect(&mut ring, &socket, &address)
        .map_err(|error| Answer::impossible("submit the operation", error))?;
    Ok(Attempt::new(&socket, trial.endpoint, trial.endpoint).judge(result, setting))
}

fn kernel_form(endpoint: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: AddressFamily::INET.as_raw(),
        sin_port: endpoint.port().to_be(),
        sin_addr: libc::in_addr {
            s_addr: endpoint.ip().to_bits().to_be(),
        },
        sin_zero: [0; 8],
    }
}

/// Connects the socket; still under way after the time limit is `INPROGRESS`.
fn connect(
    ring: &mut IoUring,
    socket: &OwnedFd,
    address: &libc::sockaddr_in,
) -> io::Result<Result<(), Errno>> {
    let bytes = size_of::<libc::sockaddr_in>();
    let bytes = libc::socklen_t::try_from(bytes).map_err(io::Error::other)?;
    let place = std::ptr::from_ref(address).cast();
    let operation = opcode::Connect::new(Fd(socket.as_raw_fd()), place, bytes);
    // SAFETY: the address outlives the ring (see the caller), and the socket the wait below.
    unsafe { ring.submission().push(&operation.build()) }.map_err(io::Error::other)?;
    let waited = ring
        .submitter()
        .submit_with_args(1, &SubmitArgs::new().timespec(&PATIENCE));
    match waited {
        Err(error) if error.raw_os_error() == Some(libc::ETIME) => {
            return Ok(Err(Errno::INPROGRESS));
        }
        waited => waited?,
    };
    Ok(match ring.completion().next() {
        Some(done) if done.result() < 0 => Err(Errno::from_raw_os_error(-done.result())),
        Some(_) => Ok(()),
        None => Err(Errno::INPROGRESS),
    })
}
