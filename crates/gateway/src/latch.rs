//! The key of one machine: issued, attested, latched, replaced only when its owner asks.
//!
//! A pure state machine: no clock, no store, no lock. Whoever calls, and in whatever
//! order: at most one key is latched, and once one is, only a raised incarnation lets
//! another take its place.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use latchkey_protocol::latch::IssuedKey;
use latchkey_protocol::{KeyId, Reason};

/// How long a replaced key still verifies, for requests that were on their way.
pub const PREVIOUS_KEY_GRACE: Duration = Duration::from_secs(10);
/// How many issued keys may wait for their attestation; the oldest gives way.
pub const MAX_PENDING_KEYS: usize = 4;
/// How long an issued key may wait for its attestation.
pub const PENDING_KEY_LIFETIME: Duration = Duration::from_secs(300);

/// A key and the owner's count of key resets at the time of its issue.
#[derive(Debug)]
pub struct MachineKey {
    incarnation: u32,
    issued: IssuedKey,
}

/// The key document does not say for which incarnation the key was issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key document has no incarnation")]
pub struct NoIncarnationError;

impl TryFrom<IssuedKey> for MachineKey {
    type Error = NoIncarnationError;

    fn try_from(issued: IssuedKey) -> Result<Self, NoIncarnationError> {
        let incarnation = issued.incarnation.ok_or(NoIncarnationError)?;
        Ok(Self {
            incarnation,
            issued,
        })
    }
}

impl MachineKey {
    /// Returns the count of key resets that this key was issued for.
    #[must_use]
    pub const fn incarnation(&self) -> u32 {
        self.incarnation
    }

    /// Returns the key as it is issued and stored.
    #[must_use]
    pub const fn issued(&self) -> &IssuedKey {
        &self.issued
    }

    /// Returns the key's identifier.
    #[must_use]
    pub const fn id(&self) -> &KeyId {
        self.issued.key.id()
    }
}

/// What a guest is told about its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Announcement {
    /// This key is latched, for this incarnation.
    Latched(KeyId, u32),
    /// No key is latched, or the owner wants another: acquire one.
    Wanted,
}

/// The keys of one machine.
#[derive(Debug, Default)]
pub struct Latch {
    latched: Option<Arc<MachineKey>>,
    previous: Option<Expiring>,
    pending: VecDeque<Expiring>,
}

#[derive(Debug)]
struct Expiring {
    key: Arc<MachineKey>,
    until: Instant,
}

impl Latch {
    /// Continues with the key that was latched before a restart, if there was one.
    #[must_use]
    pub fn with_latched(latched: Option<MachineKey>) -> Self {
        Self {
            latched: latched.map(Arc::new),
            ..Self::default()
        }
    }

    /// Returns what the status call announces while the owner's count is `incarnation`.
    #[must_use]
    pub fn announce(&self, incarnation: u32) -> Announcement {
        match &self.latched {
            Some(key) if key.incarnation >= incarnation => {
                Announcement::Latched(key.id().clone(), key.incarnation)
            }
            Some(_) | None => Announcement::Wanted,
        }
    }

    /// Returns the latched key's id and the incarnation it was issued for.
    #[must_use]
    pub fn latched(&self) -> Option<(KeyId, u32)> {
        self.latched
            .as_ref()
            .map(|key| (key.id().clone(), key.incarnation))
    }

    /// Returns whether a key may be issued while the owner's count is `incarnation`.
    ///
    /// # Errors
    /// [`Reason::KeyLatched`] while a key of this or a later incarnation is latched.
    pub fn check_issue(&self, incarnation: u32) -> Result<(), Reason> {
        match self.announce(incarnation) {
            Announcement::Wanted => Ok(()),
            Announcement::Latched(..) => Err(Reason::KeyLatched),
        }
    }

    /// Remembers an issued key until it is attested, displaced or expired.
    ///
    /// # Errors
    /// [`Reason::KeyLatched`] when another key of its incarnation is latched by now.
    pub fn remember(&mut self, key: Arc<MachineKey>, now: Instant) -> Result<(), Reason> {
        self.check_issue(key.incarnation)?;
        self.expire(now);
        if self.pending.len() >= MAX_PENDING_KEYS {
            self.pending.pop_front();
        }
        self.pending.push_back(Expiring {
            key,
            until: now + PENDING_KEY_LIFETIME,
        });
        Ok(())
    }

    /// Returns the key with this id that an attestation may name: pending, or latched already.
    pub fn candidate(&mut self, id: &KeyId, now: Instant) -> Option<Candidate> {
        self.expire(now);
        if let Some(latched) = self.latched.as_ref().filter(|key| key.id() == id) {
            return Some(Candidate::Latched(Arc::clone(latched)));
        }
        let pending = self.pending.iter().find(|pending| pending.key.id() == id)?;
        Some(Candidate::Pending(Arc::clone(&pending.key)))
    }

    /// Latches a key whose attestation was verified and which the store holds. The replaced key
    /// verifies a little longer; keys that still wait can no longer be latched.
    pub fn latch(&mut self, key: Arc<MachineKey>, now: Instant) {
        let replaced = self.latched.replace(key);
        self.previous = replaced.map(|key| Expiring {
            key,
            until: now + PREVIOUS_KEY_GRACE,
        });
        self.pending.clear();
    }

    /// Returns the key with this id if requests that it signed are accepted.
    #[must_use]
    pub fn accepted(&self, id: &KeyId, now: Instant) -> Option<Arc<MachineKey>> {
        let previous = self
            .previous
            .as_ref()
            .filter(|previous| now < previous.until);
        self.latched
            .iter()
            .chain(previous.map(|previous| &previous.key))
            .find(|key| key.id() == id)
            .map(Arc::clone)
    }

    fn expire(&mut self, now: Instant) {
        self.pending.retain(|pending| now < pending.until);
        self.previous.take_if(|previous| now >= previous.until);
    }
}

/// A key that an attestation names.
#[derive(Clone, Debug)]
pub enum Candidate {
    /// It is latched; attesting it again changes nothing.
    Latched(Arc<MachineKey>),
    /// It waits to be latched.
    Pending(Arc<MachineKey>),
}

impl Candidate {
    /// Returns the key.
    #[must_use]
    pub const fn key(&self) -> &Arc<MachineKey> {
        match self {
            Self::Latched(key) | Self::Pending(key) => key,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use latchkey_protocol::SigningKey;
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn key(serial: u128, incarnation: u32) -> Arc<MachineKey> {
        let id = KeyId::parse(&uuid::Uuid::from_u128(serial + 1).to_string()).unwrap();
        let key = SigningKey::from_hex(id, &"ab".repeat(32)).unwrap();
        let issued = IssuedKey {
            key,
            incarnation: Some(incarnation),
            issued: String::new(),
        };
        Arc::new(MachineKey::try_from(issued).unwrap())
    }

    fn latched_id(latch: &Latch) -> Option<KeyId> {
        latch.latched.as_ref().map(|key| key.id().clone())
    }

    #[test]
    fn latched_key_is_not_replaced_without_a_raised_incarnation() {
        let (mut latch, now) = (Latch::default(), Instant::now());
        latch.remember(key(1, 1), now).unwrap();
        latch.latch(key(1, 1), now);
        assert_eq!(latch.check_issue(1), Err(Reason::KeyLatched));
        assert_eq!(latch.check_issue(0), Err(Reason::KeyLatched));
        assert_eq!(latch.remember(key(2, 1), now), Err(Reason::KeyLatched));
        assert_eq!(
            latch.announce(1),
            Announcement::Latched(key(1, 1).id().clone(), 1)
        );
    }

    #[test]
    fn raised_incarnation_asks_for_one_key_and_the_old_one_verifies_until_then() {
        let (mut latch, now) = (Latch::with_latched(None), Instant::now());
        latch.latch(key(1, 1), now);
        assert_eq!(latch.announce(2), Announcement::Wanted);
        latch.remember(key(2, 2), now).unwrap();
        assert!(latch.accepted(key(1, 1).id(), now).is_some());
        assert!(
            latch.accepted(key(2, 2).id(), now).is_none(),
            "a pending key signs nothing"
        );
        latch.latch(key(2, 2), now);
        assert_eq!(latch.check_issue(2), Err(Reason::KeyLatched));
        assert!(latch.accepted(key(1, 1).id(), now).is_some());
        assert!(
            latch
                .accepted(key(1, 1).id(), now + PREVIOUS_KEY_GRACE)
                .is_none()
        );
        assert!(
            latch
                .accepted(key(2, 2).id(), now + PREVIOUS_KEY_GRACE)
                .is_some()
        );
    }

    #[test]
    fn key_that_lost_the_race_cannot_be_latched_any_more() {
        let (mut latch, now) = (Latch::default(), Instant::now());
        latch.remember(key(1, 1), now).unwrap();
        latch.remember(key(2, 1), now).unwrap();
        latch.latch(key(1, 1), now);
        assert!(latch.candidate(key(2, 1).id(), now).is_none());
        assert!(matches!(
            latch.candidate(key(1, 1).id(), now),
            Some(Candidate::Latched(_))
        ));
    }

    #[test]
    fn pending_keys_are_few_and_expire() {
        let (mut latch, now) = (Latch::default(), Instant::now());
        for serial in 0..=MAX_PENDING_KEYS as u128 {
            latch.remember(key(serial, 1), now).unwrap();
        }
        assert!(
            latch.candidate(key(0, 1).id(), now).is_none(),
            "the oldest gave way"
        );
        assert!(latch.candidate(key(1, 1).id(), now).is_some());
        assert!(
            latch
                .candidate(key(1, 1).id(), now + PENDING_KEY_LIFETIME)
                .is_none()
        );
    }

    #[derive(Clone, Debug)]
    enum Call {
        Issue,
        Attest(usize),
        Raise,
        Wait(u64),
    }

    fn call() -> impl Strategy<Value = Call> {
        prop_oneof![
            4 => Just(Call::Issue),
            4 => (0usize..12).prop_map(Call::Attest),
            1 => Just(Call::Raise),
            1 => (0u64..400).prop_map(Call::Wait),
        ]
    }

    proptest! {
        #[test]
        fn after_any_calls_a_latched_key_gave_way_only_to_a_raised_incarnation(
            calls in prop::collection::vec(call(), 0..60)
        ) {
            let (mut latch, mut now, mut owner) = (Latch::default(), Instant::now(), 1);
            let mut issued: Vec<Arc<MachineKey>> = Vec::new();
            let mut latched_for = None;
            for call in calls {
                let before = latched_id(&latch);
                match call {
                    Call::Issue => {
                        let fresh = key(issued.len() as u128, owner);
                        if latch.remember(Arc::clone(&fresh), now).is_ok() {
                            issued.push(fresh);
                        }
                    }
                    Call::Attest(which) => {
                        let named = issued.len().checked_sub(1).map(|last| issued[which.min(last)].id());
                        if let Some(Candidate::Pending(key)) = named.and_then(|id| latch.candidate(id, now)) {
                            latch.latch(key, now);
                        }
                    }
                    Call::Raise => owner += 1,
                    Call::Wait(seconds) => now += Duration::from_secs(seconds),
                }
                let after = latched_id(&latch);
                if after != before {
                    let incarnation = latch.latched.as_ref().unwrap().incarnation();
                    prop_assert!(latched_for < Some(incarnation), "replaced within one incarnation");
                    latched_for = Some(incarnation);
                }
                prop_assert!(after.is_some() || before.is_none(), "a latched key vanished");
                prop_assert!(latch.pending.len() <= MAX_PENDING_KEYS);
                let accepted = issued.iter().filter(|key| latch.accepted(key.id(), now).is_some()).count();
                prop_assert!(accepted <= 2);
            }
        }
    }
}
