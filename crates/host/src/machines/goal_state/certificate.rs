//! A certificate of a machine file: PEM in the file or beside it, or one that the host makes.

use std::error::Error as _;
use std::path::Path;
use std::sync::Arc;

use latchkey_gateway::certificate::CertifiedKey;
use latchkey_gateway::facts::goal_state::MachineCertificate;
use latchkey_gateway::redacted::Redacted;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::super::profile::beside;
use super::super::sources::{SourceError, Sources};

/// What every part of PEM begins with, and no path holds. Some programs write text before it.
const PEM: &str = "-----BEGIN ";

/// One certificate.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CertificateSection {
    /// Names it in this file; the subject of a certificate that the host makes.
    name: String,
    /// PEM, or the path of a PEM file relative to this one. Without, the host makes a certificate
    /// and keeps it while it runs.
    certificate: Option<String>,
    /// The RSA private key: PEM, or the path of a PEM file. Needed with `certificate`.
    private_key: Option<Redacted<String>>,
}

impl CertificateSection {
    /// Returns the certificate's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the certificate, read from its files.
    pub(super) fn resolve(
        &self,
        machine_file: &Path,
        sources: &mut Sources,
    ) -> Result<MachineCertificate, String> {
        let name = &self.name;
        if name.trim().is_empty() {
            return Err("a certificate has no name".to_owned());
        }
        let given = match (&self.certificate, &self.private_key) {
            (None, None) => None,
            (Some(certificate), Some(Redacted(key))) => {
                let certificate = pem(certificate, machine_file, sources).map_err(|error| {
                    format!("certificate `{name}`: cannot read `{certificate}`: {error}")
                })?;
                // SECURITY: not what stands there: it may be a key without the lines of PEM.
                let key = pem(key, machine_file, sources).map_err(|error| {
                    format!(
                        "certificate `{name}`: cannot read the file of the private key: {error}"
                    )
                })?;
                let read = CertifiedKey::from_pem(&certificate, &key);
                Some(Arc::new(read.map_err(|error| match error.source() {
                    Some(source) => format!("certificate `{name}`: {error}: {source}"),
                    None => format!("certificate `{name}`: {error}"),
                })?))
            }
            _ => {
                return Err(format!(
                    "certificate `{name}` needs both `certificate` and `private_key`, or neither"
                ));
            }
        };
        Ok(MachineCertificate {
            name: name.clone(),
            given,
        })
    }
}

fn pem(
    text: &str,
    machine_file: &Path,
    sources: &mut Sources,
) -> Result<Zeroizing<String>, SourceError> {
    if text.contains(PEM) {
        return Ok(Zeroizing::new(text.to_owned()));
    }
    sources
        .text(&beside(machine_file, text))
        .map(Zeroizing::new)
}
