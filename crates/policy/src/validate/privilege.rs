//! Reads one privilege: its path, methods and constraints in the canonical form of requests.
//!
//! Refuses paths, methods and parameters that no canonical request could match.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use latchkey_protocol::Reason;
use latchkey_protocol::authorization::{self, QueryParameters};
use latchkey_protocol::target::{canonical_name, canonical_path, canonical_text};

use super::Reader;
use crate::document::ProblemKind;
use crate::document::place::escaped;
use crate::rules::privilege::{PathMatch, Privilege, Reach};

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
        let methods = self.methods(&pointer, entry.methods.as_deref());
        let path_match = self.path_match(&pointer, entry.path_match.as_deref());
        let (path, demands_slash) = path?;
        Some(Privilege {
            at,
            name: Arc::from(entry.name.as_str()),
            reach: Reach {
                path,
                path_match: path_match?,
                demands_slash,
                methods,
                constraints,
            },
        })
    }

    /// Reads methods, sorted; requests are compared with them byte for byte (RFC 9110 section 9.1).
    fn methods(&mut self, pointer: &str, methods: Option<&[String]>) -> Option<Vec<String>> {
        let methods = methods?;
        if methods.is_empty() {
            self.report(format!("{pointer}/methods"), ProblemKind::EmptyList);
        }
        let mut read = BTreeSet::new();
        for (at, method) in methods.iter().enumerate() {
            let problem = if !is_token(method) {
                Some(ProblemKind::InvalidMethod(method.clone()))
            } else if method.bytes().any(|byte| byte.is_ascii_lowercase()) {
                Some(ProblemKind::LowerCaseMethod(method.clone()))
            } else if read.contains(method) {
                Some(ProblemKind::DuplicateMethod(method.clone()))
            } else {
                None
            };
            match problem {
                Some(kind) => self.report(format!("{pointer}/methods/{at}"), kind),
                None => {
                    read.insert(method.clone());
                }
            }
        }
        Some(read.into_iter().collect())
    }

    fn path_match(&mut self, pointer: &str, text: Option<&str>) -> Option<PathMatch> {
        let Some(text) = text else {
            return Some(PathMatch::Segments);
        };
        let path_match = PathMatch::parse(text);
        if path_match.is_none() {
            let kind = ProblemKind::UnknownPathMatch(text.to_owned());
            self.report(format!("{pointer}/pathMatch"), kind);
        }
        path_match
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
        let mut constraints = BTreeMap::new();
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
            match constraints.entry(name) {
                Entry::Occupied(known) => {
                    let name = known.key().clone();
                    self.report(pointer, ProblemKind::DuplicateParameter(name));
                }
                Entry::Vacant(place) => {
                    place.insert(value);
                }
            }
        }
        constraints.into_iter().collect()
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

/// Returns whether a text is a token (RFC 9110 section 5.6.2).
fn is_token(text: &str) -> bool {
    let is_token_byte =
        |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_token_byte)
}
