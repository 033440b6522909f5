//! The system calls of the probe that have no safe form elsewhere; nothing here decides anything,
//! and no pointer outlives the call that it was made for.
#![expect(
    unsafe_code,
    reason = "system calls take raw pointers; each is wrapped once, here"
)]

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

use rustix::net::AddressFamily;

/// `struct ifreq`: a device's name and what is asked or told about it.
#[derive(Debug)]
#[repr(C, align(8))]
pub(super) struct DeviceRequest {
    name: [u8; libc::IFNAMSIZ],
    pub(super) value: [u8; 24],
}

impl DeviceRequest {
    /// Makes a request about a device; the value begins with these bytes.
    pub(super) fn new(name: &str, value: &[u8]) -> Self {
        let mut request = Self {
            name: [0; libc::IFNAMSIZ],
            value: [0; 24],
        };
        // The last byte of the name stays NUL.
        let room = request.name.iter_mut().take(libc::IFNAMSIZ - 1);
        room.zip(name.bytes()).for_each(|(to, from)| *to = from);
        let room = request.value.iter_mut();
        room.zip(value).for_each(|(to, from)| *to = *from);
        request
    }
}

const _: () = assert!(size_of::<DeviceRequest>() == size_of::<libc::ifreq>());

/// Makes an ioctl(2) about a device by its name.
pub(super) fn ask_device(
    socket: BorrowedFd<'_>,
    operation: libc::Ioctl,
    request: &mut DeviceRequest,
) -> io::Result<()> {
    // SAFETY: the request is live, writable and as large as the kernel's own form of it.
    answer(unsafe { libc::ioctl(socket.as_raw_fd(), operation, std::ptr::from_mut(request)) })
}

/// Sets a socket option whose value is plain bytes.
pub(super) fn set_option(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    option: libc::c_int,
    value: &[u8],
) -> io::Result<()> {
    let bytes = libc::socklen_t::try_from(value.len()).map_err(io::Error::other)?;
    // SAFETY: the value is live and has as many bytes as are given.
    answer(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            value.as_ptr().cast(),
            bytes,
        )
    })
}

/// Puts a classic BPF filter on what the socket receives.
pub(super) fn attach_filter(
    socket: BorrowedFd<'_>,
    filter: &mut [libc::sock_filter],
) -> io::Result<()> {
    let program = libc::sock_fprog {
        len: u16::try_from(filter.len()).map_err(io::Error::other)?,
        filter: filter.as_mut_ptr(),
    };
    let bytes = bytes_of::<libc::sock_fprog>()?;
    // SAFETY: the program and the filter that it points to are live; the kernel copies both.
    answer(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const program).cast(),
            bytes,
        )
    })
}

/// Binds a packet socket to a device and a protocol (of `linux/if_ether.h`).
pub(super) fn bind_to_link(socket: BorrowedFd<'_>, index: u32, protocol: u16) -> io::Result<()> {
    let address = libc::sockaddr_ll {
        sll_family: AddressFamily::PACKET.as_raw(),
        sll_protocol: protocol.to_be(),
        sll_ifindex: i32::try_from(index).map_err(io::Error::other)?,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: [0; 8],
    };
    let bytes = bytes_of::<libc::sockaddr_ll>()?;
    // SAFETY: the address is live and has as many bytes as are given.
    answer(unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), bytes) })
}

fn bytes_of<T>() -> io::Result<libc::socklen_t> {
    libc::socklen_t::try_from(size_of::<T>()).map_err(io::Error::other)
}

fn answer(result: libc::c_int) -> io::Result<()> {
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
