//! Profile documents: their text in every form ([`text`]), and what can be wrong with them, and where.
//!
//! A document with any problem is refused whole, so that the last good rules stay in
//! force: half a profile protects something else than its author meant.

use std::fmt;

use latchkey_protocol::Reason;
use latchkey_protocol::audit_end::AuditEndError;
use latchkey_protocol::flag::FlagError;
use latchkey_protocol::mode::ModeError;

mod check;
mod fault;
mod form;
mod format;
mod json;
mod number;
mod part;
pub(crate) mod place;
pub mod resource;
#[cfg(feature = "schema")]
pub mod schema;
mod shape;
pub mod text;

pub use fault::{Fault, InvalidDocument, Problem};
pub use form::{Assumed, Form};
pub use format::{format, render};
pub use json::{MAX_BYTES, MAX_DEPTH};
pub use number::are_numbers_kept;
pub use place::Place;
pub use resource::Resource;
pub use text::{Document, read, read_bytes};

/// One thing wrong with a profile, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileProblem {
    /// A JSON pointer (RFC 6901) from the item to the offending value.
    pub pointer: String,
    /// What is wrong, and what to do about it.
    pub kind: ProblemKind,
}

impl fmt::Display for ProfileProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.pointer, self.kind)
    }
}

/// What can be wrong at one place of a profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProblemKind {
    /// The path of a file or cgroup can be read in two ways.
    #[error("`{0}` holds a `.` or `..` segment: write the path without it, as the kernel shows it")]
    DottedPath(String),
    /// A method is listed twice.
    #[error("the method `{0}` is already in this list: leave one of them out")]
    DuplicateMethod(String),
    /// A name is taken.
    #[error("the name `{name}` is already taken by entry {first} of this list: names are unique")]
    DuplicateName {
        /// The name.
        name: String,
        /// The index of the entry that has it.
        first: usize,
    },
    /// Two parameters have one name after decoding and folding of letter case.
    #[error(
        "the parameter `{0}` is constrained twice: letter case and percent-encoding make no difference"
    )]
    DuplicateParameter(String),
    /// An entry of a named list has no name.
    #[error("the name is blank: give the entry a name that others can refer to")]
    BlankName,
    /// A selector is given but selects nothing.
    #[error("the selector is blank: leave it out, or name what it selects")]
    BlankSelector,
    /// A list is given but has nothing in it.
    #[error("the list is empty: leave it out, or name what is in it")]
    EmptyList,
    /// The mode of an assignment is neither of the two words.
    #[error(
        "`{0}` is not a mode of an assignment: use Audit or Enforce, or leave it out for the mode of the profile"
    )]
    InvalidAssignmentMode(String),
    /// The text is no SHA-256.
    #[error("`{0}` is no SHA-256: write its 64 hexadecimal digits, as sha256sum shows them")]
    InvalidDigest(String),
    /// The text is no method, so no request could have it.
    #[error("`{0}` is no method: write a word without blanks, as in `GET`")]
    InvalidMethod(String),
    /// The text is no name of a slice, so no caller could be in it.
    #[error("`{0}` is no slice of systemd: write its whole name, as in `system.slice`")]
    InvalidSlice(String),
    /// The text is no time.
    #[error(transparent)]
    InvalidTime(AuditEndError),
    /// The text is no name of a unit that processes are in.
    #[error(
        "`{0}` is no unit of systemd with processes: write its whole name, as in `app.service`"
    )]
    InvalidUnit(String),
    /// The method is not in upper case, and requests have it so.
    #[error("the method `{0}` matches no request: write `{upper}`, letter case counts", upper = .0.to_ascii_uppercase())]
    LowerCaseMethod(String),
    /// Some but not all of the four lists are there.
    #[error("the list is missing: rules have all four lists (an empty one counts) or none")]
    MissingList,
    /// A constraint names no parameter.
    #[error("the parameter has no name: name the query parameter that is constrained")]
    NamelessParameter,
    /// An identity would match everybody.
    #[error(
        "the identity selects nobody: give it userName, groupName, exePath, processName, systemdUnit, systemdSlice, \
         containerId, cgroup, scriptPath, exeSha256, uid or gid"
    )]
    NoSelector,
    /// The path ends in a query.
    #[error("the path `{0}` holds a question mark: put the query into queryParameters")]
    QueryInPath(String),
    /// The path names no cgroup, or the root, which every caller is in.
    #[error("`{0}` is not the path of a cgroup below the root: start it with a slash and name one")]
    RelativeCgroup(String),
    /// The path of an executable or script names no file.
    #[error("`{0}` is not the absolute path of a file: start it with a slash and name the file")]
    RelativeFile(String),
    /// The path does not start with a slash.
    #[error("the path `{0}` does not start with a slash")]
    RelativePath(String),
    /// The default access is neither of the two words.
    #[error("`{0}` is not a default access: use Allow or Deny")]
    UnknownAccess(String),
    /// A word of what is forbidden is none.
    #[error(transparent)]
    UnknownFlag(FlagError),
    /// An assignment refers to an identity that is not there.
    #[error("there is no identity `{0}`: names are compared exactly")]
    UnknownIdentity(String),
    /// The mode is none of the three words.
    #[error(transparent)]
    UnknownMode(ModeError),
    /// The way of matching a path is neither of the two words.
    #[error(
        "`{0}` is no way to match a path: use segments (the path and everything below it) or exact (the path alone)"
    )]
    UnknownPathMatch(String),
    /// A role refers to a privilege that is not there.
    #[error("there is no privilege `{0}`: names are compared exactly")]
    UnknownPrivilege(String),
    /// An assignment refers to a role that is not there.
    #[error("there is no role `{0}`: names are compared exactly")]
    UnknownRole(String),
    /// The path has no canonical form, so no request that is served could match it.
    #[error("the path `{path}` could never match: {}", title(.reason))]
    UnreadablePath {
        /// The path.
        path: String,
        /// Why a request with this path is ambiguous.
        reason: Reason,
    },
    /// The text has no canonical form, so no request that is served could match it.
    #[error("`{text}` could never match: {}", title(.reason))]
    UnreadableText {
        /// The name or value.
        text: String,
        /// Why a request with this text is ambiguous.
        reason: Reason,
    },
}

/// The sentence of a reason as part of a message.
fn title(reason: &Reason) -> String {
    reason.title().trim_end_matches('.').to_ascii_lowercase()
}

/// The profile is refused, with everything that is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct InvalidProfile(pub(crate) Vec<ProfileProblem>);

impl InvalidProfile {
    /// Returns the problems in the order of the document; there is at least one.
    #[must_use]
    pub fn problems(&self) -> &[ProfileProblem] {
        &self.0
    }
}

impl fmt::Display for InvalidProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the access control profile is invalid")?;
        for (index, problem) in self.0.iter().enumerate() {
            write!(f, "{}{problem}", if index == 0 { ": at " } else { "; at " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_listed_in_one_line_with_their_places() {
        let invalid = InvalidProfile(vec![
            ProfileProblem {
                pointer: "/mode".to_owned(),
                kind: ProblemKind::UnknownAccess("x".to_owned()),
            },
            ProfileProblem {
                pointer: "/rules/privileges/0/path".to_owned(),
                kind: ProblemKind::UnreadablePath {
                    path: "/a%2fb".to_owned(),
                    reason: Reason::EncodedSeparator,
                },
            },
        ]);
        assert_eq!(
            invalid.to_string(),
            "the access control profile is invalid: at `/mode`: `x` is not a default access: use Allow or Deny; \
             at `/rules/privileges/0/path`: the path `/a%2fb` could never match: the path holds an encoded or backward path separator"
        );
    }
}
