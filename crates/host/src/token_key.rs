//! The key of the token issuer on disk: made once, readable by its owner alone, never replaced.

use std::io;
use std::path::{Path, PathBuf};

use latchkey_gateway::emulator::token::{TokenError, TokenIssuer, generate_key};

use crate::secret_file;

const FILE_NAME: &str = "token-key.pem";

/// Why there is no issuer.
#[derive(Debug, thiserror::Error)]
pub enum TokenKeyError {
    /// The file cannot be read or made.
    #[error("cannot read or make the token key `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The key cannot be made or used.
    #[error("cannot use the token key `{}`", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: TokenError,
    },
}

/// Returns an issuer with the key of the state folder, which is made if it is not there.
///
/// # Errors
/// When there is a file that is no usable key, or none can be made.
pub fn issuer(state_dir: &Path, url: &str) -> Result<TokenIssuer, TokenKeyError> {
    let path = state_dir.join(FILE_NAME);
    let at_key = |source| TokenKeyError::Key {
        path: path.clone(),
        source,
    };
    let at_file = |source| TokenKeyError::File {
        path: path.clone(),
        source,
    };
    let pem = secret_file::read_or_make(&path, at_file, || generate_key().map_err(at_key))?;
    TokenIssuer::new(url, &pem).map_err(at_key)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn key_survives_a_restart_and_is_readable_by_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let first = issuer(folder.path(), "http://127.0.0.1:1")
            .unwrap()
            .key_set();
        let second = issuer(folder.path(), "http://127.0.0.1:1")
            .unwrap()
            .key_set();
        assert_eq!(first, second);
        let path = folder.path().join(FILE_NAME);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn damaged_key_is_an_error_and_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        std::fs::write(&path, "-----BEGIN").unwrap();
        assert!(matches!(
            issuer(folder.path(), "http://x"),
            Err(TokenKeyError::Key { .. })
        ));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "-----BEGIN");
    }
}
