//! The goal state of one machine at this moment: what the `WireServer` and the `HostGAPlugin` both tell.

use std::collections::HashSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use uuid::Uuid;

use super::incarnation::{Incarnation, Incarnations};
use super::keyring::Keyring;
use crate::certificate::{CertificateError, CertifiedKey};
use crate::envelope::{ContentCipher, EnvelopeError, Recipient};
use crate::facts::goal_state::{GoalState, ProtectedSettings};
use crate::machine::{Machine, MachineId, MachineTable};

/// What the goal states of all machines are made of, besides the machines themselves.
#[derive(Debug, Default)]
pub(super) struct GoalStates {
    incarnations: Incarnations,
    keyring: Keyring,
}

/// One machine's goal state.
pub(super) struct Present<'a> {
    /// The machine.
    pub(super) machine: &'a Machine,
    /// Its incarnation.
    pub(super) incarnation: Incarnation,
    /// The names that documents know it by.
    pub(super) names: Names,
    keyring: &'a Keyring,
}

/// Why a goal state cannot be told.
#[derive(Debug, thiserror::Error)]
pub(super) enum GoalStateError {
    #[error("no certificate of the machine is named `{0}`")]
    UnknownCertificate(String),
    #[error("the machine's certificate cannot be made")]
    Certificate(#[from] CertificateError),
    #[error("the goal state cannot be encrypted")]
    Envelope(#[from] EnvelopeError),
    #[error("the machine's certificates have no PKCS #12 form")]
    Pkcs12(#[from] p12_keystore::error::Error),
}

/// Protected settings as they travel.
pub(super) struct Sealed {
    /// Names the certificate that they are encrypted to.
    pub(super) thumbprint: String,
    /// CMS in base64.
    pub(super) text: String,
}

impl GoalStates {
    /// Returns what a machine is told now.
    pub(super) fn of<'a>(&'a self, machine: &'a Machine, now: Timestamp) -> Present<'a> {
        let incarnation = self.incarnations.of(machine, now);
        Present {
            machine,
            incarnation,
            names: Names::new(machine, incarnation.number),
            keyring: &self.keyring,
        }
    }

    /// Forgets all machines but these.
    pub(super) fn keep(&self, machines: &HashSet<&MachineId>) {
        self.incarnations.keep(machines);
        self.keyring.keep(machines);
    }

    /// Makes the certificates that are not there yet and counts what has changed.
    ///
    /// # Errors
    /// When a certificate cannot be made.
    pub(super) fn prepare(
        &self,
        table: &MachineTable,
        now: Timestamp,
    ) -> Result<(), CertificateError> {
        for machine in table.as_slice() {
            self.of(machine, now).certificates()?;
        }
        Ok(())
    }
}

impl Present<'_> {
    /// Returns what the machine's owner decides.
    pub(super) const fn owned(&self) -> &GoalState {
        &self.machine.facts.goal_state
    }

    /// Returns the machine's certificates.
    ///
    /// # Errors
    /// When one has to be made and cannot be.
    pub(super) fn certificates(&self) -> Result<Vec<Arc<CertifiedKey>>, CertificateError> {
        let certificates = self.owned().certificates.iter();
        certificates
            .map(|certificate| self.keyring.certificate(self.machine, certificate))
            .collect()
    }

    /// Encrypts settings of an extension to the certificate that they name.
    ///
    /// # Errors
    /// When there is no such certificate, or none can be made.
    pub(super) fn seal(&self, settings: &ProtectedSettings) -> Result<Sealed, GoalStateError> {
        let named = |name: &str| name == settings.certificate;
        let certificate = self.owned().certificates.iter();
        let certificate = certificate
            .into_iter()
            .find(|certificate| named(&certificate.name))
            .ok_or_else(|| GoalStateError::UnknownCertificate(settings.certificate.clone()))?;
        let certificate = self.keyring.certificate(self.machine, certificate)?;
        let text = zeroize::Zeroizing::new(settings.value.0.to_string());
        let sealed = Recipient::from_der(certificate.certificate())?
            .seal(text.as_bytes(), ContentCipher::Aes128Cbc)?;
        Ok(Sealed {
            thumbprint: certificate.thumbprint(),
            text: STANDARD.encode(sealed),
        })
    }
}

/// The names that the documents know a machine by; all but the role's are safe in XML and in a path.
pub(super) struct Names {
    /// The machine's unique id.
    pub(super) container: Uuid,
    /// The role's instance.
    pub(super) instance: String,
    /// The resource's name.
    pub(super) role: String,
    /// The subscription.
    pub(super) deployment: Uuid,
    /// The configuration; begins with the deployment and the incarnation, as agents expect.
    pub(super) configuration: String,
}

impl Names {
    fn new(machine: &Machine, incarnation: u32) -> Self {
        let facts = &machine.facts;
        let instance = format!("_{}", facts.name.replace(|c| !is_path_safe(c), "-"));
        let deployment = facts.subscription_id;
        Self {
            container: facts.vm_id,
            role: facts.name.clone(),
            configuration: format!(
                "{deployment}.{incarnation}.{deployment}.{incarnation}.{instance}.1.xml"
            ),
            deployment,
            instance,
        }
    }
}

const fn is_path_safe(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.')
}
