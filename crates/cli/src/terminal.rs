//! Standard output and error: colour and progress only where a person sees them.

use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;

use crate::exit::Exit;
use crate::visible::{visible, visible_json, visible_lines};

/// Whether verdicts are coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Palette {
    Colour,
    Plain,
}

/// Returns how standard output is written to; `NO_COLOR` is honoured (no-color.org).
pub(crate) fn palette() -> Palette {
    if io::stdout().is_terminal() && !is_colour_unwanted() && !is_dumb() {
        Palette::Colour
    } else {
        Palette::Plain
    }
}

/// Returns whether the person asked for text without colour.
pub(crate) fn is_colour_unwanted() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// Returns whether the terminal shows text alone.
pub(crate) fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|value| value == "dumb")
}

/// Writes the answer; a reader that went away is no failure.
pub(crate) fn print(text: &str, exit: Exit) -> Exit {
    let mut output = io::stdout();
    let written = output.write_all(text.as_bytes());
    printed(written.and_then(|()| output.flush()), exit)
}

/// Writes the answer as JSON.
pub(crate) fn print_json(answer: &(impl Serialize + ?Sized), exit: Exit) -> Exit {
    match serde_json::to_string_pretty(answer) {
        Ok(text) => print(&(visible_json(&text) + "\n"), exit),
        Err(error) => {
            complain(&format!("write the answer as JSON: {error}"));
            Exit::Failure
        }
    }
}

/// Returns how to end after an answer was written.
pub(crate) fn printed(written: io::Result<()>, exit: Exit) -> Exit {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain(&format!("write the answer: {error}"));
            Exit::Failure
        }
        _ => exit,
    }
}

/// Says what went wrong, in one line.
pub(crate) fn complain(text: &str) {
    // Without standard error the exit code alone tells it.
    drop(writeln!(io::stderr(), "latchkey: {}", visible(text)));
}

/// Says what is to be known besides the answer, in lines.
pub(crate) fn tell(text: &str) {
    drop(io::stderr().write_all(visible_lines(text).as_bytes()));
}

/// One line on standard error that says how far something is, if that is a terminal.
#[derive(Debug)]
pub(crate) struct ProgressLine {
    is_shown: bool,
}

impl ProgressLine {
    pub(crate) fn new() -> Self {
        Self {
            is_shown: io::stderr().is_terminal(),
        }
    }

    pub(crate) fn show(&mut self, done: usize, total: usize, what: &str) {
        if self.is_shown {
            self.write(&format!("\r\x1b[K{done}/{total} {what}"));
        }
    }

    pub(crate) fn clear(&mut self) {
        if self.is_shown {
            self.write("\r\x1b[K");
        }
    }

    fn write(&mut self, text: &str) {
        let mut output = io::stderr();
        let written = output.write_all(text.as_bytes());
        self.is_shown = written.and_then(|()| output.flush()).is_ok();
    }
}
