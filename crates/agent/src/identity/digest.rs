//! SHA-256 of executables, read from the very file that is executed, each only once while it stays as it is.
//!
//! A file that changes while it is read, is larger than allowed, or lies on a file system that
//! other programs answer for, has none. For one user files are read one at a time, so that
//! nobody's files keep another one's waiting.
//!
//! SECURITY: not for one owner: whoever mounts a file system says itself who owns its files.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use quick_cache::sync::Cache;
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use super::CAPACITY;
use super::readers::{Reader, lane};

/// How long a connection waits for the digest of its executable; what takes longer is there for the next.
const PATIENCE: Duration = Duration::from_secs(10);
/// How much is read at once.
const CHUNK_BYTES: usize = 256 * 1024;
/// How long after a change another one may leave a file's times as they are, in seconds: the
/// kernel's clock for them is coarse.
const SETTLED_SECONDS: i64 = 2;

/// File systems that the kernel alone answers for, by their numbers in `linux/magic.h` and beside it.
///
/// SECURITY: who mounts a file system in user space, or a server, could keep a reader waiting for ever.
const LOCAL: [i128; 11] = [
    0xEF53,      // ext2, ext3, ext4
    0x5846_5342, // xfs
    0x9123_683E, // btrfs
    0x0102_1994, // tmpfs, memfd
    0x8584_58F6, // ramfs
    0x794C_7630, // overlayfs
    0x7371_7368, // squashfs
    0xE0F5_E1E2, // erofs
    0xF2F5_2010, // f2fs
    0x2FC1_2FC1, // zfs
    0xCA45_1A4E, // bcachefs
];

/// What changes when a file's content does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct FileState {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl From<&Metadata> for FileState {
    fn from(file: &Metadata) -> Self {
        Self {
            device: file.dev(),
            inode: file.ino(),
            bytes: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }
}

/// Knows the digests of executables.
#[derive(Debug)]
pub(super) struct Digests {
    max_bytes: u64,
    known: Arc<Cache<FileState, Arc<str>>>,
    /// One reader for the callers that share their places.
    lanes: Cache<u32, Arc<Semaphore>>,
}

impl Digests {
    pub(super) fn up_to(max_bytes: u64) -> Self {
        Self {
            max_bytes,
            known: Arc::new(Cache::new(CAPACITY)),
            lanes: Cache::new(CAPACITY),
        }
    }

    /// Returns the digest of a file in lower-case hexadecimal digits. A `reader` is waited for only if
    /// the file has to be read, and keeps its places until that is done, even if nobody waits any more.
    /// Those of one `share` are read one at a time.
    pub(super) async fn of(
        &self,
        file: File,
        share: u32,
        reader: impl Future<Output = Option<Reader>>,
    ) -> Option<String> {
        tokio::time::timeout(PATIENCE, self.find(file, share, reader))
            .await
            .ok()?
    }

    async fn find(
        &self,
        file: File,
        share: u32,
        reader: impl Future<Output = Option<Reader>>,
    ) -> Option<String> {
        let state = FileState::from(&file.metadata().ok()?);
        if let Some(digest) = self.known.get(&state) {
            return Some(digest.as_ref().to_owned());
        }
        if state.bytes > self.max_bytes {
            return None;
        }
        let permit = lane(&self.lanes, share, 1).acquire_owned().await.ok()?;
        // Whoever had the lane before may have read the same file.
        if let Some(digest) = self.known.get(&state) {
            return Some(digest.as_ref().to_owned());
        }
        let reader = reader.await?;
        let known = Arc::clone(&self.known);
        let reading = tokio::task::spawn_blocking(move || {
            let digest = read(&file, state).ok().flatten();
            if let Some(digest) = digest.as_deref().filter(|_| is_settled(&state)) {
                known.insert(state, Arc::from(digest));
            }
            drop((permit, reader));
            digest
        });
        reading.await.ok()?
    }
}

/// Reads a file that stays as it was found to its end.
fn read(mut file: &File, state: FileState) -> io::Result<Option<String>> {
    let system = rustix::fs::fstatfs(file)?;
    if !LOCAL.contains(&i128::from(system.f_type)) {
        return Ok(None);
    }
    let mut hash = Sha256::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut left = state.bytes;
    loop {
        let length = file.read(&mut chunk)?;
        let Some(read) = chunk.get(..length).filter(|read| !read.is_empty()) else {
            break;
        };
        // SECURITY: a file that grows while it is read has no end.
        let Some(rest) = left.checked_sub(read.len() as u64) else {
            return Ok(None);
        };
        left = rest;
        hash.update(read);
    }
    let is_same = FileState::from(&file.metadata()?) == state;
    Ok(is_same.then(|| hex::encode(hash.finalize())))
}

/// Returns whether a later change of the file would show.
fn is_settled(state: &FileState) -> bool {
    let (changed, _) = state.changed;
    let age = Timestamp::now().as_second().saturating_sub(changed);
    age > SETTLED_SECONDS
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use super::*;

    /// A reader of root's.
    async fn root() -> Option<Reader> {
        Some(Reader::of_root())
    }

    /// Of `abc` and of nothing, as FIPS 180-4 and sha256sum have them.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[tokio::test]
    async fn digest_is_that_of_the_content_and_follows_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program");
        let digests = Digests::up_to(3);
        for (content, expected) in [
            ("abc", Some(ABC)),
            ("", Some(EMPTY)),
            ("abc", Some(ABC)),
            ("abcd", None),
        ] {
            fs::write(&path, content).unwrap();
            let found = digests.of(File::open(&path).unwrap(), 0, root()).await;
            assert_eq!(found.as_deref(), expected, "{content}");
        }
    }

    #[tokio::test]
    async fn settled_file_is_read_once_and_a_fresh_one_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program");
        fs::write(&path, "abc").unwrap();
        let digests = Digests::up_to(1024);
        let fresh = digests.of(File::open(&path).unwrap(), 0, root()).await;
        assert_eq!(fresh.as_deref(), Some(ABC));
        assert_eq!(digests.known.len(), 0);
        // It was installed long ago.
        let shell = || File::open("/bin/sh").unwrap();
        let digests = Digests::up_to(1 << 40);
        let both = tokio::join!(
            digests.of(shell(), 0, root()),
            digests.of(shell(), 0, root())
        );
        assert!(both.0.is_some() && both.0 == both.1);
        assert_eq!(digests.known.len(), 1);
    }

    #[test]
    fn file_that_changes_while_it_is_read_has_no_digest() {
        let mut file = tempfile::tempfile().unwrap();
        let before = FileState::from(&file.metadata().unwrap());
        file.write_all(b"abc").unwrap();
        assert_eq!(read(&file, before).unwrap(), None);
    }

    #[test]
    fn what_programs_answer_for_is_not_read() {
        let file = File::open("/proc/self/cmdline").unwrap();
        let state = FileState::from(&file.metadata().unwrap());
        assert_eq!(read(&file, state).unwrap(), None);
    }
}
