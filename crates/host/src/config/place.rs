//! Problems of a configuration text, each at its line and column.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use toml::Spanned;

/// One problem of a configuration text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

/// Collects the problems of one text.
#[derive(Debug)]
pub struct Problems<'a> {
    text: &'a str,
    found: Vec<ConfigProblem>,
}

impl<'a> Problems<'a> {
    /// Begins with none.
    #[must_use]
    pub const fn in_text(text: &'a str) -> Self {
        Self {
            text,
            found: Vec::new(),
        }
    }

    /// Adds a problem at a place of the text.
    pub fn at(&mut self, span: Range<usize>, message: &str) {
        let before = self.text.get(..span.start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        self.found.push(ConfigProblem {
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
            message: message.to_owned(),
        });
    }

    /// Reads a text as a value, or adds a problem.
    pub fn parsed<T: FromStr>(&mut self, text: &Spanned<String>, complaint: &str) -> Option<T> {
        let value = text.as_ref().parse().ok();
        if value.is_none() {
            self.at(text.span(), &format!("`{}` {complaint}", text.as_ref()));
        }
        value
    }

    /// Returns whether none was found.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Returns all that were found.
    #[must_use]
    pub fn into_vec(self) -> Vec<ConfigProblem> {
        self.found
    }
}
