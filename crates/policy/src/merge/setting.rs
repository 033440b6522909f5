//! The settings of a union: mode, default access and the end of Audit.

use std::cmp::Ordering;

use jiff::Timestamp;
use latchkey_protocol::Mode;

use super::{Conflict, Prefer};
use crate::meaning::Meaning;
use crate::rules::Access;

/// What stands beside the rules.
pub(super) struct Settings {
    pub(super) mode: Mode,
    pub(super) default_access: Access,
    pub(super) audit_until: Option<Timestamp>,
}

/// Unites the settings of two profiles.
pub(super) fn merged(
    meanings: [&Meaning; 2],
    prefer: Option<Prefer>,
    conflicts: &mut Vec<Conflict>,
) -> Settings {
    let mut settle = Settle { prefer, conflicts };
    Settings {
        mode: settle.one(
            "mode",
            meanings.map(|meaning| meaning.mode),
            Mode::cmp,
            |mode| format!("`{mode}`"),
        ),
        default_access: settle.one(
            "defaultAccess",
            meanings.map(|meaning| meaning.default_access),
            |a, b| (*a == Access::Deny).cmp(&(*b == Access::Deny)),
            |access| format!("`{}`", access.as_str()),
        ),
        audit_until: settle.one(
            "auditUntil",
            meanings.map(|meaning| meaning.audit_until),
            // The earlier end is the stricter one; Audit without an end lasts longest.
            |a, b| (b.is_none(), b).cmp(&(a.is_none(), a)),
            |end| end.map_or_else(|| "absent".to_owned(), |end| format!("`{end}`")),
        ),
    }
}

struct Settle<'a> {
    prefer: Option<Prefer>,
    conflicts: &'a mut Vec<Conflict>,
}

impl Settle<'_> {
    fn one<T: PartialEq>(
        &mut self,
        field: &str,
        [first, second]: [T; 2],
        strictness: impl Fn(&T, &T) -> Ordering,
        words: impl Fn(&T) -> String,
    ) -> T {
        if first == second {
            return first;
        }
        match self.prefer {
            Some(Prefer::First) => first,
            Some(Prefer::Second) => second,
            Some(Prefer::Strict) if strictness(&first, &second).is_lt() => second,
            Some(Prefer::Strict) => first,
            None => {
                self.conflicts.push(Conflict {
                    subject: format!("`{field}`"),
                    pointers: [format!("/{field}"), format!("/{field}")],
                    contents: [words(&first), words(&second)],
                    remedy: "write the same into both, or choose with --prefer",
                });
                first
            }
        }
    }
}
