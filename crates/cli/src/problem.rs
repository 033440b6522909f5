//! What is wrong with a document, shown beside the line that it is about, or as JSON for programs.

use std::io::{self, Write as _};
use std::ops::Range;

use serde::Serialize;

use crate::arguments::Format;
use crate::board::{Board, MAX_DRAWN, Note};
use crate::exit::Exit;
use crate::terminal;
use crate::visible::visible;

/// How many problems of a document are said in one line each, behind those that are drawn.
const MAX_LISTED: usize = 900;

/// How much a problem matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// The document is not used.
    Error,
    /// The document is used all the same.
    Warning,
}

/// One problem, as `--format json` writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Problem {
    /// A stable word for this kind of problem.
    pub(crate) code: String,
    pub(crate) severity: Severity,
    /// A JSON pointer from the profile, where the problem is in one.
    pub(crate) pointer: Option<String>,
    /// Both count from 1; absent where the text has no such place.
    pub(crate) line: Option<usize>,
    pub(crate) column: Option<usize>,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
    /// The bytes of the text that it is about.
    #[serde(skip)]
    pub(crate) span: Option<Range<usize>>,
}

impl Problem {
    /// Returns an error without a place.
    pub(crate) fn error(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            severity: Severity::Error,
            pointer: None,
            line: None,
            column: None,
            message: message.into(),
            help: None,
            span: None,
        }
    }

    /// Puts the problem at a line and column of a text, which count from 1.
    pub(crate) fn at(mut self, text: &str, line: usize, column: usize) -> Self {
        self.line = Some(line);
        self.column = Some(column);
        self.span = offset(text, line, column).map(|start| start..end_of_token(text, start));
        self
    }

    /// Puts the problem at the word that ends at a line and column of bytes, which count from 1.
    pub(crate) fn at_end(self, text: &str, line: usize, column: usize) -> Self {
        let before: usize = text
            .split_inclusive('\n')
            .take(line.saturating_sub(1))
            .map(str::len)
            .sum();
        let read = text.get(..before + column).unwrap_or(text);
        let start = start_of_token(read);
        self.at_offset(text, start)
    }

    /// Puts the problem where a word stands first in a text; nowhere if it does not.
    pub(crate) fn at_first(self, text: &str, word: &str) -> Self {
        match text.find(word) {
            Some(at) => self.at_offset(text, at),
            None => self,
        }
    }

    fn at_offset(self, text: &str, at: usize) -> Self {
        let before = text.get(..at).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        let column = before.get(start..).map_or(0, |line| line.chars().count()) + 1;
        self.at(text, line, column)
    }
}

/// Returns where the word or text in quotation marks begins that a text ends with.
fn start_of_token(text: &str) -> usize {
    if let Some(quoted) = text.strip_suffix('"') {
        return quoted.rfind('"').unwrap_or(quoted.len());
    }
    let is_word = |character: char| character.is_alphanumeric() || "-+.".contains(character);
    let mut characters = text.char_indices().rev();
    let last = characters.next().map_or(0, |(at, _)| at);
    if !text.ends_with(is_word) {
        return last;
    }
    let word = characters.take_while(|(_, character)| is_word(*character));
    word.last().map_or(last, |(at, _)| at)
}

/// Returns where the character at a line and column begins.
fn offset(text: &str, line: usize, column: usize) -> Option<usize> {
    let before: usize = text
        .split_inclusive('\n')
        .take(line.checked_sub(1)?)
        .map(str::len)
        .sum();
    let rest = text.get(before..)?.lines().next().unwrap_or_default();
    let within = rest
        .char_indices()
        .map(|(at, _)| at)
        .nth(column.saturating_sub(1))
        .unwrap_or(rest.len());
    Some(before + within)
}

/// Returns where the word that begins at `start` ends: one character at least, if there is one.
fn end_of_token(text: &str, start: usize) -> usize {
    let rest = text.get(start..).unwrap_or_default();
    let is_word = |character: char| character.is_alphanumeric() || "_-./\"".contains(character);
    let word = rest.find(|character| !is_word(character));
    let first = rest.chars().next().map_or(0, char::len_utf8);
    start + word.unwrap_or(rest.len()).max(first)
}

/// Shows all problems of a document and returns how the program ends.
pub(crate) fn show(name: &str, text: &str, problems: &[Problem], format: Format) -> Exit {
    match format {
        Format::Text => {
            complain(name, text, problems);
            Exit::Invalid
        }
        Format::Json => terminal::print_json(problems, Exit::Invalid),
    }
}

/// Shows problems to a person, on standard error.
pub(crate) fn complain(name: &str, text: &str, problems: &[Problem]) {
    let mut board = Board::new(name, text, &io::stderr());
    let (drawn, others) = problems.split_at(problems.len().min(MAX_DRAWN));
    for problem in drawn {
        board.draw(&note(name, problem));
    }
    let mut shown = board.shown();
    for problem in others.iter().take(MAX_LISTED) {
        shown += &visible(&line(name, problem));
        shown.push('\n');
    }
    let unsaid = others.len().saturating_sub(MAX_LISTED);
    if unsaid > 0 {
        shown += &format!("{unsaid} more problems are not shown\n");
    }
    // Without standard error the exit code alone tells it.
    drop(io::stderr().write_all(shown.as_bytes()));
}

/// Says a problem in one line.
fn line(name: &str, problem: &Problem) -> String {
    let Problem { code, message, .. } = problem;
    let pointer = problem.pointer.as_deref().unwrap_or_default();
    match (problem.line, problem.column) {
        (Some(line), Some(column)) => {
            format!("{name}:{line}:{column}: {code}: {pointer}: {message}")
        }
        _ => format!("{name}: {code}: {pointer}: {message}"),
    }
}

fn note<'a>(name: &str, problem: &'a Problem) -> Note<'a> {
    let message = match (&problem.pointer, &problem.span) {
        (Some(pointer), _) if !pointer.is_empty() => format!("{pointer}: {}", problem.message),
        (_, Some(_)) => problem.message.clone(),
        (_, None) => format!("{name}: {}", problem.message),
    };
    Note {
        code: &problem.code,
        severity: match problem.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        },
        message,
        help: problem.help.as_deref(),
        span: problem.span.as_ref(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_of_a_problem_is_the_word_there() {
        let text = "{\n  \"mode\": \"Ä\", \"x\": tru\n}";
        let problem = Problem::error("c", "m").at(text, 2, 21);
        assert_eq!(text.get(problem.span.unwrap()), Some("tru"));
        let end = Problem::error("c", "m").at(text, 3, 2);
        assert_eq!(end.span, Some(text.len()..text.len()));
        assert_eq!(Problem::error("c", "m").at("", 1, 1).span, Some(0..0));
    }

    #[test]
    fn place_of_what_was_read_last_is_its_beginning() {
        for (line, column, word) in [(2, 12, "\"a\""), (2, 19, "-1"), (2, 22, "[")] {
            let text = "{\n  \"uid\": \"a\",\"b\":-1 ,[";
            let problem = Problem::error("c", "m").at_end(text, line, column);
            let span = problem.span.unwrap();
            assert_eq!(text.get(span), Some(word), "{column}");
        }
    }
}
