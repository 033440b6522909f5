//! What is wrong with machine files: each problem with its file and, where it is known, its line and column.

use std::fmt;
use std::path::PathBuf;

use latchkey_settings::Place;

/// One problem of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineProblem {
    /// The file, or the folder.
    pub path: PathBuf,
    /// Where in the file; nothing when that is not known, or nothing stands there.
    pub place: Option<Place>,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for MachineProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.path.display())?;
        if let Some(place) = self.place {
            write!(f, "{place}:")?;
        }
        write!(f, " {}", self.message)
    }
}

/// Collects what is wrong with the values of one file.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<FieldProblem>);

/// What is wrong with the value of a field.
#[derive(Debug)]
pub(super) struct FieldProblem {
    /// The field, such as `facts.network.0.prefix`.
    pub(super) field: String,
    pub(super) message: String,
    pub(super) scope: Scope,
}

/// What must have been read whole before a problem can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// The field alone.
    Field,
    /// The field, and another one: the problem is one because of that one's value.
    Under(&'static str),
    /// The whole file: the problem is how fields go together.
    File,
}

impl Problems {
    /// Adds a problem with the value of a field, or with its absence.
    pub(super) fn at(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.add(field.into(), message.into(), Scope::Field);
    }

    /// Adds a problem that a field has, or that its absence is, because of another field's value.
    pub(super) fn under(
        &mut self,
        other: &'static str,
        field: impl Into<String>,
        message: impl Into<String>,
    ) {
        self.add(field.into(), message.into(), Scope::Under(other));
    }

    /// Adds a problem with how a field goes together with others.
    pub(super) fn between(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.add(field.into(), message.into(), Scope::File);
    }

    fn add(&mut self, field: String, message: String, scope: Scope) {
        self.0.push(FieldProblem {
            field,
            message,
            scope,
        });
    }

    /// Returns whether none was found.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns all that were found.
    pub(super) fn into_vec(self) -> Vec<FieldProblem> {
        self.0
    }

    /// Returns what is told of them.
    #[cfg(test)]
    pub(super) fn messages(&self) -> Vec<&str> {
        self.0.iter().map(|own| own.message.as_str()).collect()
    }
}
