//! Reads one privilege: its path and its constraints in the canonical form of requests.
//!
//! Refuses paths and parameters that no canonical request could match.

use std::sync::Arc;

use latchkey_protocol::Reason;
use latchkey_protocol::authorization::{self, QueryParameters};
use latchkey_protocol::target::{canonical_name, canonical_path, canonical_text};

use super::Reader;
use crate::document::ProblemKind;
use crate::rules::privileges::Privilege;

impl Reader {
    pub(super) fn privilege(
        &mut self,
        at: usize,
        entry: &authorization::Privilege,
    ) -> Option<Privilege> {
        let pointer = format!("/rules/privileges/{at}");
        let path = self.path(&pointer, &entry.path);
        let constraints = match &entry.query_parameters {
            Some(parameters) => self.constraints(&pointer, parameters),
            None => Vec::new(),
        };
        let (path, is_below_only) = path?;
        Some(Privilege {
            name: Arc::from(entry.name.as_str()),
            path,
            is_below_only,
            constraints,
        })
    }

    fn path(&mut self, pointer: &str, text: &str) -> Option<(String, bool)> {
        let path = text.to_owned();
        let kind = if !text.starts_with('/') {
            ProblemKind::RelativePath(path)
        } else if text.contains('?') {
            ProblemKind::QueryInPath(path)
        } else {
            match canonical_path(text) {
                Ok(read) => return Some(read),
                Err(reason) => ProblemKind::UnreadablePath { path, reason },
            }
        };
        self.report(format!("{pointer}/path"), kind);
        None
    }

    /// Reads constraints into canonical form, sorted by name.
    fn constraints(
        &mut self,
        pointer: &str,
        parameters: &QueryParameters,
    ) -> Vec<(String, String)> {
        let mut constraints: Vec<(String, String)> = Vec::with_capacity(parameters.0.len());
        for (name, value) in &parameters.0 {
            let pointer = format!("{pointer}/queryParameters/{}", escaped(name));
            if name.is_empty() {
                self.report(pointer.clone(), ProblemKind::NamelessParameter);
            }
            let readings = (
                self.readable(&pointer, name, canonical_name),
                self.readable(&pointer, value, canonical_text),
            );
            let (Some(name), Some(value)) = readings else {
                continue;
            };
            if constraints.iter().any(|(known, _)| *known == name) {
                self.report(pointer, ProblemKind::DuplicateParameter(name));
            } else {
                constraints.push((name, value));
            }
        }
        constraints.sort_unstable();
        constraints
    }

    /// Reads a text of the rules as the same text of a request is read.
    fn readable(
        &mut self,
        pointer: &str,
        text: &str,
        read: fn(&str) -> Result<String, Reason>,
    ) -> Option<String> {
        let unreadable = |reason| ProblemKind::UnreadableText {
            text: text.to_owned(),
            reason,
        };
        read(text)
            .map_err(|reason| self.report(pointer, unreadable(reason)))
            .ok()
    }
}

/// Writes a member name as a part of a JSON pointer (RFC 6901 section 3).
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
