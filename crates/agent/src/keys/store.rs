//! The key folder: one file per key, in the deployed agent's form, readable by the agent's user alone.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use latchkey_protocol::KeyId;
use latchkey_protocol::latch::{IssuedKey, IssuedKeyError};

use crate::file::{self, FileError};

const MAX_KEY_FILE_BYTES: u64 = 16 * 1024;

/// The key folder.
#[derive(Debug)]
pub struct KeyFolder(PathBuf);

/// A key file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFolderError {
    /// The file or folder cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file holds no key, or another one than its name says.
    #[error("{path} does not hold the key that it is named after")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, if it is no key at all.
        #[source]
        source: Option<IssuedKeyError>,
    },
    /// The folder cannot be listed, or an old key not removed.
    #[error("tidy {path}")]
    Tidy {
        /// The folder or file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl KeyFolder {
    /// Makes the folder, or checks that it is private.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn open(path: PathBuf) -> Result<Self, KeyFolderError> {
        file::private_folder(&path)?;
        Ok(Self(path))
    }

    fn path(&self, id: &KeyId) -> PathBuf {
        self.0.join(format!("{id}.key"))
    }

    /// Writes a key durably and reads it back.
    ///
    /// # Errors
    /// When what was read back is not what was written.
    pub fn save(&self, key: &IssuedKey) -> Result<(), KeyFolderError> {
        let path = self.path(key.key.id());
        file::replace(&path, key.to_json().as_bytes())?;
        match self.load(key.key.id())? {
            Some(read) if *read.key.expose_hex() == *key.key.expose_hex() => Ok(()),
            _ => Err(KeyFolderError::Content { path, source: None }),
        }
    }

    /// Reads a key; nothing when there is no file for it.
    ///
    /// # Errors
    /// When there is one that cannot be trusted.
    pub fn load(&self, id: &KeyId) -> Result<Option<IssuedKey>, KeyFolderError> {
        let path = self.path(id);
        let Some(json) =
            file::read_private(&path, MAX_KEY_FILE_BYTES)?.map(zeroize::Zeroizing::new)
        else {
            return Ok(None);
        };
        match IssuedKey::parse(&json) {
            Ok(key) if key.key.id() == id => Ok(Some(key)),
            Ok(_) => Err(KeyFolderError::Content { path, source: None }),
            Err(source) => Err(KeyFolderError::Content {
                path,
                source: Some(source),
            }),
        }
    }

    /// Removes all key files but this key's, or simply all.
    ///
    /// # Errors
    /// When one cannot be removed.
    pub fn keep_only(&self, id: Option<&KeyId>) -> Result<(), KeyFolderError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| KeyFolderError::Tidy { path, source }
        };
        let kept = id.map(|id| self.path(id));
        for entry in fs::read_dir(&self.0).map_err(failed(&self.0))? {
            let path = entry.map_err(failed(&self.0))?.path();
            if Some(&path) != kept.as_ref()
                && path.extension().is_some_and(|extension| extension == "key")
            {
                fs::remove_file(&path).map_err(failed(&path))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use latchkey_protocol::SigningKey;

    use super::*;

    fn key(digit: &str) -> IssuedKey {
        let id = KeyId::parse(&format!("9f1c0a52-5f7e-4a10-8a44-0d0c2f4d7b1{digit}")).unwrap();
        let key = SigningKey::from_hex(id, &digit.repeat(64)).unwrap();
        IssuedKey {
            key,
            incarnation: Some(1),
            issued: "now".to_owned(),
        }
    }

    #[test]
    fn saved_key_is_loaded_and_older_ones_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let keys = KeyFolder::open(folder.path().join("keys")).unwrap();
        let (old, new) = (key("1"), key("2"));
        keys.save(&old).unwrap();
        keys.save(&new).unwrap();
        keys.keep_only(Some(new.key.id())).unwrap();
        assert!(keys.load(old.key.id()).unwrap().is_none());
        let loaded = keys.load(new.key.id()).unwrap().unwrap();
        assert_eq!(*loaded.key.expose_hex(), *new.key.expose_hex());
    }

    #[test]
    fn torn_or_renamed_key_file_is_never_used() {
        let folder = tempfile::tempdir().unwrap();
        let keys = KeyFolder::open(folder.path().to_owned()).unwrap();
        let (one, two) = (key("1"), key("2"));
        keys.save(&one).unwrap();
        fs::rename(keys.path(one.key.id()), keys.path(two.key.id())).unwrap();
        assert!(matches!(
            keys.load(two.key.id()),
            Err(KeyFolderError::Content { .. })
        ));
        keys.save(&one).unwrap();
        let text = one.to_json();
        file::replace(&keys.path(one.key.id()), &text.as_bytes()[..text.len() / 2]).unwrap();
        assert!(matches!(
            keys.load(one.key.id()),
            Err(KeyFolderError::Content { .. })
        ));
    }
}
