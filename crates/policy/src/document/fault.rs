//! What can be wrong with the text of a document, each with its place and what to do about it.

use std::fmt;

use super::ProblemKind;
use super::place::Place;
use crate::local::LocalKind;

/// One thing wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// A JSON pointer (RFC 6901) from the root of the text to the offending value; what is
    /// missing is named where it belongs.
    pub pointer: String,
    /// The offending value in the text, or the nearest one around what is missing.
    pub place: Place,
    /// What is wrong, and what to do about it.
    pub kind: Fault,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pointer.as_str() {
            "" => write!(f, "{}: {}", self.place, self.kind),
            pointer => write!(f, "{}: `{pointer}`: {}", self.place, self.kind),
        }
    }
}

/// What can be wrong at one place of a text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// An object names a field twice.
    #[error(
        "`{name}` is already given in line {first}: keep one of the two, readers disagree about which counts"
    )]
    DuplicateField {
        /// The field.
        name: String,
        /// The line of the first one.
        first: usize,
    },
    /// The rules of a local file are wrong in a way that only such files can be.
    #[error(transparent)]
    Local(LocalKind),
    /// The text is no JSON.
    #[error("this is not JSON: {0}")]
    Malformed(String),
    /// A field that must be there is not.
    #[error("the field `{0}` is missing: add it")]
    MissingField(&'static str),
    /// The bytes are no text.
    #[error("this is not UTF-8: save the file in that encoding")]
    NotUtf8,
    /// The document means nothing, or not what its author thinks.
    #[error(transparent)]
    Profile(ProblemKind),
    /// Lists and objects contain each other too deeply.
    #[error(
        "the document is nested more than {} levels deep: no form of it is",
        super::json::MAX_DEPTH
    )]
    TooDeep,
    /// The text is too long.
    #[error(
        "the document is longer than {} bytes: split its rules into several profiles",
        super::json::MAX_BYTES
    )]
    TooLarge,
    /// The field is none of the form.
    #[error("there is no field `{name}` here: {}", advice(.near, .known))]
    UnknownField {
        /// The field.
        name: String,
        /// The known field whose name is much alike.
        near: Option<&'static str>,
        /// All known fields.
        known: Vec<&'static str>,
    },
    /// The document is of none of the forms.
    #[error(
        "this is no form of a profile: give a resource body (with `properties`), an authorization item (with `mode`, \
         `defaultAccess`, `id` and `rules`), the four lists of rules, or a local rule file (with `rules`)"
    )]
    UnknownForm,
    /// A value is of another type.
    #[error("this must be {expected}, and is {found}: write {expected}")]
    WrongType {
        /// What it must be.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
}

fn advice(near: &Option<&'static str>, known: &[&'static str]) -> String {
    match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the fields are {}", known.join(", ")),
    }
}

/// The text is refused, with everything that is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct InvalidDocument(pub(super) Vec<Problem>);

impl InvalidDocument {
    /// Returns the problems in the order of the text; there is at least one.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.0
    }
}

impl fmt::Display for InvalidDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the document is invalid")?;
        for (index, problem) in self.0.iter().enumerate() {
            write!(f, "{}{problem}", if index == 0 { ": at " } else { "; at " })?;
        }
        Ok(())
    }
}
