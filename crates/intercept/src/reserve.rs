//! Keeps a port out of what the kernel gives to sockets that ask for any port: neither a bind to port
//! 0 nor a listen without a bind names a port that the bind guard could refuse.

use std::fs;
use std::io;
use std::path::Path;

use crate::error::InterceptError;

/// The list of the reader's network namespace: `8080,9148-9200`.
const RESERVED_PORTS: &str = "/proc/sys/net/ipv4/ip_local_reserved_ports";

/// Adds a port to the reserved ones of the calling thread's network namespace, and leaves it there.
pub(crate) fn reserve(port: u16) -> Result<(), InterceptError> {
    let path = Path::new(RESERVED_PORTS);
    let list = fs::read_to_string(path).map_err(InterceptError::file("read", path))?;
    let list = list.trim();
    if holds(list, port) {
        return Ok(());
    }
    // A write replaces the list, and a long one must arrive whole.
    let longer = match list {
        "" => port.to_string(),
        _ => format!("{list},{port}"),
    };
    write_at_once(path, &longer)
        .map_err(InterceptError::file("reserve the listener's port in", path))
}

fn write_at_once(path: &Path, text: &str) -> io::Result<()> {
    let file = fs::OpenOptions::new().write(true).open(path)?;
    let written = rustix::io::write(&file, text.as_bytes())?;
    if written == text.len() {
        Ok(())
    } else {
        Err(io::ErrorKind::WriteZero.into())
    }
}

fn holds(list: &str, port: u16) -> bool {
    list.split(',').any(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        match (first.trim().parse::<u16>(), last.trim().parse::<u16>()) {
            (Ok(first), Ok(last)) => (first..=last).contains(&port),
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_ports_are_found_in_a_list_of_ranges() {
        for port in [80, 3000, 3080, 3100, 9000] {
            assert!(holds("80,3000-3100,9000", port), "{port}");
        }
        for port in [8, 2999, 3101, 900, 65535] {
            assert!(!holds("80,3000-3100,9000", port), "{port}");
        }
        assert!(!holds("", 0));
    }
}
