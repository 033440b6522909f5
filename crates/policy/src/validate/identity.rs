//! Reads one identity: its selectors, of which there is at least one.
//!
//! Refuses selectors that are blank, and executables that are not named as the kernel names them.

use std::sync::Arc;

use latchkey_protocol::authorization;

use super::Reader;
use crate::document::ProblemKind;
use crate::rules::identities::Identity;

impl Reader {
    pub(super) fn identity(
        &mut self,
        at: usize,
        entry: &authorization::Identity,
    ) -> Option<Identity> {
        let pointer = format!("/rules/identities/{at}");
        let selectors = [
            &entry.user_name,
            &entry.group_name,
            &entry.exe_path,
            &entry.process_name,
        ];
        if selectors.iter().all(|selector| selector.is_none()) {
            self.report(pointer.clone(), ProblemKind::NoSelector);
        }
        let names = ["userName", "groupName", "exePath", "processName"];
        for (name, selector) in names.into_iter().zip(selectors) {
            if selector
                .as_deref()
                .is_some_and(|value| value.trim().is_empty())
            {
                self.report(format!("{pointer}/{name}"), ProblemKind::BlankSelector);
            }
        }
        let executable = match entry
            .exe_path
            .as_deref()
            .filter(|path| !path.trim().is_empty())
        {
            Some(path) => Some(self.executable(&pointer, path)?),
            None => None,
        };
        Some(Identity {
            name: Arc::from(entry.name.as_str()),
            user: entry.user_name.clone(),
            group: entry.group_name.clone(),
            executable,
            process: entry.process_name.clone(),
        })
    }

    /// Reads an executable's path by its components: repeated and trailing slashes drop out.
    fn executable(&mut self, pointer: &str, text: &str) -> Option<String> {
        let segments: Vec<_> = text
            .split('/')
            .filter(|segment| !segment.is_empty())
            .collect();
        let kind = if !text.starts_with('/') || segments.is_empty() {
            ProblemKind::RelativeExecutable(text.to_owned())
        } else if segments
            .iter()
            .any(|segment| matches!(*segment, "." | ".."))
        {
            ProblemKind::DottedExecutable(text.to_owned())
        } else {
            return Some(format!("/{}", segments.join("/")));
        };
        self.report(format!("{pointer}/exePath"), kind);
        None
    }
}
