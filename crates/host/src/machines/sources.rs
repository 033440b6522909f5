//! Reads the files that machines are made of, and remembers what they held: files of a bounded size, nothing else.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use sha2::{Digest as _, Sha256};

/// The largest file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// Names the content of files; differs when a file changed, came or went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint(BTreeMap<PathBuf, Option<[u8; 32]>>);

impl Fingerprint {
    /// Returns the files that were read.
    pub(super) fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.0.keys()
    }
}

/// Why a file has no text.
#[derive(Debug, thiserror::Error)]
pub(super) enum SourceError {
    #[error(transparent)]
    Read(#[from] io::Error),
    #[error("it is not a regular file")]
    NotAFile,
    #[error("it has more than {MAX_FILE_BYTES} bytes")]
    TooLarge,
    #[error("it is not UTF-8")]
    NotText,
}

/// Reads files and remembers what they held.
#[derive(Debug, Default)]
pub(super) struct Sources(Fingerprint);

impl Sources {
    /// Reads a file as text; the error names the file.
    pub(super) fn read(&mut self, path: &Path) -> Result<String, String> {
        let text = self.text(path);
        text.map_err(|error| format!("cannot read `{}`: {error}", path.display()))
    }

    /// Reads a file as text.
    pub(super) fn text(&mut self, path: &Path) -> Result<String, SourceError> {
        let content = content(path);
        let hash = content
            .as_ref()
            .ok()
            .map(|bytes| Sha256::digest(bytes).into());
        self.0.0.insert(path.to_owned(), hash);
        String::from_utf8(content?).map_err(|_utf8| SourceError::NotText)
    }

    /// Names what was read.
    pub(super) fn into_fingerprint(self) -> Fingerprint {
        self.0
    }
}

fn content(path: &Path) -> Result<Vec<u8>, SourceError> {
    // A pipe without a writer would have everything wait for one.
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(OFlag::O_NONBLOCK.bits());
    let file = options.open(path)?;
    if !file.metadata()?.is_file() {
        return Err(SourceError::NotAFile);
    }
    let mut content = Vec::new();
    let length = file.take(MAX_FILE_BYTES + 1).read_to_end(&mut content)?;
    if length as u64 > MAX_FILE_BYTES {
        return Err(SourceError::TooLarge);
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    #[test]
    fn what_is_no_file_or_has_no_end_is_refused_without_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name| folder.path().join(name);
        mkfifo(&path("pipe"), Mode::S_IRWXU).unwrap();
        std::os::unix::fs::symlink("/dev/zero", path("endless")).unwrap();
        let sparse = std::fs::File::create(path("large")).unwrap();
        sparse.set_len(MAX_FILE_BYTES + 1).unwrap();
        let mut sources = Sources::default();
        for (name, expected) in [
            ("pipe", "not a regular file"),
            ("endless", "not a regular file"),
            ("large", "more than 16777216 bytes"),
            ("none", "No such file"),
        ] {
            let problem = sources.read(&path(name)).unwrap_err();
            assert!(problem.contains(expected), "{name}: {problem}");
            assert!(problem.contains(name), "{problem}");
        }
    }
}
