//! Writes what lint found: for people beside the lines that it is about, for programs as one object.

use std::ops::Range;

use latchkey_policy::lint::Severity;
use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource, Report,
};
use serde::Serialize;

use super::Linted;
use super::entry::Entry;
use crate::terminal::{self, Palette};

/// How many findings of a file are drawn beside their lines; of more each gets one line, so that the answer
/// is there soon and can be read.
const MAX_DRAWN: usize = 100;

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
        for entry in drawn {
            draw(&mut shown, file, entry);
            shown.push('\n');
        }
        for entry in listed {
            shown.push_str(&line(&file.file, entry));
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
            format!("{file}:{line}:{column}: {severity}[{code}]: {message}\n")
        }
        _ => format!("{file}: {severity}[{code}]: {message}\n"),
    }
}

fn draw(shown: &mut String, file: &Linted, entry: &Entry) {
    let handler = GraphicalReportHandler::new_themed(theme())
        .with_context_lines(1)
        .with_links(false);
    let source = NamedSource::new(&file.file, file.text.clone());
    let report = Report::new(diagnostic(file, entry)).with_source_code(source);
    if handler.render_report(shown, report.as_ref()).is_err() {
        // Whatever cannot be drawn is still said.
        shown.push_str(&entry.message);
        shown.push('\n');
    }
}

fn diagnostic(file: &Linted, entry: &Entry) -> MietteDiagnostic {
    let severity = match entry.severity {
        Severity::Error => miette::Severity::Error,
        Severity::Warning => miette::Severity::Warning,
        Severity::Note => miette::Severity::Advice,
    };
    let message = match &entry.span {
        Some(_) => format!("{}: {}", entry.severity, entry.message),
        // Without a line that shows it.
        None => format!("{}: {}: {}", entry.severity, file.file, entry.message),
    };
    let mut diagnostic = MietteDiagnostic::new(message)
        .with_code(&entry.code)
        .with_severity(severity);
    if let Some(span) = &entry.span {
        let span = first_line(&file.text, span);
        diagnostic = diagnostic.with_label(LabeledSpan::underline(span));
    }
    if let Some(remedy) = &entry.remedy {
        diagnostic = diagnostic.with_help(remedy);
    }
    diagnostic
}

/// A caret under more than a line shows nothing.
fn first_line(text: &str, span: &Range<usize>) -> Range<usize> {
    let marked = text
        .get(span.clone())
        .and_then(|marked| marked.lines().next());
    span.start..span.start + marked.map_or(0, str::len)
}

/// Drawn in colour for people; in ASCII, with a caret, for files and pipes.
fn theme() -> GraphicalTheme {
    match terminal::palette() {
        Palette::Colour => GraphicalTheme::unicode(),
        Palette::Plain => GraphicalTheme::none(),
    }
}
