//! Problems of a configuration text, each at its line and column.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use latchkey_settings::{Document, Misfit, Place};
use toml::Spanned;

/// One problem of a configuration text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// Where; nothing when it is about what is not there.
    pub place: Option<Place>,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = self.place {
            write!(f, "{place}:")?;
        }
        write!(f, " {}", self.message)
    }
}

impl From<Misfit> for ConfigProblem {
    fn from(misfit: Misfit) -> Self {
        Self {
            place: misfit.place,
            message: misfit.message,
        }
    }
}

/// Collects the problems of the values of one text.
#[derive(Debug)]
pub(super) struct Problems<'a> {
    document: &'a Document<'a>,
    found: Vec<ConfigProblem>,
}

impl<'a> Problems<'a> {
    /// Begins with what is wrong with the form.
    pub(super) fn of(document: &'a Document<'a>, misfits: Vec<Misfit>) -> Self {
        Self {
            document,
            found: misfits.into_iter().map(ConfigProblem::from).collect(),
        }
    }

    /// Adds a problem at a place of the text.
    pub(super) fn at(&mut self, span: &Range<usize>, message: &str) {
        self.found.push(ConfigProblem {
            place: Some(self.document.place(span)),
            message: message.to_owned(),
        });
    }

    /// Adds a problem with a field as a whole, which may be absent.
    pub(super) fn about(&mut self, field: &str, message: &str) {
        self.found.push(ConfigProblem {
            place: self.document.place_of(field),
            message: message.to_owned(),
        });
    }

    /// Reads a text as a value, or adds a problem.
    pub(super) fn parsed<T: FromStr>(
        &mut self,
        text: &Spanned<String>,
        complaint: &str,
    ) -> Option<T> {
        let value = text.as_ref().parse().ok();
        if value.is_none() {
            self.at(&text.span(), &format!("`{}` {complaint}", text.as_ref()));
        }
        value
    }

    /// Returns whether all that the file says of a field could be read, so that what it does not
    /// say, or what goes together, can be told.
    pub(super) fn is_whole(&self, field: &str) -> bool {
        self.document.is_whole(field)
    }

    /// Returns whether none was found.
    pub(super) const fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Returns all that were found, in the order of the text.
    pub(super) fn into_vec(mut self) -> Vec<ConfigProblem> {
        self.found.sort_by_key(|problem| problem.place);
        self.found
    }
}
