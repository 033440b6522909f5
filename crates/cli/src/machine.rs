//! The machine that the program runs on, as lint asks about it. Looks and changes nothing; may block.
//!
//! What cannot be found out is not guessed: a folder that may not be read is no missing file.

use std::fs::{self, File as Opened, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use latchkey_policy::lint::machine::{Facts, File, Machine, Writable};
use nix::unistd::{Group, Uid, User};

const WRITABLE_FOR_GROUP_OR_OTHERS: u32 = 0o022;
/// How much of a file is read to see whether it is a script. The kernel reads as much.
const FIRST_LINE_BYTES: u64 = 256;
/// Where systemd finds the units of the system (systemd.unit(5)).
const UNIT_FOLDERS: [&str; 11] = [
    "/etc/systemd/system.control",
    "/run/systemd/system.control",
    "/run/systemd/transient",
    "/run/systemd/generator.early",
    "/etc/systemd/system",
    "/run/systemd/system",
    "/run/systemd/generator",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
    "/run/systemd/generator.late",
];

/// This machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ThisMachine;

impl Machine for ThisMachine {
    fn has_user(&self, name: &str) -> Option<bool> {
        User::from_name(name).map(|user| user.is_some()).ok()
    }

    fn has_group(&self, name: &str) -> Option<bool> {
        Group::from_name(name).map(|group| group.is_some()).ok()
    }

    fn has_unit(&self, name: &str) -> Option<bool> {
        has_unit(name, &UNIT_FOLDERS.map(Path::new))
    }

    fn file(&self, path: &str) -> Option<File> {
        let real = match fs::canonicalize(path) {
            Ok(real) => real,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Some(File::Missing),
            Err(_) => return None,
        };
        if !fs::metadata(&real).ok()?.is_file() {
            return Some(File::Missing);
        }
        let plain = plain(path);
        let leads_to = (real != plain).then(|| real.display().to_string());
        Some(File::Present(Facts {
            leads_to,
            writable: writable(&real).or_else(|| writable(&plain)),
            interpreter: interpreter(&real),
        }))
    }
}

/// Returns a path as the rules read it: without repeated slashes.
fn plain(path: &str) -> PathBuf {
    Path::new(path).components().collect()
}

fn has_unit(name: &str, folders: &[&Path]) -> Option<bool> {
    let is_readable = folders.iter().any(|folder| folder.is_dir());
    // What makes scopes is no file but a program that is running.
    if !is_readable || name.ends_with(".scope") {
        return None;
    }
    let template = template(name);
    let is_there = |folder: &&Path| {
        let mut names = std::iter::once(name).chain(template.as_deref());
        names.any(|name| fs::symlink_metadata(folder.join(name)).is_ok())
    };
    Some(folders.iter().any(is_there))
}

/// Returns the file that an instance such as `app@1.service` is made from.
fn template(unit: &str) -> Option<String> {
    let (prefix, rest) = unit.split_once('@')?;
    let (_, kind) = rest.rsplit_once('.')?;
    Some(format!("{prefix}@.{kind}"))
}

/// Returns what on the way to a file others than root can write to, the highest first.
fn writable(path: &Path) -> Option<Writable> {
    let mut places: Vec<_> = path.ancestors().collect();
    places.reverse();
    places.into_iter().find_map(|place| {
        let found = fs::symlink_metadata(place).ok()?;
        // What a link may be written by means nothing; whoever owns its folder exchanges it.
        let is_open = !found.is_symlink() && found.mode() & WRITABLE_FOR_GROUP_OR_OTHERS != 0;
        (is_open || found.uid() != 0).then(|| Writable {
            path: place.display().to_string(),
            only_by: owner(&found).filter(|_| !is_open),
        })
    })
}

fn owner(found: &Metadata) -> Option<String> {
    let user = User::from_uid(Uid::from_raw(found.uid())).ok()??;
    Some(user.name)
}

/// Returns the interpreter that the first line of a file names.
fn interpreter(path: &Path) -> Option<String> {
    let mut start = Vec::new();
    let file = Opened::open(path).ok()?;
    file.take(FIRST_LINE_BYTES).read_to_end(&mut start).ok()?;
    let line = start
        .strip_prefix(b"#!")?
        .split(|byte| *byte == b'\n')
        .next()?;
    let line = std::str::from_utf8(line).ok()?;
    line.split_whitespace().next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

    use tempfile::TempDir;

    use super::*;

    /// A folder that only root can write, with a program; not below `/tmp`, which is everybody's.
    fn folder() -> TempDir {
        let folder = tempfile::tempdir_in("/run").unwrap();
        set_mode(folder.path(), 0o755);
        fs::create_dir(folder.path().join("bin")).unwrap();
        set_mode(&folder.path().join("bin"), 0o755);
        fs::write(folder.path().join("bin/app"), "\x7fELF").unwrap();
        set_mode(&folder.path().join("bin/app"), 0o755);
        folder
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn look(folder: &TempDir, name: &str) -> File {
        let path = folder.path().join(name);
        ThisMachine.file(path.to_str().unwrap()).unwrap()
    }

    fn facts(folder: &TempDir, name: &str) -> Facts {
        match look(folder, name) {
            File::Present(facts) => facts,
            File::Missing => panic!("{name} is missing"),
        }
    }

    #[test]
    fn program_of_root_alone_has_nothing_to_tell() {
        assert_eq!(facts(&folder(), "bin/app"), Facts::default());
        assert_eq!(facts(&folder(), "bin//app"), Facts::default());
    }

    #[test]
    fn nothing_and_folders_are_missing_files() {
        for name in ["bin/nothing", "bin", "nothing/app"] {
            assert_eq!(look(&folder(), name), File::Missing, "{name}");
        }
    }

    #[test]
    fn link_on_the_way_is_told_with_its_end() {
        let folder = folder();
        symlink("app", folder.path().join("bin/link")).unwrap();
        symlink("bin", folder.path().join("sbin")).unwrap();
        let end = folder.path().join("bin/app").display().to_string();
        for name in ["bin/link", "sbin/app"] {
            assert_eq!(facts(&folder, name).leads_to, Some(end.clone()), "{name}");
        }
    }

    #[test]
    fn whoever_can_write_to_a_file_or_a_folder_above_it_is_told() {
        for (name, mode, owner, only_by) in [
            ("bin/app", 0o775, 0, None),
            ("bin/app", 0o757, 0, None),
            ("bin", 0o1777, 0, None),
            ("bin/app", 0o755, 2, Some("bin".to_owned())),
            ("bin", 0o775, 2, None),
        ] {
            let folder = folder();
            let place = folder.path().join(name);
            chown(&place, Some(owner), None).unwrap();
            set_mode(&place, mode);
            let path = place.display().to_string();
            let expected = Some(Writable { path, only_by });
            assert_eq!(
                facts(&folder, "bin/app").writable,
                expected,
                "{name} {mode:o} {owner}"
            );
        }
    }

    #[test]
    fn script_is_known_by_its_first_line() {
        let folder = folder();
        for (text, expected) in [
            ("#!/bin/sh\necho", Some("/bin/sh")),
            ("#! /usr/bin/env python3\n", Some("/usr/bin/env")),
            ("#!", None),
            ("echo #!/bin/sh\n", None),
        ] {
            fs::write(folder.path().join("bin/app"), text).unwrap();
            let found = facts(&folder, "bin/app").interpreter;
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn users_and_groups_are_those_of_the_databases() {
        for (name, expected) in [("root", true), ("no such name", false)] {
            assert_eq!(ThisMachine.has_user(name), Some(expected), "{name}");
            assert_eq!(ThisMachine.has_group(name), Some(expected), "{name}");
        }
    }

    #[test]
    fn units_are_files_or_made_from_templates() {
        let folder = folder();
        for name in ["app.service", "worker@.service"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        for (name, expected) in [
            ("app.service", Some(true)),
            ("worker@1.service", Some(true)),
            ("other@1.service", Some(false)),
            ("app.socket", Some(false)),
            ("session-1.scope", None),
        ] {
            assert_eq!(has_unit(name, &[folder.path()]), expected, "{name}");
        }
        assert_eq!(has_unit("app.service", &[Path::new("/nowhere")]), None);
    }
}
