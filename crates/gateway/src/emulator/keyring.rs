//! The certificates that the host makes for machines whose owner gave none: one for each name, kept while the process runs.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::certificate::{CertificateError, CertifiedKey};
use crate::facts::goal_state::MachineCertificate;
use crate::machine::{Machine, MachineId};

/// The certificates that were made.
#[derive(Debug, Default)]
pub(super) struct Keyring(Mutex<HashMap<(MachineId, String), Arc<CertifiedKey>>>);

impl Keyring {
    /// Returns a machine's certificate: the given one, or one that is made now or was before.
    ///
    /// # Errors
    /// When none can be made.
    pub(super) fn certificate(
        &self,
        machine: &Machine,
        certificate: &MachineCertificate,
    ) -> Result<Arc<CertifiedKey>, CertificateError> {
        if let Some(given) = &certificate.given {
            return Ok(Arc::clone(given));
        }
        let owner = (machine.id.clone(), certificate.name.clone());
        if let Some(made) = self.lock().get(&owner) {
            return Ok(Arc::clone(made));
        }
        // Made outside the lock: it takes a while. Of two that are made at once the first stays.
        let made = Arc::new(CertifiedKey::self_signed(&certificate.name)?);
        Ok(Arc::clone(self.lock().entry(owner).or_insert(made)))
    }

    /// Forgets the certificates of all machines but these.
    pub(super) fn keep(&self, machines: &HashSet<&MachineId>) {
        self.lock().retain(|(id, _), _| machines.contains(id));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(MachineId, String), Arc<CertifiedKey>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::tests::machine;

    #[test]
    fn certificate_is_made_once_for_each_machine_and_name() {
        let keyring = Keyring::default();
        let one = machine("one", "10.0.0.1", None);
        let named = |name: &str| MachineCertificate {
            name: name.to_owned(),
            given: None,
        };
        let first = keyring.certificate(&one, &named("a")).unwrap();
        assert_eq!(keyring.certificate(&one, &named("a")).unwrap(), first);
        assert_ne!(keyring.certificate(&one, &named("b")).unwrap(), first);
        keyring.keep(&HashSet::from([&one.id]));
        assert_eq!(keyring.lock().len(), 2);
        keyring.keep(&HashSet::new());
        assert!(keyring.lock().is_empty());
    }
}
