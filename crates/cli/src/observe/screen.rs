//! A window that is drawn anew in place, and left as it was found.

use std::io::{self, Write as _};

use terminal_size::{Height, Width, terminal_size};

use super::view::Window;

const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
const HOME: &str = "\x1b[H";
const CLEAR_LINE: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";

/// What is assumed where nobody tells a size.
const USUAL: Window = Window {
    columns: 80,
    lines: 24,
};

/// The terminal's other page, which is not scrolled and keeps nothing.
#[derive(Debug)]
pub(super) struct Screen(());

impl Screen {
    pub(super) fn enter() -> io::Result<Self> {
        write(ENTER)?;
        Ok(Self(()))
    }

    /// Draws over what stands there; lines that are not needed any more are emptied.
    pub(super) fn draw(&self, text: &str) -> io::Result<()> {
        let lines: Vec<_> = text
            .lines()
            .map(|line| format!("{line}{CLEAR_LINE}"))
            .collect();
        // No line feed at the end: in the last line it would scroll.
        write(&format!("{HOME}{}{CLEAR_BELOW}", lines.join("\r\n")))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Without a terminal there is nothing to leave.
        drop(write(LEAVE));
    }
}

/// Returns how large the window is now.
pub(super) fn window() -> Window {
    terminal_size().map_or(USUAL, |(Width(columns), Height(lines))| Window {
        columns: columns.into(),
        lines: lines.into(),
    })
}

fn write(text: &str) -> io::Result<()> {
    let mut output = io::stdout();
    output.write_all(text.as_bytes())?;
    output.flush()
}
