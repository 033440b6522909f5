//! Where a TCP socket really is connected to. The programs rewrite what getpeername(2) says, so this
//! is read from the kernel's own table.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Returns the real peer of the socket with this local port that is not a listener.
///
/// `is_sought` tells the peers of the probe's own sockets from those of others with the same port.
pub(super) fn real_peer(
    local_port: u16,
    is_sought: impl Fn(SocketAddr) -> bool,
) -> io::Result<Option<SocketAddr>> {
    for path in ["/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"] {
        let table = match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            table => table?,
        };
        let rows = table.lines().skip(1).filter_map(row);
        let peers = rows.filter(|(local, _)| local.port() == local_port);
        if let Some((_, peer)) = peers.into_iter().find(|(_, peer)| is_sought(*peer)) {
            return Ok(Some(peer));
        }
    }
    Ok(None)
}

/// Returns both addresses of a row of `/proc/net/tcp` or `/proc/net/tcp6`.
fn row(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    Some((address(fields.next()?)?, address(fields.next()?)?))
}

/// Reads an address in hexadecimal words of this machine's byte order, and a port.
fn address(field: &str) -> Option<SocketAddr> {
    let (digits, port) = field.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| {
        let word = u32::from_str_radix(digits.get(at * 8..at * 8 + 8)?, 16).ok()?;
        Some(word.to_ne_bytes())
    };
    let address = match digits.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?].concat();
            let octets: [u8; 16] = words.try_into().ok()?;
            Ipv6Addr::from(octets).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(address, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn row_of_either_family_is_read() {
        let v4 = "   1: 0100007F:A8C2 FEA9FEA9:0050 02 00000001:00000000 01:00000063 00000000";
        let addresses = ["127.0.0.1:43202", "169.254.169.254:80"].map(|text| text.parse().unwrap());
        assert_eq!(row(v4), Some((addresses[0], addresses[1])));
        let v6 = "   0: 0000000000000000FFFF00000100007F:A8C2 \
                  0000000000000000FFFF0000FEA9FEA9:0050 01 00000000:00000000";
        assert_eq!(row(v6), Some((addresses[0], addresses[1])));
    }

    #[test]
    fn what_is_no_row_is_passed_over() {
        for line in [
            "",
            "  sl  local_address rem_address",
            " 1: 0100007F:A8C2 FEA9:0050",
        ] {
            assert_eq!(row(line), None, "{line}");
        }
    }
}
