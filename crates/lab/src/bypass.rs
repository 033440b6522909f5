//! The ways round the redirect, what must become of each, and the table of what became of them.
//!
//! A way that the tests of `tests/bypass` try is a [`Row`] with the name of its test; the test
//! leaves [`Evidence`], and [`matrix`] makes the table of rows and evidence. A row is never proven
//! by itself: without evidence there is no table.

use std::fmt;

use latchkey_protocol::Reason;

pub mod evidence;
pub mod matrix;
mod row;
mod rows;

pub use evidence::{Evidence, EvidenceError};
pub use row::{Argument, Outcome, Proof, Row, Section};
pub use rows::{ARGUMENTS, SECTIONS};

/// Returns the row of a test.
#[must_use]
pub fn row_of(test: &str) -> Option<&'static Row> {
    let rows = SECTIONS.iter().flat_map(|section| section.rows);
    rows.into_iter().find(|row| row.test == test)
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Brokered => f.write_str("brokered"),
            Self::InAnothersName => f.write_str("**brokered in another's name**"),
            Self::Agent(reason) => refused(f, "the agent", reason),
            Self::Host(reason) => refused(f, "the host", reason),
            Self::Kernel(error) => write!(f, "refused by the kernel: `{error}`"),
            Self::Unanswered => f.write_str("goes nowhere"),
            Self::Passes => f.write_str("passes"),
        }
    }
}

fn refused(f: &mut fmt::Formatter<'_>, by: &str, reason: &Reason) -> fmt::Result {
    write!(f, "refused by {by}: `{reason}`")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_test_has_two_rows() {
        let tests: Vec<&str> = SECTIONS
            .iter()
            .flat_map(|section| section.rows)
            .map(|row| row.test)
            .collect();
        let names: BTreeSet<&str> = tests.iter().copied().collect();
        assert_eq!(names.len(), tests.len());
    }

    #[test]
    fn every_threat_to_the_kernel_layer_has_a_row() {
        let tried = SECTIONS.iter().flat_map(|section| section.rows);
        let found: BTreeSet<u8> = tried
            .flat_map(|row| row.threats.iter().copied())
            .chain(ARGUMENTS.iter().map(|argument| argument.threat))
            .collect();
        let expected: BTreeSet<u8> = [2, 3, 5].into_iter().chain(21..=50).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_taken_for_somebody_else_says_what_is_left_to_do() {
        for row in SECTIONS.iter().flat_map(|section| section.rows) {
            if row.outcome == Outcome::InAnothersName {
                assert!(!row.residual.is_empty(), "{}", row.test);
            }
        }
    }
}
