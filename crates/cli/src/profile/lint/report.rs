//! Writes what lint found: for people beside the lines that it is about, for programs as one object.

use std::io;

use latchkey_policy::lint::Severity;
use serde::Serialize;

use super::Linted;
use super::entry::Entry;
use crate::board::{Board, MAX_DRAWN, Note};
use crate::visible::visible;

/// The whole answer.
#[derive(Debug, Serialize)]
pub(super) struct Answer<'a> {
    files: &'a [Linted],
    errors: usize,
    warnings: usize,
    notes: usize,
}

pub(super) fn json(files: &[Linted]) -> Answer<'_> {
    let count = |severity| {
        let findings = files.iter().flat_map(|file| &file.findings);
        findings.filter(|one| one.severity == severity).count()
    };
    Answer {
        files,
        errors: count(Severity::Error),
        warnings: count(Severity::Warning),
        notes: count(Severity::Note),
    }
}

pub(super) fn text(files: &[Linted]) -> String {
    let mut shown = String::new();
    for file in files {
        let (drawn, listed) = file.findings.split_at(file.findings.len().min(MAX_DRAWN));
        let mut board = Board::new(&file.file, &file.text, &io::stdout());
        for entry in drawn {
            board.draw(&note(&file.file, entry));
            board.part();
        }
        shown += &board.shown();
        for entry in listed {
            shown += &visible(&line(&file.file, entry));
            shown.push('\n');
        }
    }
    let Answer {
        errors,
        warnings,
        notes,
        ..
    } = json(files);
    shown.push_str(&format!(
        "{}, {}, {} in {}\n",
        counted(errors, "error"),
        counted(warnings, "warning"),
        counted(notes, "note"),
        counted(files.len(), "file"),
    ));
    shown
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

fn line(file: &str, entry: &Entry) -> String {
    let Entry {
        code,
        severity,
        message,
        ..
    } = entry;
    match (entry.line, entry.column) {
        (Some(line), Some(column)) => {
            format!("{file}:{line}:{column}: {severity}[{code}]: {message}")
        }
        _ => format!("{file}: {severity}[{code}]: {message}"),
    }
}

fn note<'a>(file: &str, entry: &'a Entry) -> Note<'a> {
    Note {
        code: &entry.code,
        severity: match entry.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
            Severity::Note => miette::Severity::Advice,
        },
        message: match &entry.span {
            Some(_) => format!("{}: {}", entry.severity, entry.message),
            // Without a line that shows it.
            None => format!("{}: {file}: {}", entry.severity, entry.message),
        },
        help: entry.remedy.as_deref(),
        span: entry.span.as_ref(),
    }
}
