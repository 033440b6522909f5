//! The Debian trees that roots stand on, as `scripts/rootfs.sh` makes them.

use std::path::{Path, PathBuf};

/// Names the folder that holds a tree for each release.
pub const FOLDER_VARIABLE: &str = "LATCHKEY_ROOTFS";

/// A tree, whole and never written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    path: PathBuf,
}

/// Why there is no such tree.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// Nobody said where the trees are.
    #[error("{FOLDER_VARIABLE} names no folder of trees: run `make test`, or see docs/testing.md")]
    NoFolder,
    /// The tree has not been made.
    #[error("`{}` is no tree: make it with `scripts/rootfs.sh {release} {}`", path.display(), path.display())]
    Missing {
        /// The release.
        release: String,
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The kernel could not be told about it.
    #[error("`{}` cannot be an overlay's lower directory; use a path without `,`, `:` and `\\`", path.display())]
    Path {
        /// The path of the tree.
        path: PathBuf,
    },
}

impl Tree {
    /// Finds the tree of a Debian release.
    ///
    /// # Errors
    /// It has not been made, or it lies at a path that cannot be used.
    pub fn of_release(release: &str) -> Result<Self, TreeError> {
        let folder = std::env::var_os(FOLDER_VARIABLE).ok_or(TreeError::NoFolder)?;
        Self::at(Path::new(&folder).join(release), release)
    }

    fn at(path: PathBuf, release: &str) -> Result<Self, TreeError> {
        if !path.join("etc/debian_version").is_file() {
            let release = release.to_owned();
            return Err(TreeError::Missing { release, path });
        }
        let is_plain = |text: &str| !text.contains([',', ':', '\\']);
        if path.to_str().is_some_and(is_plain) {
            Ok(Self { path })
        } else {
            Err(TreeError::Path { path })
        }
    }

    /// Returns where the tree lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_tree_is_named_with_what_makes_it() {
        let error = Tree::at(PathBuf::from("/none/bookworm"), "bookworm").unwrap_err();
        let said = error.to_string();
        assert!(
            said.contains("scripts/rootfs.sh bookworm /none/bookworm"),
            "{said}"
        );
    }

    #[test]
    fn path_that_an_overlay_would_split_is_refused() {
        let folder = tempfile::Builder::new().prefix("a:b").tempdir().unwrap();
        std::fs::create_dir(folder.path().join("etc")).unwrap();
        std::fs::write(folder.path().join("etc/debian_version"), "12\n").unwrap();
        let found = Tree::at(folder.path().to_owned(), "bookworm");
        assert!(matches!(found, Err(TreeError::Path { .. })), "{found:?}");
    }
}
