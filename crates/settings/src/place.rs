//! A place in a text, as people count: lines and columns from 1.

use std::fmt;

/// A place in a text, ordered as one reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

impl Place {
    /// Returns the place of a byte of a text.
    pub(crate) fn of(byte: usize, text: &str) -> Self {
        let before = text.get(..byte).unwrap_or_default();
        // Editors do not count the mark.
        let before = before.trim_start_matches('\u{feff}');
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}
