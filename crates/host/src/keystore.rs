//! Latched keys in `SQLite`: durable before a call returns, readable by root alone, one process at a time.
//!
//! A database that is damaged, read-only, of another schema or in use elsewhere is an
//! error at the start: an empty answer from it would let anyone latch a new key.

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use latchkey_gateway::key_store::StorageError;
use latchkey_gateway::{KeyStore, KeyStoreError, MachineId, MachineKey};
use latchkey_protocol::latch::IssuedKey;
use rusqlite::{Connection, MAIN_DB, OpenFlags, OptionalExtension as _, params};
use zeroize::Zeroizing;

/// The schema that this program writes.
const SCHEMA_VERSION: i64 = 1;
const FILE_NAME: &str = "keys.sqlite";
/// The permission bits by which group and others may replace the files of a folder.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Keeps latched keys in a `SQLite` database.
#[derive(Debug)]
pub struct SqliteKeyStore {
    connection: Mutex<Connection>,
}

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The state folder or the file cannot be made.
    #[error("cannot make the key database `{}`", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// `SQLite` cannot use the file.
    #[error("cannot use the key database `{}`: is it damaged, or is another host program running?", path.display())]
    Use {
        /// The file.
        path: PathBuf,
        /// What `SQLite` says.
        #[source]
        source: rusqlite::Error,
    },
    /// `SQLite` finds the file damaged.
    #[error("the key database `{}` is damaged: {report}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What `SQLite` found.
        report: String,
    },
    /// Others than the owner may replace the files of the state folder.
    #[error("the state folder `{}` has mode {mode:04o}: take the right to write from group and others, or they choose the keys", path.display())]
    Exposed {
        /// The folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file cannot be written.
    #[error("the key database `{}` is read-only", path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// The file is of another version of this program.
    #[error("the key database `{}` has schema {found}, and this program knows {SCHEMA_VERSION}", path.display())]
    UnknownSchema {
        /// The file.
        path: PathBuf,
        /// The version that it has.
        found: i64,
    },
}

impl SqliteKeyStore {
    /// Opens the database in a folder; makes folder and file where they are missing.
    ///
    /// # Errors
    /// When the database cannot be trusted to hold what it is given.
    pub fn open(state_dir: &Path) -> Result<Self, OpenError> {
        let path = state_dir.join(FILE_NAME);
        let creating = |source| OpenError::Create {
            path: path.clone(),
            source,
        };
        create_folder(state_dir).map_err(creating)?;
        let mode = state_dir.metadata().map_err(creating)?.permissions().mode() & 0o7777;
        if mode & WRITABLE_BY_OTHERS != 0 {
            return Err(OpenError::Exposed {
                path: state_dir.to_owned(),
                mode,
            });
        }
        create_file(&path).map_err(creating)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection =
            Connection::open_with_flags(&path, flags).map_err(|source| OpenError::Use {
                path: path.clone(),
                source,
            })?;
        Self::adopt(connection, &path)
    }

    fn adopt(connection: Connection, path: &Path) -> Result<Self, OpenError> {
        let using = |source| OpenError::Use {
            path: path.to_owned(),
            source,
        };
        if connection.is_readonly(MAIN_DB).map_err(using)? {
            return Err(OpenError::ReadOnly {
                path: path.to_owned(),
            });
        }
        configure(&connection).map_err(using)?;
        let report: String = connection
            .query_row("PRAGMA quick_check", [], |row| row.get(0))
            .map_err(using)?;
        if report != "ok" {
            return Err(OpenError::Damaged {
                path: path.to_owned(),
                report,
            });
        }
        match migrate(&connection).map_err(using)? {
            SCHEMA_VERSION => Ok(Self {
                connection: Mutex::new(connection),
            }),
            found => Err(OpenError::UnknownSchema {
                path: path.to_owned(),
                found,
            }),
        }
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A call that panicked left no transaction open: each call is one statement.
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the folder with no access for others. One that is there is the operator's and stays as it
/// is.
fn create_folder(state_dir: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(state_dir)
}

/// Makes the file with no access for others, also when it is there already.
fn create_file(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    // EXCLUSIVE: a second process that latches keys would leave this one with old ones.
    // secure_delete: a replaced key is overwritten, not only forgotten.
    connection.execute_batch(
        "PRAGMA locking_mode = EXCLUSIVE;
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA secure_delete = ON;
         PRAGMA trusted_schema = OFF;",
    )
}

/// Makes the schema in an empty database, and returns the version that the database has.
fn migrate(connection: &Connection) -> rusqlite::Result<i64> {
    connection.execute_batch(
        "BEGIN IMMEDIATE;
         CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL) STRICT;
         INSERT INTO schema_version SELECT 1 WHERE NOT EXISTS (SELECT * FROM schema_version);
         CREATE TABLE IF NOT EXISTS latched_key (
             machine TEXT PRIMARY KEY NOT NULL,
             document TEXT NOT NULL
         ) STRICT;
         COMMIT;",
    )?;
    connection.query_row("SELECT max(version) FROM schema_version", [], |row| {
        row.get(0)
    })
}

impl KeyStore for SqliteKeyStore {
    fn load(&self, machine: &MachineId) -> Result<Option<MachineKey>, KeyStoreError> {
        let stored = self
            .connection()
            .query_row(
                "SELECT document FROM latched_key WHERE machine = ?1",
                params![machine.as_str()],
                |row| row.get::<_, String>(0).map(Zeroizing::new),
            )
            .optional()
            .map_err(|source| KeyStoreError::Load {
                machine: machine.clone(),
                source: source.into(),
            })?;
        stored
            .map(|document| read_key(&document))
            .transpose()
            .map_err(|source| KeyStoreError::Damaged {
                machine: machine.clone(),
                source,
            })
    }

    fn save(&self, machine: &MachineId, key: &MachineKey) -> Result<(), KeyStoreError> {
        let document = key.issued().to_json();
        let saved = self.connection().execute(
            "INSERT INTO latched_key (machine, document) VALUES (?1, ?2)
             ON CONFLICT (machine) DO UPDATE SET document = excluded.document",
            params![machine.as_str(), document.as_str()],
        );
        match saved {
            Ok(_) => Ok(()),
            Err(source) => Err(KeyStoreError::Save {
                machine: machine.clone(),
                source: source.into(),
            }),
        }
    }
}

fn read_key(document: &str) -> Result<MachineKey, StorageError> {
    let issued = IssuedKey::parse(document.as_bytes())?;
    Ok(MachineKey::try_from(issued)?)
}

#[cfg(test)]
mod tests {
    use latchkey_protocol::{KeyId, SigningKey};
    use tempfile::TempDir;

    use super::*;

    fn machine() -> MachineId {
        MachineId::parse("web").unwrap()
    }

    fn key(incarnation: u32) -> MachineKey {
        let id = format!("9f1c0a52-5f7e-4a10-8a44-0d0c2f4d7b{incarnation:02}");
        let key = SigningKey::from_hex(KeyId::parse(&id).unwrap(), &"AB".repeat(32)).unwrap();
        let issued = "2026-01-02T03:04:05Z".to_owned();
        MachineKey::try_from(IssuedKey {
            key,
            incarnation: Some(incarnation),
            issued,
        })
        .unwrap()
    }

    fn mode_of(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn saved_key_is_there_after_a_restart_and_readable_by_its_owner_alone() {
        let folder = TempDir::new().unwrap();
        let state = folder.path().join("state");
        let store = SqliteKeyStore::open(&state).unwrap();
        assert!(store.load(&machine()).unwrap().is_none());
        store.save(&machine(), &key(1)).unwrap();
        store.save(&machine(), &key(2)).unwrap();
        drop(store);
        let store = SqliteKeyStore::open(&state).unwrap();
        let loaded = store.load(&machine()).unwrap().unwrap();
        assert_eq!((loaded.incarnation(), loaded.id()), (2, key(2).id()));
        assert_eq!(mode_of(&state), 0o700);
        for entry in state.read_dir().unwrap() {
            assert_eq!(mode_of(&entry.unwrap().path()), 0o600);
        }
    }

    #[test]
    fn folder_in_which_others_may_replace_the_keys_is_refused() {
        let folder = TempDir::new().unwrap();
        for (mode, is_refused) in [(0o777, true), (0o1777, true), (0o770, true), (0o755, false)] {
            std::fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
            let opened = SqliteKeyStore::open(folder.path());
            let refused = matches!(opened, Err(OpenError::Exposed { .. }));
            assert_eq!(
                (refused, opened.is_err()),
                (is_refused, is_refused),
                "{mode:o}"
            );
        }
    }

    #[test]
    fn torn_database_is_an_error_that_names_the_file() {
        let folder = TempDir::new().unwrap();
        SqliteKeyStore::open(folder.path())
            .unwrap()
            .save(&machine(), &key(1))
            .unwrap();
        let path = folder.path().join(FILE_NAME);
        let mut bytes = std::fs::read(&path).unwrap();
        let tail = bytes.split_off(bytes.len() / 2);
        for torn in [b"not a database at all".to_vec(), tail, bytes] {
            std::fs::write(&path, &torn).unwrap();
            let error = SqliteKeyStore::open(folder.path()).unwrap_err();
            assert!(error.to_string().contains("keys.sqlite"), "{error}");
        }
    }

    #[test]
    fn read_only_database_is_an_error_at_the_start() {
        let folder = TempDir::new().unwrap();
        drop(SqliteKeyStore::open(folder.path()).unwrap());
        let path = folder.path().join(FILE_NAME);
        let connection =
            Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let error = SqliteKeyStore::adopt(connection, &path).unwrap_err();
        assert!(matches!(error, OpenError::ReadOnly { .. }), "{error}");
    }

    #[test]
    fn second_process_cannot_use_the_database() {
        let folder = TempDir::new().unwrap();
        let store = SqliteKeyStore::open(folder.path()).unwrap();
        let error = SqliteKeyStore::open(folder.path()).unwrap_err();
        assert!(matches!(error, OpenError::Use { .. }), "{error}");
        drop(store);
    }

    #[test]
    fn database_of_a_later_version_is_refused() {
        let folder = TempDir::new().unwrap();
        let store = SqliteKeyStore::open(folder.path()).unwrap();
        store
            .connection()
            .execute("UPDATE schema_version SET version = 9", [])
            .unwrap();
        drop(store);
        let error = SqliteKeyStore::open(folder.path()).unwrap_err();
        assert!(
            matches!(error, OpenError::UnknownSchema { found: 9, .. }),
            "{error}"
        );
    }

    #[test]
    fn damaged_key_is_an_error_and_not_an_absent_one() {
        let folder = TempDir::new().unwrap();
        let store = SqliteKeyStore::open(folder.path()).unwrap();
        store.save(&machine(), &key(1)).unwrap();
        store
            .connection()
            .execute("UPDATE latched_key SET document = '{}'", [])
            .unwrap();
        let error = store.load(&machine()).unwrap_err();
        assert!(matches!(error, KeyStoreError::Damaged { .. }), "{error}");
    }
}
