//! The keys of all machines: loaded once, issued at random, latched only after the store holds them.
//!
//! A machine whose stored key cannot be read gets no answer that depends on it; nothing is
//! latched that would be forgotten by a restart.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use jiff::Timestamp;
use latchkey_protocol::latch::IssuedKey;
use latchkey_protocol::{KeyId, Reason, SigningKey};
use tokio::sync::{Mutex as AsyncMutex, OnceCell};
use zeroize::Zeroizing;

use crate::key_store::{KeyStore, KeyStoreError};
use crate::latch::{Announcement, Candidate, Latch, MachineKey, NoIncarnationError};
use crate::machine::{Machine, MachineId};

const KEY_BYTES: usize = 32;

/// Why a call about a key failed.
#[derive(Debug, thiserror::Error)]
pub enum KeyServiceError {
    /// The call is refused.
    #[error("the call is refused: {0}")]
    Refused(Reason),
    /// The store failed; the state of the latch is as before.
    #[error(transparent)]
    Store(#[from] KeyStoreError),
    /// The system gave no random bytes.
    #[error("the system's random number generator failed")]
    Random(#[source] getrandom::Error),
    /// A key that was just made is not usable.
    #[error("BUG: a fresh key is not usable")]
    FreshKey(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store's thread ended without an answer.
    #[error("the key store did not answer")]
    Abandoned(#[source] tokio::task::JoinError),
}

impl From<Reason> for KeyServiceError {
    fn from(reason: Reason) -> Self {
        Self::Refused(reason)
    }
}

/// Issues, latches and finds keys.
pub struct KeyService {
    store: Arc<dyn KeyStore>,
    slots: Mutex<HashMap<MachineId, Arc<Slot>>>,
    decoy: SigningKey,
}

impl fmt::Debug for KeyService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyService").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Slot {
    latch: OnceCell<Mutex<Latch>>,
    /// Held from the look at a pending key to its latching, so that two cannot win.
    latching: AsyncMutex<()>,
}

impl KeyService {
    /// Makes a service over a store.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn new(store: Arc<dyn KeyStore>) -> Result<Self, KeyServiceError> {
        Ok(Self {
            store,
            slots: Mutex::default(),
            decoy: mint()?,
        })
    }

    /// Returns a key that nobody holds: what names an unknown key is checked against it, so that
    /// it takes the time of a known one.
    #[must_use]
    pub const fn decoy(&self) -> &SigningKey {
        &self.decoy
    }

    /// Returns what the status call announces.
    ///
    /// # Errors
    /// When the store cannot tell.
    pub async fn announce(&self, machine: &Machine) -> Result<Announcement, KeyServiceError> {
        let slot = self.slot(&machine.id).await?;
        Ok(latch_of(&slot)?.announce(machine.key_incarnation))
    }

    /// Returns the latched key's id and the incarnation it was issued for.
    ///
    /// # Errors
    /// When the store cannot tell.
    pub async fn latched(
        &self,
        machine: &Machine,
    ) -> Result<Option<(KeyId, u32)>, KeyServiceError> {
        let slot = self.slot(&machine.id).await?;
        Ok(latch_of(&slot)?.latched())
    }

    /// Issues a fresh key, which is of no use until it is attested.
    ///
    /// # Errors
    /// [`Reason::KeyLatched`] while a key of the machine's incarnation is latched.
    pub async fn issue(
        &self,
        machine: &Machine,
        now: Timestamp,
    ) -> Result<Arc<MachineKey>, KeyServiceError> {
        let slot = self.slot(&machine.id).await?;
        let mut latch = latch_of(&slot)?;
        latch.check_issue(machine.key_incarnation)?;
        let issued = IssuedKey {
            key: mint()?,
            incarnation: Some(machine.key_incarnation),
            issued: now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        };
        let key = MachineKey::try_from(issued).map_err(fresh::<NoIncarnationError>)?;
        let key = Arc::new(key);
        latch.remember(Arc::clone(&key), Instant::now())?;
        Ok(key)
    }

    /// Latches the key named `id` if `proof` accepts it; `proof` gets the key, or the decoy and
    /// `false`. Returns the latched key and whether it was latched before.
    ///
    /// # Errors
    /// When `proof` refuses, or the store does not hold the key; then nothing is latched.
    pub async fn attest(
        &self,
        machine: &Machine,
        id: &KeyId,
        proof: impl FnOnce(&SigningKey, KeyKnown) -> Result<(), Reason> + Send,
    ) -> Result<Candidate, KeyServiceError> {
        let slot = self.slot(&machine.id).await?;
        let latching = slot.latching.lock().await;
        let candidate = latch_of(&slot)?.candidate(id, Instant::now());
        let Some(candidate) = candidate else {
            proof(&self.decoy, KeyKnown::No)?;
            return Err(Reason::UnknownKey.into());
        };
        proof(&candidate.key().issued().key, KeyKnown::Known)?;
        if let Candidate::Pending(key) = &candidate {
            // The owner may have taken back the raise that this key was issued for.
            latch_of(&slot)?.check_issue(machine.key_incarnation)?;
            self.save(&machine.id, key).await?;
            latch_of(&slot)?.latch(Arc::clone(key), Instant::now());
        }
        drop(latching);
        Ok(candidate)
    }

    /// Returns the key named `id` if requests that it signed are accepted.
    ///
    /// # Errors
    /// When the store cannot tell.
    pub async fn accepted(
        &self,
        machine: &Machine,
        id: &KeyId,
    ) -> Result<Option<Arc<MachineKey>>, KeyServiceError> {
        let slot = self.slot(&machine.id).await?;
        Ok(latch_of(&slot)?.accepted(id, Instant::now()))
    }

    async fn slot(&self, machine: &MachineId) -> Result<Arc<Slot>, KeyServiceError> {
        let slot = {
            let mut slots = unpoisoned(&self.slots);
            match slots.get(machine) {
                Some(slot) => Arc::clone(slot),
                None => Arc::clone(slots.entry(machine.clone()).or_default()),
            }
        };
        slot.latch.get_or_try_init(|| self.load(machine)).await?;
        Ok(slot)
    }

    async fn load(&self, machine: &MachineId) -> Result<Mutex<Latch>, KeyServiceError> {
        let (store, machine) = (Arc::clone(&self.store), machine.clone());
        let latched = on_store_thread(move || store.load(&machine)).await?;
        Ok(Mutex::new(Latch::with_latched(latched)))
    }

    async fn save(
        &self,
        machine: &MachineId,
        key: &Arc<MachineKey>,
    ) -> Result<(), KeyServiceError> {
        let (store, machine, key) = (Arc::clone(&self.store), machine.clone(), Arc::clone(key));
        on_store_thread(move || store.save(&machine, &key)).await
    }
}

/// Whether the key that a caller named is one of the machine's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKnown {
    /// It is not: the proof is checked against the decoy and fails.
    No,
    /// It is.
    Known,
}

/// Runs a blocking call of the store where blocking is allowed.
async fn on_store_thread<T: Send + 'static>(
    call: impl FnOnce() -> Result<T, KeyStoreError> + Send + 'static,
) -> Result<T, KeyServiceError> {
    match tokio::task::spawn_blocking(call).await {
        Ok(result) => Ok(result?),
        Err(error) => Err(KeyServiceError::Abandoned(error)),
    }
}

/// Returns the loaded latch of a slot. A slot is given out only when it is loaded.
fn latch_of(slot: &Slot) -> Result<MutexGuard<'_, Latch>, KeyServiceError> {
    match slot.latch.get() {
        Some(latch) => Ok(unpoisoned(latch)),
        None => Err(Reason::InternalError.into()),
    }
}

/// A thread that panicked left each value whole: every change is one assignment.
fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a random 256-bit key under a fresh GUID.
fn mint() -> Result<SigningKey, KeyServiceError> {
    let mut secret = Zeroizing::new(vec![0; KEY_BYTES]);
    getrandom::fill(&mut secret).map_err(KeyServiceError::Random)?;
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(KeyServiceError::Random)?;
    let id = uuid::Builder::from_random_bytes(id).into_uuid().to_string();
    let id = KeyId::parse(&id).map_err(fresh)?;
    SigningKey::from_bytes(id, secret).map_err(fresh)
}

fn fresh<E: std::error::Error + Send + Sync + 'static>(error: E) -> KeyServiceError {
    KeyServiceError::FreshKey(Box::new(error))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::machine::tests::machine;

    /// Keeps keys as documents, and fails when told to.
    #[derive(Default)]
    struct MemoryStore {
        keys: Mutex<HashMap<MachineId, Zeroizing<String>>>,
        fails: AtomicBool,
    }

    impl KeyStore for MemoryStore {
        fn load(&self, machine: &MachineId) -> Result<Option<MachineKey>, KeyStoreError> {
            if self.fails.load(Ordering::Relaxed) {
                return Err(KeyStoreError::Load {
                    machine: machine.clone(),
                    source: "disk".into(),
                });
            }
            let keys = self.keys.lock().unwrap();
            Ok(keys.get(machine).map(|text| {
                MachineKey::try_from(IssuedKey::parse(text.as_bytes()).unwrap()).unwrap()
            }))
        }

        fn save(&self, machine: &MachineId, key: &MachineKey) -> Result<(), KeyStoreError> {
            if self.fails.load(Ordering::Relaxed) {
                return Err(KeyStoreError::Save {
                    machine: machine.clone(),
                    source: "disk".into(),
                });
            }
            self.keys
                .lock()
                .unwrap()
                .insert(machine.clone(), key.issued().to_json());
            Ok(())
        }
    }

    async fn latch_one(service: &KeyService, machine: &Machine) -> KeyId {
        let key = service.issue(machine, Timestamp::UNIX_EPOCH).await.unwrap();
        service
            .attest(machine, key.id(), |_, _| Ok(()))
            .await
            .unwrap();
        key.id().clone()
    }

    #[tokio::test]
    async fn issued_keys_are_256_bit_upper_case_and_all_different() {
        let service = KeyService::new(Arc::new(MemoryStore::default())).unwrap();
        let machine = machine("a", "10.0.0.4", None);
        let first = service
            .issue(&machine, Timestamp::UNIX_EPOCH)
            .await
            .unwrap();
        let second = service
            .issue(&machine, Timestamp::UNIX_EPOCH)
            .await
            .unwrap();
        let (one, two) = (
            first.issued().key.expose_hex(),
            second.issued().key.expose_hex(),
        );
        assert!(one.len() == 64 && one.bytes().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F')));
        assert_ne!(*one, *two);
        assert_ne!(first.id(), second.id());
        assert_eq!(first.id().as_str(), first.id().as_str().to_lowercase());
    }

    #[tokio::test]
    async fn key_issued_for_a_raise_that_was_taken_back_is_not_latched() {
        let service = KeyService::new(Arc::new(MemoryStore::default())).unwrap();
        let mut machine = machine("a", "10.0.0.4", None);
        let latched = latch_one(&service, &machine).await;
        machine.key_incarnation += 1;
        let key = service
            .issue(&machine, Timestamp::UNIX_EPOCH)
            .await
            .unwrap();
        machine.key_incarnation -= 1;
        let refused = service.attest(&machine, key.id(), |_, _| Ok(())).await;
        assert!(matches!(
            refused,
            Err(KeyServiceError::Refused(Reason::KeyLatched))
        ));
        assert_eq!(service.latched(&machine).await.unwrap(), Some((latched, 1)));
    }

    #[tokio::test]
    async fn key_that_the_store_does_not_hold_is_not_latched() {
        let store = Arc::new(MemoryStore::default());
        let service = KeyService::new(Arc::<MemoryStore>::clone(&store)).unwrap();
        let machine = machine("a", "10.0.0.4", None);
        let key = service
            .issue(&machine, Timestamp::UNIX_EPOCH)
            .await
            .unwrap();
        store.fails.store(true, Ordering::Relaxed);
        let error = service
            .attest(&machine, key.id(), |_, _| Ok(()))
            .await
            .unwrap_err();
        assert!(
            matches!(error, KeyServiceError::Store(KeyStoreError::Save { .. })),
            "{error}"
        );
        assert_eq!(
            service.announce(&machine).await.unwrap(),
            Announcement::Wanted
        );
        assert!(
            service
                .accepted(&machine, key.id())
                .await
                .unwrap()
                .is_none()
        );
        store.fails.store(false, Ordering::Relaxed);
        service
            .attest(&machine, key.id(), |_, _| Ok(()))
            .await
            .unwrap();
        assert!(
            service
                .accepted(&machine, key.id())
                .await
                .unwrap()
                .is_some()
        );
    }

    #[tokio::test]
    async fn unreadable_store_is_not_taken_for_an_empty_one() {
        let store = Arc::new(MemoryStore::default());
        let machine = machine("a", "10.0.0.4", None);
        let service = KeyService::new(Arc::<MemoryStore>::clone(&store)).unwrap();
        let id = latch_one(&service, &machine).await;
        let restarted = KeyService::new(Arc::<MemoryStore>::clone(&store)).unwrap();
        store.fails.store(true, Ordering::Relaxed);
        assert!(
            restarted
                .issue(&machine, Timestamp::UNIX_EPOCH)
                .await
                .is_err()
        );
        assert!(restarted.announce(&machine).await.is_err());
        store.fails.store(false, Ordering::Relaxed);
        assert_eq!(
            restarted.announce(&machine).await.unwrap(),
            Announcement::Latched(id, 1)
        );
    }

    #[tokio::test]
    async fn unproven_key_is_not_latched() {
        let service = KeyService::new(Arc::new(MemoryStore::default())).unwrap();
        let machine = machine("a", "10.0.0.4", None);
        let key = service
            .issue(&machine, Timestamp::UNIX_EPOCH)
            .await
            .unwrap();
        let refused = service
            .attest(&machine, key.id(), |_, _| Err(Reason::SignatureMismatch))
            .await;
        assert!(matches!(
            refused,
            Err(KeyServiceError::Refused(Reason::SignatureMismatch))
        ));
        let unknown = KeyId::parse("9f1c0a52-5f7e-4a10-8a44-0d0c2f4d7b11").unwrap();
        let refused = service.attest(&machine, &unknown, |_, _| Ok(())).await;
        assert!(matches!(
            refused,
            Err(KeyServiceError::Refused(Reason::UnknownKey))
        ));
        assert_eq!(
            service.announce(&machine).await.unwrap(),
            Announcement::Wanted
        );
    }
}
