//! What the kernel says about one socket: its network namespace, and the SYN that a connection began
//! with. A SYN that is not whole gives no answer, never a guess.
#![expect(
    unsafe_code,
    reason = "getsockopt and setsockopt take raw pointers; each is wrapped once, here"
)]

use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};

/// `SO_NETNS_COOKIE` (kernel 5.14), which the libc crate does not name on every target.
const SO_NETNS_COOKIE: libc::c_int = 71;

/// More than the largest headers that `TCP_SAVED_SYN` can return.
const MAX_SYN_BYTES: usize = 512;

const IPV6_HEADER_BYTES: usize = 40;
const TCP_SEQUENCE: std::ops::Range<usize> = 4..8;

/// Reads an option into `value` and returns how many bytes of it the kernel filled.
fn get_option(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    option: libc::c_int,
    value: &mut [u8],
) -> io::Result<usize> {
    let mut bytes = libc::socklen_t::try_from(value.len()).unwrap_or(libc::socklen_t::MAX);
    // SAFETY: `value` is live and writable for at least the bytes that the length gives.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            level,
            option,
            value.as_mut_ptr().cast(),
            &raw mut bytes,
        )
    };
    if result == 0 {
        Ok(usize::try_from(bytes).unwrap_or_default())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Returns the cookie of a socket's network namespace, unique until the next boot.
///
/// # Errors
///
/// The error of getsockopt(2); `ENOPROTOOPT` on kernels before 5.14.
pub fn netns_cookie(socket: impl AsFd) -> io::Result<u64> {
    let mut cookie = [0; 8];
    get_option(
        socket.as_fd(),
        libc::SOL_SOCKET,
        SO_NETNS_COOKIE,
        &mut cookie,
    )?;
    Ok(u64::from_ne_bytes(cookie))
}

/// Makes a listener keep the SYN of every connection, by which flow records are found.
///
/// Call it before `listen`: [`FlowTable::take`] finds nothing for a connection that came earlier.
///
/// [`FlowTable::take`]: crate::FlowTable::take
///
/// # Errors
///
/// The error of setsockopt(2).
pub fn keep_syn(listener: impl AsFd) -> io::Result<()> {
    let on = 1_i32;
    // SAFETY: the value is live and has the four bytes that the length gives.
    let result = unsafe {
        libc::setsockopt(
            listener.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_SAVE_SYN,
            (&raw const on).cast(),
            4,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Returns the peer's initial sequence number, once: the kernel then forgets the SYN. `None` when
/// the listener did not keep it, or made do without (SYN cookies).
pub(crate) fn initial_sequence(accepted: BorrowedFd<'_>) -> io::Result<Option<u32>> {
    let mut headers = [0; MAX_SYN_BYTES];
    let bytes = get_option(
        accepted,
        libc::IPPROTO_TCP,
        libc::TCP_SAVED_SYN,
        &mut headers,
    )?;
    Ok(headers.get(..bytes).and_then(sequence_number))
}

/// Returns the sequence number in an IP header with the TCP header that follows it.
fn sequence_number(headers: &[u8]) -> Option<u32> {
    let version_and_length = headers.first()?;
    let (protocol, ip_bytes) = match version_and_length >> 4 {
        4 => (headers.get(9)?, usize::from(version_and_length & 0xF) * 4),
        6 => (headers.get(6)?, IPV6_HEADER_BYTES),
        _ => return None,
    };
    if i32::from(*protocol) != libc::IPPROTO_TCP {
        return None;
    }
    let sequence = headers.get(ip_bytes..)?.get(TCP_SEQUENCE)?;
    Some(u32::from_be_bytes(sequence.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn syn(ip: &[u8]) -> Vec<u8> {
        let tcp = [0xC3, 0x50, 0x0C, 0x08, 1, 2, 3, 4, 0, 0, 0, 0, 0x50, 2];
        [ip, &tcp].concat()
    }

    #[test]
    fn sequence_number_is_found_behind_either_ip_header() {
        let mut v4 = [0; 24];
        (v4[0], v4[9]) = (0x46, 6); // with one word of options
        assert_eq!(sequence_number(&syn(&v4)), Some(0x0102_0304));
        let mut v6 = [0; 40];
        (v6[0], v6[6]) = (0x60, 6);
        assert_eq!(sequence_number(&syn(&v6)), Some(0x0102_0304));
    }

    #[test]
    fn what_is_not_a_whole_syn_has_no_sequence_number() {
        let mut v4 = [0; 20];
        (v4[0], v4[9]) = (0x45, 6);
        let whole = syn(&v4);
        for cut in 0..28 {
            assert_eq!(sequence_number(&whole[..cut]), None, "{cut}");
        }
        let mut v6 = [0; 40];
        v6[0] = 0x60; // an extension header
        assert_eq!(sequence_number(&syn(&v6)), None);
        v4[0] = 0x55;
        assert_eq!(sequence_number(&syn(&v4)), None);
    }
}
