//! A virtual machine as the gateway needs it: where its packets come from, how it is protected, what it is told about itself.
//!
//! A machine is known by source address and ingress interface alone, never by anything
//! that a request says. Two machines with one place in the network are refused.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use latchkey_protocol::audit_end::AuditEndError;
use latchkey_protocol::authorization::AuthorizationItem;
use latchkey_protocol::mode::ModeError;
use latchkey_protocol::{AuditEnd, EndpointKind, Mode};

use crate::facts::Facts;

/// Names a machine in records, in the key store and in logs; unique in its table.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MachineId(String);

/// The text is no machine id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a machine id: use 1 to 128 letters, digits, dots, hyphens and underscores")]
pub struct MachineIdError(String);

impl MachineId {
    /// The longest id in bytes.
    pub const MAX_BYTES: usize = 128;

    /// Reads an id of ASCII letters, digits, dots, hyphens and underscores.
    ///
    /// # Errors
    /// For any other text.
    pub fn parse(text: &str) -> Result<Self, MachineIdError> {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        if (1..=Self::MAX_BYTES).contains(&text.len()) && text.bytes().all(is_plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(MachineIdError(text.to_owned()))
        }
    }

    /// Returns the id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MachineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One virtual machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Names it everywhere outside the guest.
    pub id: MachineId,
    /// The addresses that its packets come from; IPv4-mapped addresses stand for the IPv4 one.
    pub addresses: Vec<IpAddr>,
    /// The host's interface that its packets come in over; without, any that no machine names.
    pub interface: Option<String>,
    /// What its secure channel announces.
    pub channel: Channel,
    /// The owner's count of key resets: raising it allows one more key to be latched.
    pub key_incarnation: u32,
    /// What the emulated services say about it.
    pub facts: Facts,
}

/// What a machine's secure channel announces, in one of the two deployed versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Version 1.0: a state and no rules.
    State(ChannelState),
    /// Version 2.0: modes and rules by endpoint.
    Rules {
        /// The instance metadata service.
        imds: Option<Box<Protection>>,
        /// The `WireServer` and the `HostGAPlugin`.
        wire_server: Option<Box<Protection>>,
    },
}

/// The state of a secure channel of version 1.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelState {
    /// Nothing is protected.
    Disabled,
    /// The `WireServer` is protected, the instance metadata service is watched.
    WireServer,
    /// Both are protected.
    WireServerAndImds,
}

impl ChannelState {
    /// Returns the state's text on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "Disabled",
            Self::WireServer => "WireServer",
            Self::WireServerAndImds => "WireServerAndImds",
        }
    }

    const fn mode(self, kind: EndpointKind) -> Mode {
        match (self, kind) {
            (Self::Disabled, _) => Mode::Disabled,
            (Self::WireServer, EndpointKind::Imds) => Mode::Audit,
            (Self::WireServer | Self::WireServerAndImds, _) => Mode::Enforce,
        }
    }
}

/// One endpoint's mode and rules; the item's mode text is the mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protection {
    mode: Mode,
    audit_until: Option<AuditEnd>,
    item: AuthorizationItem,
}

/// The item does not say how strictly the endpoint is protected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtectionError {
    /// By no mode.
    #[error(transparent)]
    Mode(#[from] ModeError),
    /// By no time at which Audit ends.
    #[error(transparent)]
    AuditUntil(#[from] AuditEndError),
}

impl TryFrom<AuthorizationItem> for Protection {
    type Error = ProtectionError;

    fn try_from(mut item: AuthorizationItem) -> Result<Self, ProtectionError> {
        let mode: Mode = item.mode.parse()?;
        let audit_until = item.audit_until.as_deref().map(str::parse).transpose()?;
        mode.as_str().clone_into(&mut item.mode);
        Ok(Self {
            mode,
            audit_until,
            item,
        })
    }
}

impl Protection {
    /// Returns the mode, which is Enforce when Audit has ended.
    #[must_use]
    pub fn mode(&self, now: Timestamp) -> Mode {
        self.mode.due(self.audit_until, now)
    }

    /// Returns the item that travels to the guest.
    #[must_use]
    pub const fn item(&self) -> &AuthorizationItem {
        &self.item
    }
}

impl Machine {
    /// Returns how strictly endpoints of `kind` are protected for this machine at the time `now`.
    #[must_use]
    pub fn mode(&self, kind: EndpointKind, now: Timestamp) -> Mode {
        match (&self.channel, kind) {
            (Channel::State(state), _) => state.mode(kind),
            (Channel::Rules { imds, .. }, EndpointKind::Imds) => {
                announced_mode(imds.as_deref(), now)
            }
            (
                Channel::Rules { wire_server, .. },
                EndpointKind::WireServer | EndpointKind::HostGa,
            ) => announced_mode(wire_server.as_deref(), now),
        }
    }
}

/// An endpoint without an item is not protected: that is what the guest is told too.
fn announced_mode(protection: Option<&Protection>, now: Timestamp) -> Mode {
    protection.map_or(Mode::Disabled, |protection| protection.mode(now))
}

/// All machines, by where their packets come from. Immutable; a change makes a new table.
#[derive(Debug, Default)]
pub struct MachineTable {
    machines: Vec<Arc<Machine>>,
    places: HashMap<IpAddr, Vec<Arc<Machine>>>,
}

/// Why a set of machines is no table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MachineTableError {
    /// Two machines share an id.
    #[error("machine `{0}` is defined twice")]
    RepeatedId(MachineId),
    /// A machine has no address, so no packet would ever be its own.
    #[error("machine `{0}` has no address")]
    NoAddress(MachineId),
    /// Two machines claim one place in the network.
    #[error("machines `{first}` and `{second}` both claim {address} on {}", interface.as_deref().unwrap_or("any interface"))]
    RepeatedPlace {
        /// The machine that is in the table.
        first: MachineId,
        /// The machine that is not.
        second: MachineId,
        /// The address that both claim.
        address: IpAddr,
        /// The interface that both name.
        interface: Option<String>,
    },
}

impl MachineTable {
    /// Builds a table.
    ///
    /// # Errors
    /// When an id, or an address on an interface, stands for two machines, or one has no address.
    pub fn new(machines: Vec<Machine>) -> Result<Self, MachineTableError> {
        let mut table = Self::default();
        for machine in machines {
            table.insert(Arc::new(machine))?;
        }
        Ok(table)
    }

    fn insert(&mut self, machine: Arc<Machine>) -> Result<(), MachineTableError> {
        if self.machines.iter().any(|other| other.id == machine.id) {
            return Err(MachineTableError::RepeatedId(machine.id.clone()));
        }
        if machine.addresses.is_empty() {
            return Err(MachineTableError::NoAddress(machine.id.clone()));
        }
        for address in &machine.addresses {
            let neighbours = self.places.entry(address.to_canonical()).or_default();
            if let Some(other) = neighbours
                .iter()
                .find(|other| other.interface == machine.interface)
            {
                return Err(MachineTableError::RepeatedPlace {
                    first: other.id.clone(),
                    second: machine.id.clone(),
                    address: *address,
                    interface: machine.interface.clone(),
                });
            }
            neighbours.push(Arc::clone(&machine));
        }
        self.machines.push(machine);
        Ok(())
    }

    /// Returns the machine that sends from `source`, as seen by a listener that takes packets of
    /// `interface` alone, or of every interface.
    #[must_use]
    pub fn identify(&self, source: IpAddr, interface: Option<&str>) -> Option<Arc<Machine>> {
        let neighbours = self.places.get(&source.to_canonical())?;
        neighbours
            .iter()
            .find(|machine| machine.interface.as_deref() == interface)
            .map(Arc::clone)
    }

    /// Returns the machine with this id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Arc<Machine>> {
        self.machines
            .iter()
            .find(|machine| machine.id.as_str() == id)
    }

    /// Returns all machines in the order they were given.
    #[must_use]
    pub fn as_slice(&self) -> &[Arc<Machine>] {
        &self.machines
    }

    /// Returns where listeners are needed: each interface that a machine names, and none for
    /// machines that name none.
    #[must_use]
    pub fn interfaces(&self) -> BTreeSet<Option<String>> {
        self.machines
            .iter()
            .map(|machine| machine.interface.clone())
            .collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn machine(id: &str, address: &str, interface: Option<&str>) -> Machine {
        Machine {
            id: MachineId::parse(id).unwrap(),
            addresses: vec![address.parse().unwrap()],
            interface: interface.map(str::to_owned),
            channel: Channel::State(ChannelState::WireServerAndImds),
            key_incarnation: 1,
            facts: crate::facts::tests::facts(id),
        }
    }

    #[test]
    fn machine_with_an_interface_is_not_found_over_another_one() {
        let table = MachineTable::new(vec![
            machine("a", "10.0.0.4", Some("tap0")),
            machine("b", "10.0.0.4", Some("tap1")),
            machine("c", "10.0.0.5", None),
        ])
        .unwrap();
        let find = |source: &str, interface| {
            table
                .identify(source.parse().unwrap(), interface)
                .map(|m| m.id.as_str().to_owned())
        };
        assert_eq!(find("10.0.0.4", Some("tap0")).as_deref(), Some("a"));
        assert_eq!(find("::ffff:10.0.0.4", Some("tap1")).as_deref(), Some("b"));
        assert_eq!(find("10.0.0.4", None), None);
        assert_eq!(find("10.0.0.4", Some("tap2")), None);
        assert_eq!(find("10.0.0.5", None).as_deref(), Some("c"));
        assert_eq!(find("10.0.0.5", Some("tap0")), None);
        assert_eq!(table.interfaces().len(), 3);
    }

    #[test]
    fn one_place_cannot_be_two_machines() {
        let error = MachineTable::new(vec![
            machine("a", "10.0.0.4", None),
            machine("b", "::ffff:10.0.0.4", None),
        ])
        .unwrap_err();
        assert!(
            matches!(error, MachineTableError::RepeatedPlace { .. }),
            "{error}"
        );
        let error = MachineTable::new(vec![
            machine("a", "10.0.0.4", None),
            machine("a", "10.0.0.5", None),
        ])
        .unwrap_err();
        assert!(matches!(error, MachineTableError::RepeatedId(_)), "{error}");
    }

    #[test]
    fn audit_that_has_ended_is_enforce_and_an_end_that_is_no_time_is_refused() {
        let item = |until: &str| AuthorizationItem {
            mode: "audit".to_owned(),
            audit_until: Some(until.to_owned()),
            ..AuthorizationItem::default()
        };
        let mut machine = machine("a", "10.0.0.4", None);
        let protection = Protection::try_from(item("1970-01-01T00:00:10Z")).unwrap();
        machine.channel = Channel::Rules {
            imds: Some(Box::new(protection)),
            wire_server: None,
        };
        for (second, mode) in [(9, Mode::Audit), (10, Mode::Enforce)] {
            let now = Timestamp::new(second, 0).unwrap();
            assert_eq!(machine.mode(EndpointKind::Imds, now), mode);
            assert_eq!(machine.mode(EndpointKind::HostGa, now), Mode::Disabled);
        }
        assert!(Protection::try_from(item("tomorrow")).is_err());
    }

    #[test]
    fn version_one_states_stand_for_modes() {
        let mut machine = machine("a", "10.0.0.4", None);
        for (state, imds, wire_server) in [
            (ChannelState::Disabled, Mode::Disabled, Mode::Disabled),
            (ChannelState::WireServer, Mode::Audit, Mode::Enforce),
            (
                ChannelState::WireServerAndImds,
                Mode::Enforce,
                Mode::Enforce,
            ),
        ] {
            machine.channel = Channel::State(state);
            assert_eq!(
                machine.mode(EndpointKind::Imds, Timestamp::UNIX_EPOCH),
                imds
            );
            assert_eq!(
                machine.mode(EndpointKind::WireServer, Timestamp::UNIX_EPOCH),
                wire_server
            );
            assert_eq!(
                machine.mode(EndpointKind::HostGa, Timestamp::UNIX_EPOCH),
                wire_server
            );
        }
    }

    #[test]
    fn machine_ids_are_plain_words() {
        assert!(MachineId::parse("vm-1.a_b").is_ok());
        for text in ["", "a b", "a/b", "é", &"a".repeat(129)] {
            assert!(MachineId::parse(text).is_err(), "{text}");
        }
    }
}
