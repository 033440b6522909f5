//! A finding of lint or a problem of a document, at its place in the text.

use std::ops::Range;

use latchkey_policy::document::{Document, Place};
use latchkey_policy::lint::{Finding, Severity};
use serde::Serialize;

use crate::problem::{self, Problem};

/// What was found, as `--format json` writes it.
#[derive(Debug, Serialize)]
pub(super) struct Entry {
    pub(super) code: String,
    pub(super) severity: Severity,
    /// A JSON pointer: from the item for findings, from the root of the text for what is invalid.
    pub(super) pointer: Option<String>,
    /// Both count from 1; absent for what the text does not say.
    pub(super) line: Option<usize>,
    pub(super) column: Option<usize>,
    pub(super) message: String,
    pub(super) remedy: Option<String>,
    /// The bytes of the text that it is about.
    #[serde(skip)]
    pub(super) span: Option<Range<usize>>,
}

impl Entry {
    /// Puts a finding at its place in the text.
    pub(super) fn of_finding(finding: Finding, document: &Document) -> Self {
        let place = place(&finding.pointer, document);
        Self {
            code: finding.code.as_str().to_owned(),
            severity: finding.severity,
            pointer: Some(finding.pointer),
            line: place.as_ref().map(|place| place.line),
            column: place.as_ref().map(|place| place.column),
            message: finding.message,
            remedy: Some(finding.remedy.to_owned()),
            span: place.map(|place| place.offset..place.offset + place.len),
        }
    }
}

/// Returns where a finding stands; an entry of a list stands at its name.
fn place(pointer: &str, document: &Document) -> Option<Place> {
    let whole = document.place(pointer)?;
    ["name", "role"]
        .iter()
        .filter_map(|member| document.place(&format!("{pointer}/{member}")))
        // What it does not have stands where it stands itself.
        .find(|name| name.offset > whole.offset)
        .or(Some(whole))
}

impl From<Problem> for Entry {
    fn from(problem: Problem) -> Self {
        Self {
            code: problem.code,
            severity: match problem.severity {
                problem::Severity::Error => Severity::Error,
                problem::Severity::Warning => Severity::Warning,
            },
            pointer: problem.pointer,
            line: problem.line,
            column: problem.column,
            message: problem.message,
            remedy: problem.help,
            span: problem.span,
        }
    }
}
