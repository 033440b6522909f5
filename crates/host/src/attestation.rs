//! The signer of attested documents on disk: made once with its authority, never replaced.

use std::io;
use std::path::{Path, PathBuf};

use latchkey_gateway::certificate::CertificateError;
use latchkey_gateway::emulator::attested::Attestor;

use crate::secret_file;

const FILE_NAME: &str = "attestation.pem";

/// Why there is no signer.
#[derive(Debug, thiserror::Error)]
pub enum AttestationError {
    /// The file cannot be read or made.
    #[error("cannot read or make the attestation key `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The key or a certificate cannot be made or used.
    #[error("cannot use the attestation key `{}`", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: CertificateError,
    },
}

/// Returns the signer of the state folder, which is made if it is not there.
///
/// # Errors
/// When there is a file that holds no usable signer, or none can be made.
pub fn attestor(state_dir: &Path) -> Result<Attestor, AttestationError> {
    let path = state_dir.join(FILE_NAME);
    let at_key = |source| AttestationError::Key {
        path: path.clone(),
        source,
    };
    let at_file = |source| AttestationError::File {
        path: path.clone(),
        source,
    };
    let make = || {
        Attestor::generate()
            .and_then(|made| made.to_pem())
            .map_err(at_key)
    };
    let pem = secret_file::read_or_make(&path, at_file, make)?;
    Attestor::from_pem(&pem).map_err(at_key)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn authority_survives_a_restart_and_the_key_is_readable_by_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let authority = || attestor(folder.path()).unwrap().authority_pem().unwrap();
        assert_eq!(authority(), authority());
        let path = folder.path().join(FILE_NAME);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn damaged_key_is_an_error_and_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        std::fs::write(&path, "-----BEGIN").unwrap();
        let error = attestor(folder.path()).unwrap_err();
        assert!(matches!(error, AttestationError::Key { .. }), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "-----BEGIN");
    }
}
