//! What a test leaves behind: one file for each row that it proved, below the kernel it ran on.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Outcome;
use crate::files::{self, FileError, Named as _};

/// Names the directory with the results of all kernels.
pub const DIRECTORY_VARIABLE: &str = "LATCHKEY_BYPASS_RESULTS";

/// What became of a way round in one run of its test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Evidence {
    /// The test.
    pub test: String,
    /// The release of the kernel that it ran on.
    pub kernel: String,
    /// What became of it, as the table says it.
    pub outcome: String,
    /// What the caller said of itself.
    pub report: serde_json::Value,
}

/// Why evidence could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// A file could not be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The variable is not set.
    #[error("set {DIRECTORY_VARIABLE} to the directory for the results")]
    NoDirectory,
    /// A file holds something else.
    #[error("`{}` holds no evidence", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

impl Evidence {
    /// Describes what became of a row's way on the running kernel.
    ///
    /// # Errors
    /// The kernel does not tell its release.
    pub fn new(
        test: &str,
        outcome: &Outcome,
        report: serde_json::Value,
    ) -> Result<Self, EvidenceError> {
        Ok(Self {
            test: test.to_owned(),
            kernel: kernel_release()?,
            outcome: outcome.to_string(),
            report,
        })
    }

    /// Writes it below `results`, in the place of what an earlier run of the test left.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, results: &Path) -> Result<(), EvidenceError> {
        let path = path_of(results, &self.test)?;
        let folder = path.parent().unwrap_or(results);
        fs::create_dir_all(folder).named("create directory", folder)?;
        let text =
            serde_json::to_string_pretty(self).map_err(|source| EvidenceError::Malformed {
                path: path.clone(),
                source,
            })?;
        files::write(&path, &text)?;
        Ok(())
    }

    /// Reads what the last run of a test on this kernel left below `results`, if it left anything.
    ///
    /// # Errors
    /// The file cannot be read, or holds something else.
    pub fn read(results: &Path, test: &str) -> Result<Option<Self>, EvidenceError> {
        let path = path_of(results, test)?;
        if !path.exists() {
            return Ok(None);
        }
        let text = files::read(&path)?;
        serde_json::from_str(&text)
            .map(Some)
            .map_err(|source| EvidenceError::Malformed { path, source })
    }

    /// Removes what an earlier run of a test left; that there is nothing is success.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn forget(results: &Path, test: &str) -> Result<(), EvidenceError> {
        let path = path_of(results, test)?;
        files::absent_is_fine(fs::remove_file(&path)).named("remove", &path)?;
        Ok(())
    }
}

/// Returns the directory for the results, as the environment names it.
///
/// # Errors
/// It names none.
pub fn directory() -> Result<PathBuf, EvidenceError> {
    let named = std::env::var_os(DIRECTORY_VARIABLE);
    named.map(PathBuf::from).ok_or(EvidenceError::NoDirectory)
}

fn kernel_release() -> Result<String, FileError> {
    let text = files::read(Path::new("/proc/sys/kernel/osrelease"))?;
    Ok(text.trim_end().to_owned())
}

fn path_of(results: &Path, test: &str) -> Result<PathBuf, FileError> {
    Ok(results.join(kernel_release()?).join(format!("{test}.json")))
}
