//! The kernel's maps of protected endpoints; while one set replaces another the guard is as wide as
//! both, so nothing that is protected before and after is unguarded in between.

use std::collections::{BTreeMap, BTreeSet};

use aya::Ebpf;
use aya::maps::{Array, HashMap, MapData, MapError};

use crate::error::InterceptError;
use crate::interceptor::take_map;
use crate::layout::{Address, EndpointKey, EndpointValue};

const PORTS_PER_WORD: u16 = 64;

/// The endpoints, and what the guard asks before it looks for one.
pub(crate) struct EndpointMaps {
    endpoints: HashMap<MapData, EndpointKey, EndpointValue>,
    ports: Array<MapData, u64>,
    addresses: HashMap<MapData, Address, u32>,
}

/// What the guard must know of a set of endpoints.
#[derive(Debug, Default, PartialEq, Eq)]
struct Guarded {
    port_words: BTreeMap<u32, u64>,
    /// The strictest mode of each address, and under the unspecified one that of all.
    addresses: BTreeMap<Address, u32>,
}

impl Guarded {
    fn of<'a>(entries: impl IntoIterator<Item = (&'a EndpointKey, &'a EndpointValue)>) -> Self {
        let mut guarded = Self::default();
        for (key, value) in entries {
            let word = guarded
                .port_words
                .entry((key.port / PORTS_PER_WORD).into())
                .or_default();
            *word |= 1 << (key.port % PORTS_PER_WORD);
            for address in [key.address, Address::default()] {
                let mode = guarded.addresses.entry(address).or_default();
                *mode = value.mode.max(*mode);
            }
        }
        guarded
    }
}

impl EndpointMaps {
    pub(crate) fn take(object: &mut Ebpf) -> Result<Self, InterceptError> {
        Ok(Self {
            endpoints: take_map(object, "endpoints")?
                .try_into()
                .map_err(InterceptError::map("endpoints"))?,
            ports: take_map(object, "guarded_ports")?
                .try_into()
                .map_err(InterceptError::map("guarded_ports"))?,
            addresses: take_map(object, "guarded_addresses")?
                .try_into()
                .map_err(InterceptError::map("guarded_addresses"))?,
        })
    }

    /// Replaces the set; an endpoint that is in the old and in the new one is protected all the time.
    pub(crate) fn replace(
        &mut self,
        wanted: &BTreeMap<EndpointKey, EndpointValue>,
    ) -> Result<(), InterceptError> {
        let failed = InterceptError::map("endpoints");
        let present = self
            .endpoints
            .iter()
            .collect::<Result<Vec<_>, _>>()
            .map_err(&failed)?;
        let old = present.iter().map(|(key, value)| (key, value));
        let both = Guarded::of(old.chain(wanted));
        self.widen(&both)?;
        for (key, value) in wanted {
            if !present.contains(&(*key, *value)) {
                self.endpoints.insert(key, value, 0).map_err(&failed)?;
            }
        }
        for (key, _) in &present {
            if !wanted.contains_key(key) {
                self.endpoints.remove(key).map_err(&failed)?;
            }
        }
        self.narrow(&both, &Guarded::of(wanted))
    }

    /// Returns whether the maps hold this set, and the guard what belongs to it.
    pub(crate) fn hold(
        &self,
        wanted: &BTreeMap<EndpointKey, EndpointValue>,
    ) -> Result<bool, MapError> {
        let present = self
            .endpoints
            .iter()
            .collect::<Result<BTreeMap<_, _>, _>>()?;
        let addresses = self
            .addresses
            .iter()
            .collect::<Result<BTreeMap<_, _>, _>>()?;
        let guarded = Guarded::of(wanted);
        for (word, bits) in &guarded.port_words {
            if self.ports.get(word, 0)? != *bits {
                return Ok(false);
            }
        }
        Ok(present == *wanted && addresses == guarded.addresses)
    }

    fn widen(&mut self, guarded: &Guarded) -> Result<(), InterceptError> {
        self.set_ports(&guarded.port_words)?;
        self.set_addresses(&guarded.addresses)
    }

    fn narrow(&mut self, before: &Guarded, wanted: &Guarded) -> Result<(), InterceptError> {
        let words = before.port_words.keys().map(|word| {
            let bits = wanted.port_words.get(word).copied();
            (*word, bits.unwrap_or_default())
        });
        self.set_ports(&words.collect())?;
        self.set_addresses(&wanted.addresses)?;
        let failed = InterceptError::map("guarded_addresses");
        let present = self.addresses.keys().collect::<Result<BTreeSet<_>, _>>();
        for address in present.map_err(&failed)? {
            if !wanted.addresses.contains_key(&address) {
                self.addresses.remove(&address).map_err(&failed)?;
            }
        }
        Ok(())
    }

    fn set_ports(&mut self, words: &BTreeMap<u32, u64>) -> Result<(), InterceptError> {
        for (word, bits) in words {
            self.ports
                .set(*word, bits, 0)
                .map_err(InterceptError::map("guarded_ports"))?;
        }
        Ok(())
    }

    fn set_addresses(&mut self, modes: &BTreeMap<Address, u32>) -> Result<(), InterceptError> {
        for (address, mode) in modes {
            self.addresses
                .insert(address, mode, 0)
                .map_err(InterceptError::map("guarded_addresses"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::layout::{MODE_AUDIT, MODE_ENFORCE};

    #[test]
    fn guard_knows_all_ports_and_the_strictest_mode_of_each_address() {
        let address = |last| Address::from(IpAddr::from(Ipv4Addr::new(192, 0, 2, last)));
        let endpoint = |last, port, mode| {
            let address = address(last);
            let key = EndpointKey {
                address,
                port,
                reserved: 0,
            };
            (key, EndpointValue { mode, index: 0 })
        };
        let set = BTreeMap::from([
            endpoint(1, 80, MODE_ENFORCE),
            endpoint(1, 127, MODE_AUDIT),
            endpoint(2, 65535, MODE_AUDIT),
        ]);
        let expected = Guarded {
            port_words: [(1, 1 << 16 | 1 << 63), (1023, 1 << 63)].into(),
            addresses: [
                (Address::default(), MODE_ENFORCE),
                (address(1), MODE_ENFORCE),
                (address(2), MODE_AUDIT),
            ]
            .into(),
        };
        assert_eq!(Guarded::of(&set), expected);
        assert_eq!(Guarded::of(&BTreeMap::new()), Guarded::default());
    }
}
