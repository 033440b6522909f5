//! Which script a caller runs, as far as a rule may rely on it.
//!
//! The kernel tells the path that was executed. But it only hands that path to the interpreter, which
//! opens it again, later and by itself: whoever can exchange a file or a folder on the way in between
//! has another script run under the name. So a path counts only if nobody but root can do that, and
//! if it means the same to the caller as to the agent. All others are shown and match no rule.
//!
//! With `#!/usr/bin/env NAME` the caller's own `PATH` chooses the interpreter: a rule that must not
//! leave that to the caller names the executable too.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use latchkey_intercept::{FlowRecord, ScriptPath};

use super::display::shown_bytes;
use super::executable::is_own_mount_namespace;

const WRITABLE_FOR_GROUP_OR_OTHERS: u32 = 0o022;

/// The script of a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Its path, if a rule may rely on it.
    pub path: Option<String>,
    /// What was executed, for display alone.
    pub shown: String,
}

/// Describes the script that a caller runs, or nothing if it is not known to run one. May block.
#[must_use]
pub fn describe(flow: &FlowRecord) -> Option<Script> {
    let script = match flow.script.as_ref()? {
        ScriptPath::TooLong => Script {
            path: None,
            shown: "(a path too long to be kept)".to_owned(),
        },
        ScriptPath::Given(path) => Script {
            path: path
                .to_str()
                .filter(|_| sees_files_as_the_agent(flow) && only_root_can_exchange(path))
                .map(str::to_owned),
            shown: shown_bytes(path.as_os_str().as_bytes()),
        },
    };
    Some(script)
}

/// SECURITY: in a mount namespace of its own, or under a root of its own, which a user namespace is
/// enough for, a process gives any file any path.
fn sees_files_as_the_agent(flow: &FlowRecord) -> bool {
    flow.initial_user_namespace
        && is_own_mount_namespace(flow.mount_namespace)
        && fs::read_link(format!("/proc/{}/root", flow.pid))
            .is_ok_and(|root| root == Path::new("/"))
}

/// Returns whether a path is absolute, without links, and leads to a regular file that no user but
/// root can write or put another file in the place of.
fn only_root_can_exchange(path: &Path) -> bool {
    let is_plain = path.is_absolute()
        && fs::canonicalize(path).is_ok_and(|real| real.as_os_str() == path.as_os_str());
    let is_roots = |each: &Path| {
        fs::symlink_metadata(each)
            .is_ok_and(|found| found.uid() == 0 && found.mode() & WRITABLE_FOR_GROUP_OR_OTHERS == 0)
    };
    is_plain
        && fs::symlink_metadata(path).is_ok_and(|found| found.is_file())
        && path.ancestors().all(is_roots)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
    use std::path::PathBuf;

    use super::*;

    /// A folder that only root can write, with a script; under the root, as `/tmp` is everybody's.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let own = std::process::id();
            let folder = PathBuf::from(format!("/run/latchkey-script-{name}-{own}"));
            fs::create_dir(&folder).unwrap();
            fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
            fs::write(folder.join("script"), "#!/bin/sh\n").unwrap();
            fs::set_permissions(folder.join("script"), fs::Permissions::from_mode(0o755)).unwrap();
            Self(folder)
        }

        fn script(&self) -> PathBuf {
            self.0.join("script")
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    #[test]
    fn script_that_only_root_can_exchange_is_trusted() {
        let folder = Folder::new("trusted");
        assert!(only_root_can_exchange(&folder.script()));
    }

    #[test]
    fn path_that_is_relative_or_has_links_or_dots_is_not_trusted() {
        let folder = Folder::new("links");
        symlink(folder.script(), folder.0.join("link")).unwrap();
        for name in ["link", "./script", "/script", "nothing", ""] {
            let path = PathBuf::from(format!("{}/{name}", folder.0.display()));
            assert!(!only_root_can_exchange(&path), "{}", path.display());
        }
        assert!(!only_root_can_exchange(Path::new("script")));
    }

    #[test]
    fn file_or_folder_that_another_user_can_write_is_not_trusted() {
        type Spoil = fn(&Path);
        let spoils: [(&str, Spoil); 3] = [
            ("owner", |path| chown(path, Some(1001), None).unwrap()),
            ("group", |path| {
                fs::set_permissions(path, fs::Permissions::from_mode(0o775)).unwrap();
            }),
            ("others", |path| {
                fs::set_permissions(path, fs::Permissions::from_mode(0o757)).unwrap();
            }),
        ];
        for (what, spoil) in spoils {
            for place in ["", "script"] {
                let folder = Folder::new(what);
                spoil(&folder.0.join(place));
                assert!(!only_root_can_exchange(&folder.script()), "{what} {place}");
            }
        }
    }
}
