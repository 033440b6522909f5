//! Reads one identity: its selectors, of which there is at least one, and what it forbids.
//!
//! Refuses selectors that are blank or could select nobody, or everybody, and files, groups
//! and units that are not named as the kernel and systemd name them.

use std::sync::Arc;

use latchkey_protocol::Flag;
use latchkey_protocol::authorization;
use latchkey_protocol::unit::{is_slice_name, is_unit_name};

use super::Reader;
use crate::document::ProblemKind;
use crate::rules::identities::Identity;
use crate::rules::selector::{Kind, Selector};

/// How the text of a selector is read: as it is compared, or what is wrong with it.
type Reading = fn(&str) -> Result<String, ProblemKind>;

/// How many hexadecimal digits a SHA-256 has.
const DIGEST_DIGITS: usize = 64;

impl Reader {
    pub(super) fn identity(
        &mut self,
        at: usize,
        entry: &authorization::Identity,
    ) -> Option<Identity> {
        let pointer = format!("/rules/identities/{at}");
        let before = self.problems.len();
        let mut selectors = self.texts(&pointer, entry);
        selectors.extend(self.digests(&pointer, entry.exe_sha256.as_deref()));
        for (kind, number) in [(Kind::Uid, entry.uid), (Kind::Gid, entry.gid)] {
            selectors.extend(number.map(|number| Selector::one(kind, &number.to_string())));
        }
        if selectors.is_empty() && self.problems.len() == before {
            self.report(pointer.clone(), ProblemKind::NoSelector);
        }
        let forbidden = self.forbidden(&pointer, entry.forbid.as_deref());
        (self.problems.len() == before).then(|| Identity {
            name: Arc::from(entry.name.as_str()),
            selectors,
            forbidden,
        })
    }

    fn texts(&mut self, pointer: &str, entry: &authorization::Identity) -> Vec<Selector> {
        let texts: [(Kind, &Option<String>, Reading); 9] = [
            (Kind::User, &entry.user_name, exact),
            (Kind::Group, &entry.group_name, exact),
            (Kind::Executable, &entry.exe_path, file),
            (Kind::Process, &entry.process_name, exact),
            (Kind::Unit, &entry.systemd_unit, unit),
            (Kind::Slice, &entry.systemd_slice, slice),
            (Kind::Container, &entry.container_id, exact),
            (Kind::Cgroup, &entry.cgroup, cgroup),
            (Kind::Script, &entry.script_path, file),
        ];
        let mut selectors = Vec::new();
        for (kind, text, read) in texts {
            let Some(text) = text else { continue };
            let read = if text.trim().is_empty() {
                Err(ProblemKind::BlankSelector)
            } else {
                read(text)
            };
            match read {
                Ok(text) => selectors.push(Selector::one(kind, &text)),
                Err(problem) => self.report(format!("{pointer}/{}", kind.as_str()), problem),
            }
        }
        selectors
    }

    /// Reads the digests of which the executable must have one.
    fn digests(&mut self, pointer: &str, digests: Option<&[String]>) -> Option<Selector> {
        let digests = digests?;
        if digests.is_empty() {
            self.report(format!("{pointer}/exeSha256"), ProblemKind::EmptyList);
        }
        let mut any_of = Vec::with_capacity(digests.len());
        for (at, text) in digests.iter().enumerate() {
            if text.len() == DIGEST_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                any_of.push(text.to_ascii_lowercase());
            } else {
                let kind = ProblemKind::InvalidDigest(text.clone());
                self.report(format!("{pointer}/exeSha256/{at}"), kind);
            }
        }
        let kind = Kind::ExecutableDigest;
        Some(Selector { kind, any_of })
    }

    /// Reads what the caller must not be.
    fn forbidden(&mut self, pointer: &str, words: Option<&[String]>) -> Vec<Flag> {
        if words.is_some_and(<[String]>::is_empty) {
            self.report(format!("{pointer}/forbid"), ProblemKind::EmptyList);
        }
        let mut flags = Vec::new();
        for (at, word) in words.unwrap_or_default().iter().enumerate() {
            match word.parse() {
                Ok(flag) => flags.push(flag),
                Err(error) => {
                    self.report(
                        format!("{pointer}/forbid/{at}"),
                        ProblemKind::UnknownFlag(error),
                    );
                }
            }
        }
        flags
    }
}

fn exact(text: &str) -> Result<String, ProblemKind> {
    Ok(text.to_owned())
}

fn file(text: &str) -> Result<String, ProblemKind> {
    path(text, ProblemKind::RelativeFile)
}

fn cgroup(text: &str) -> Result<String, ProblemKind> {
    path(text, ProblemKind::RelativeCgroup)
}

fn unit(text: &str) -> Result<String, ProblemKind> {
    // Processes are in what lies in a slice; a rule about a slice says so.
    if is_unit_name(text) && !text.ends_with(".slice") {
        exact(text)
    } else {
        Err(ProblemKind::InvalidUnit(text.to_owned()))
    }
}

fn slice(text: &str) -> Result<String, ProblemKind> {
    if is_slice_name(text) {
        exact(text)
    } else {
        Err(ProblemKind::InvalidSlice(text.to_owned()))
    }
}

/// Reads a path by its components: repeated and trailing slashes drop out.
fn path(text: &str, relative: fn(String) -> ProblemKind) -> Result<String, ProblemKind> {
    let segments: Vec<_> = text
        .split('/')
        .filter(|segment| !segment.is_empty())
        .collect();
    if !text.starts_with('/') || segments.is_empty() {
        Err(relative(text.to_owned()))
    } else if segments
        .iter()
        .any(|segment| matches!(*segment, "." | ".."))
    {
        Err(ProblemKind::DottedPath(text.to_owned()))
    } else {
        Ok(format!("/{}", segments.join("/")))
    }
}
