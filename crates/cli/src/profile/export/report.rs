//! What an export does not take over: for people one line each, for programs one object.

use std::path::Path;

use latchkey_policy::export::{Loss, Severity, Widening};
use serde::Serialize;

use crate::document::{self, Loaded};
use crate::exit::Exit;
use crate::terminal;

/// The whole answer.
#[derive(Debug, Serialize)]
struct Answer<'a> {
    /// Whether there is an export.
    exported: bool,
    /// The file that it was written to.
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
    /// The export, where it was written to no file.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    losses: Vec<Placed<'a>>,
}

/// A loss, at its place in the profile.
#[derive(Debug, Serialize)]
struct Placed<'a> {
    #[serde(flatten)]
    loss: &'a Loss,
    /// Both count from 1; null for what the profile does not say.
    line: Option<usize>,
    column: Option<usize>,
}

/// Answers as JSON; `text` is the export, if there is one.
pub(super) fn json(
    loaded: &Loaded,
    losses: &[Loss],
    (text, output): (Option<&str>, Option<&Path>),
    exit: Exit,
) -> Exit {
    let answer = Answer {
        exported: text.is_some(),
        output: output.filter(|_| text.is_some()).map(document::name),
        text: text.filter(|_| output.is_none()),
        losses: losses.iter().map(|loss| placed(loss, loaded)).collect(),
    };
    terminal::print_json(&answer, exit)
}

fn placed<'a>(loss: &'a Loss, loaded: &Loaded) -> Placed<'a> {
    let place = loaded.document.place(&loss.pointer);
    let (line, column) = place.map(|place| (place.line, place.column)).unzip();
    Placed { loss, line, column }
}

/// Says what is lost, each thing with its place.
pub(super) fn say(loaded: &Loaded, losses: &[Loss], widening: Widening) {
    let name = document::name(&loaded.path);
    for loss in losses {
        let place = loaded.document.place(&loss.pointer);
        let place = place.map_or_else(|| name.clone(), |place| format!("{name}:{place}"));
        let how = match (loss.severity, widening) {
            (Severity::Dropped, _) => "left out",
            (Severity::Differs, _) => "warning",
            (Severity::Widens, Widening::Accept) => "WARNING, lets more through",
            (Severity::Widens, Widening::Refuse) => "refused, would let more through",
            (Severity::Impossible, _) => "impossible",
        };
        terminal::complain(&format!("{place}: {how}: {}", loss.text));
    }
}
