//! Finds the workspace's executables beside the running one; it never searches `PATH`, where an
//! installed version could stand in for the one under test.

use std::path::{Path, PathBuf};

use crate::files::{FileError, Named as _};

/// Names the directory to look in instead.
pub const DIRECTORY_VARIABLE: &str = "LATCHKEY_BIN_DIR";

/// An executable of this workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binary {
    /// The guest agent.
    Agent,
    /// The operator's program.
    Cli,
    /// The host program.
    Host,
    /// This crate's own program, which holds namespaces and enters them.
    Lab,
}

impl Binary {
    /// Returns the name of the file.
    #[must_use]
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Agent => "latchkey-agent",
            Self::Cli => "latchkey",
            Self::Host => "latchkey-host",
            Self::Lab => "latchkey-lab",
        }
    }
}

/// Why an executable was not found.
#[derive(Debug, thiserror::Error)]
pub enum BinaryError {
    /// The running executable does not know its own path.
    #[error(transparent)]
    OwnPath(#[from] FileError),
    /// The file is missing.
    #[error(
        "`{}` is missing; run `cargo build --workspace`, or set {DIRECTORY_VARIABLE} to the \
         directory that holds it", path.display()
    )]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
}

/// Returns the path of an executable of this workspace.
///
/// # Errors
/// It has not been built, or not in the profile that the caller was built in.
pub fn find(binary: Binary) -> Result<PathBuf, BinaryError> {
    let directory = match std::env::var_os(DIRECTORY_VARIABLE) {
        Some(directory) => PathBuf::from(directory),
        None => beside(&std::env::current_exe().named("find", Path::new("/proc/self/exe"))?),
    };
    let path = directory.join(binary.file_name());
    if path.is_file() {
        Ok(path)
    } else {
        Err(BinaryError::Missing { path })
    }
}

/// Returns the directory of cargo's profile: test executables and examples lie one below it.
fn beside(executable: &Path) -> PathBuf {
    let directory = executable.parent().unwrap_or(Path::new("/"));
    match directory.file_name().and_then(|name| name.to_str()) {
        Some("deps" | "examples") => directory.parent().unwrap_or(directory).to_owned(),
        _ => directory.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_examples_and_programs_look_in_the_same_directory() {
        for path in [
            "/t/debug/deps/reach-1f",
            "/t/debug/examples/show",
            "/t/debug/latchkey-lab",
        ] {
            assert_eq!(beside(Path::new(path)), Path::new("/t/debug"), "{path}");
        }
    }

    #[test]
    fn missing_executable_is_named_with_what_to_do() {
        let error = BinaryError::Missing {
            path: PathBuf::from("/t/debug/latchkey-agent"),
        };
        assert!(error.to_string().contains("cargo build --workspace"));
    }
}
