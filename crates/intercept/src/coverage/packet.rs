//! Packets that the probe makes itself, and how it knows them again.
//!
//! Their TCP segment carries RST, which no server answers, whoever it might reach; and one byte, since
//! a filter may rightly let segments pass that neither open a connection nor carry anything.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// `ETH_P_IP` and `ETH_P_IPV6` of `linux/if_ether.h`.
const ETHERNET_IPV4: u16 = 0x0800;
const ETHERNET_IPV6: u16 = 0x86dd;
const ETHERNET_BYTES: usize = 14;
const IPV4_BYTES: usize = 20;
const IPV6_BYTES: usize = 40;
const TCP_BYTES: u8 = 20;
const SEGMENT_BYTES: u8 = TCP_BYTES + 1;

/// Where packets of the probe's own making say that they come from (RFC 5737, RFC 3849).
pub(super) const SOURCE_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 77);
const SOURCE_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 77);
const SOURCE_PORT: u16 = 40_077;

/// Returns the protocol number by which a device carries packets to an address.
pub(super) const fn ethernet_protocol(destination: IpAddr) -> u16 {
    match destination {
        IpAddr::V4(_) => ETHERNET_IPV4,
        IpAddr::V6(_) => ETHERNET_IPV6,
    }
}

/// Returns a TCP segment for a port.
pub(super) fn segment(port: u16) -> Vec<u8> {
    const RST: u8 = 4;
    let mut segment = Vec::with_capacity(usize::from(SEGMENT_BYTES));
    segment.extend(SOURCE_PORT.to_be_bytes());
    segment.extend(port.to_be_bytes());
    segment.extend([0; 8]); // sequence and acknowledgement numbers
    segment.extend([TCP_BYTES << 2, RST]);
    segment.extend([0; 6]); // window, checksum, urgent pointer
    segment.push(0);
    segment
}

/// Returns an IP packet that carries [`segment`].
pub(super) fn packet(destination: SocketAddr) -> Vec<u8> {
    let segment = segment(destination.port());
    let mut packet = match destination.ip() {
        IpAddr::V4(address) => ipv4_header(address).to_vec(),
        IpAddr::V6(address) => {
            let mut header = vec![0x60, 0, 0, 0, 0, SEGMENT_BYTES, 6, 64];
            header.extend(SOURCE_V6.octets());
            header.extend(address.octets());
            header
        }
    };
    packet.extend(segment);
    packet
}

fn ipv4_header(destination: Ipv4Addr) -> [u8; IPV4_BYTES] {
    let total = SEGMENT_BYTES + 20;
    let mut header = [
        0x45, 0, 0, total, 0, 77, 0, 0, 64, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];
    let addresses = [SOURCE_V4.octets(), destination.octets()].concat();
    let room = header.iter_mut().skip(12);
    room.zip(addresses).for_each(|(to, from)| *to = from);
    let [high, low] = checksum(&header).to_be_bytes();
    let room = header.iter_mut().skip(10);
    room.zip([high, low]).for_each(|(to, from)| *to = from);
    header
}

/// The sum of RFC 1071, by which a router knows a whole header.
fn checksum(header: &[u8]) -> u16 {
    let words = header.chunks_exact(2).filter_map(|pair| match pair {
        [high, low] => Some(u32::from(u16::from_be_bytes([*high, *low]))),
        _ => None,
    });
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let [.., high, low] = (!(folded + (folded >> 16))).to_be_bytes();
    u16::from_be_bytes([high, low])
}

/// Returns a whole frame for a device with this hardware address.
pub(super) fn frame(hardware: [u8; 6], destination: SocketAddr) -> Vec<u8> {
    let mut frame = hardware.to_vec();
    frame.extend([2, 0, 0, 0, 0, 1]); // a locally administered source
    frame.extend(ethernet_protocol(destination.ip()).to_be_bytes());
    frame.extend(packet(destination));
    frame
}

/// Returns whether a frame carries a packet to this address and port.
pub(super) fn is_for(frame: &[u8], destination: SocketAddr) -> bool {
    let Some((header, packet)) = frame.split_at_checked(ETHERNET_BYTES) else {
        return false;
    };
    let is_family = header.ends_with(&ethernet_protocol(destination.ip()).to_be_bytes());
    let (octets, at, header_bytes) = match destination.ip() {
        IpAddr::V4(address) => (address.octets().to_vec(), 16, IPV4_BYTES),
        IpAddr::V6(address) => (address.octets().to_vec(), 24, IPV6_BYTES),
    };
    let is_address = packet.get(at..at + octets.len()) == Some(octets.as_slice());
    let port = packet.get(header_bytes + 2..header_bytes + 4);
    is_family && is_address && port == Some(destination.port().to_be_bytes().as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_is_known_again_by_address_and_port() {
        for (endpoint, other) in [
            ("169.254.169.254:80", "169.254.169.254:81"),
            ("[fd00:ec2::254]:80", "[fd00:ec2::253]:80"),
        ] {
            let (endpoint, other) = (endpoint.parse().unwrap(), other.parse().unwrap());
            let frame = frame([0; 6], endpoint);
            assert!(is_for(&frame, endpoint));
            assert!(!is_for(&frame, other));
            for cut in 0..frame.len() - 18 {
                assert!(!is_for(&frame[..cut], endpoint), "{cut}");
            }
        }
    }

    #[test]
    fn header_with_its_checksum_sums_up_to_nothing() {
        let header = ipv4_header(Ipv4Addr::new(169, 254, 169, 254));
        assert_eq!(checksum(&header), 0);
    }
}
