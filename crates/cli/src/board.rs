//! Draws notes about a text, each beside the line that it is about.

use std::io::IsTerminal;
use std::ops::Range;
use std::sync::Arc;

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource, Report,
};

use crate::terminal;
use crate::visible::{visible, visible_lines};

/// Something to say about a text.
pub(crate) struct Note<'a> {
    /// A stable word for this kind of note.
    pub(crate) code: &'a str,
    pub(crate) severity: miette::Severity,
    pub(crate) message: String,
    pub(crate) help: Option<&'a str>,
    /// The bytes of the text that it is about.
    pub(crate) span: Option<&'a Range<usize>>,
}

/// How many notes about a text are drawn beside their lines; of more each gets one line, so that the
/// answer is there soon and can be read.
pub(crate) const MAX_DRAWN: usize = 100;

/// A text, and the notes about it that were drawn.
pub(crate) struct Board {
    source: Arc<NamedSource<String>>,
    handler: GraphicalReportHandler,
    shown: String,
}

impl Board {
    /// Returns an empty board for a text, to be shown on this stream.
    pub(crate) fn new(name: &str, text: &str, stream: &impl IsTerminal) -> Self {
        Self {
            source: Arc::new(NamedSource::new(visible(name), visible_lines(text))),
            handler: GraphicalReportHandler::new_themed(theme(stream))
                .with_context_lines(1)
                .with_links(false),
            shown: String::new(),
        }
    }

    /// Draws a note below those before it.
    pub(crate) fn draw(&mut self, note: &Note<'_>) {
        let message = visible(&note.message);
        let mut diagnostic = MietteDiagnostic::new(&message)
            .with_code(note.code)
            .with_severity(note.severity);
        if let Some(span) = note.span {
            let span = first_line(self.source.inner(), span);
            diagnostic = diagnostic.with_label(LabeledSpan::underline(span));
        }
        if let Some(help) = note.help {
            diagnostic = diagnostic.with_help(visible(help));
        }
        let report = Report::new(diagnostic).with_source_code(Arc::clone(&self.source));
        let drawn = self.handler.render_report(&mut self.shown, report.as_ref());
        if drawn.is_err() {
            // Whatever cannot be drawn is still said.
            self.shown.push_str(&message);
            self.shown.push('\n');
        }
    }

    /// Leaves a blank line.
    pub(crate) fn part(&mut self) {
        self.shown.push('\n');
    }

    /// Returns the drawing.
    pub(crate) fn shown(self) -> String {
        self.shown
    }
}

/// A caret under more than a line shows nothing.
fn first_line(text: &str, span: &Range<usize>) -> Range<usize> {
    let marked = text
        .get(span.clone())
        .and_then(|marked| marked.lines().next());
    span.start..span.start + marked.map_or(0, str::len)
}

/// Drawn in colour for people; in ASCII, with a caret, for files and pipes.
fn theme(stream: &impl IsTerminal) -> GraphicalTheme {
    if !stream.is_terminal() || terminal::is_dumb() {
        GraphicalTheme::none()
    } else if terminal::is_colour_unwanted() {
        GraphicalTheme::unicode_nocolor()
    } else {
        GraphicalTheme::unicode()
    }
}
