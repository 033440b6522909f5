//! The endpoints whose connections are intercepted; two entries for one address and port, and
//! addresses that name no destination, are refused before anything changes.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use crate::layout::{ENDPOINT_SLOTS, EndpointKey, EndpointValue, MODE_AUDIT, MODE_ENFORCE};

/// What happens to a connection that cannot be redirected to the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InterceptMode {
    /// It passes and is counted.
    Audit,
    /// It is refused with `ECONNREFUSED`.
    Enforce,
}

/// One address and TCP port whose connections are intercepted.
///
/// An endpoint that is disabled is not listed at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InterceptedEndpoint {
    /// The address; IPv4 also covers sockets that write it as `::ffff:a.b.c.d`.
    pub address: IpAddr,
    /// The TCP port.
    pub port: u16,
    /// What happens when a redirect is not possible.
    pub mode: InterceptMode,
    /// The caller's own number for the endpoint; it comes back in the flow record.
    pub index: u32,
}

/// A set of endpoints that cannot be protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// The same address and port is listed twice.
    #[error("endpoint `{0}` is listed twice")]
    Duplicate(SocketAddr),
    /// The address is unspecified, loopback or multicast, or the port is 0.
    #[error("`{0}` is not an address and port that an endpoint can have")]
    NoDestination(SocketAddr),
    /// More endpoints than the kernel's map holds while the old ones are still in it.
    #[error("{count} endpoints are listed, at most {limit} fit")]
    TooMany {
        /// How many were listed.
        count: usize,
        /// How many fit.
        limit: usize,
    },
}

/// At most this many endpoints: a complete exchange must fit beside the set that it replaces.
pub(crate) const MAX_ENDPOINTS: usize = ENDPOINT_SLOTS / 2;

/// Returns the endpoints as the kernel's map holds them.
pub(crate) fn map_entries(
    endpoints: &[InterceptedEndpoint],
) -> Result<BTreeMap<EndpointKey, EndpointValue>, EndpointError> {
    if endpoints.len() > MAX_ENDPOINTS {
        return Err(EndpointError::TooMany {
            count: endpoints.len(),
            limit: MAX_ENDPOINTS,
        });
    }
    let mut entries = BTreeMap::new();
    for endpoint in endpoints {
        let address = endpoint.address.to_canonical();
        let shown = SocketAddr::new(address, endpoint.port);
        if endpoint.port == 0
            || address.is_unspecified()
            || address.is_loopback()
            || address.is_multicast()
        {
            return Err(EndpointError::NoDestination(shown));
        }
        let key = EndpointKey {
            address: address.into(),
            port: endpoint.port,
            reserved: 0,
        };
        let mode = match endpoint.mode {
            InterceptMode::Audit => MODE_AUDIT,
            InterceptMode::Enforce => MODE_ENFORCE,
        };
        if entries
            .insert(
                key,
                EndpointValue {
                    mode,
                    index: endpoint.index,
                },
            )
            .is_some()
        {
            return Err(EndpointError::Duplicate(shown));
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(address: &str, port: u16) -> InterceptedEndpoint {
        let address = address.parse().unwrap();
        InterceptedEndpoint {
            address,
            port,
            mode: InterceptMode::Enforce,
            index: 0,
        }
    }

    #[test]
    fn mapped_and_plain_ipv4_are_one_endpoint() {
        let twice = [endpoint("192.0.2.1", 80), endpoint("::ffff:192.0.2.1", 80)];
        let shown = "192.0.2.1:80".parse().unwrap();
        assert_eq!(map_entries(&twice), Err(EndpointError::Duplicate(shown)));
    }

    #[test]
    fn one_address_may_have_several_ports() {
        let entries = map_entries(&[endpoint("192.0.2.1", 80), endpoint("192.0.2.1", 32526)]);
        assert_eq!(entries.unwrap().len(), 2);
    }

    #[test]
    fn addresses_that_name_no_destination_are_refused() {
        for (address, port) in [
            ("0.0.0.0", 80),
            ("::", 80),
            ("127.0.0.1", 80),
            ("224.0.0.1", 80),
            ("192.0.2.1", 0),
        ] {
            let shown = SocketAddr::new(address.parse().unwrap(), port);
            let refusal = map_entries(&[endpoint(address, port)]);
            assert_eq!(refusal, Err(EndpointError::NoDestination(shown)));
        }
    }

    #[test]
    fn a_set_that_could_not_be_exchanged_at_once_is_refused() {
        let many: Vec<_> = (1..=65).map(|port| endpoint("192.0.2.1", port)).collect();
        let refusal = map_entries(&many);
        assert_eq!(
            refusal,
            Err(EndpointError::TooMany {
                count: 65,
                limit: MAX_ENDPOINTS
            })
        );
        assert_eq!(map_entries(&many[..64]).unwrap().len(), 64);
    }
}
