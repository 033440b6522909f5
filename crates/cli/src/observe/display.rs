//! Where decisions go: a table that is drawn anew, lines for people, or lines for programs.

use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use latchkey_record::AuditRecord;

use super::decision::{Decision, Unreadable, Verdict};
use super::follower::Batch;
use super::screen::{self, Screen};
use super::tally::Tally;
use super::view::{self, Window};
use crate::terminal::{self, Palette};
use crate::visible::{visible, visible_json};

/// How often the table is drawn.
const REDRAW: Duration = Duration::from_secs(1);
/// The size of a table that nobody scrolls.
const PAGE: Window = Window {
    columns: 160,
    lines: 2_100,
};
/// What a line was that did not fit into memory, or was cut off.
const LOST: &str = "the line was cut off or is too long for a record";

/// How decisions are shown, and what has been counted.
#[derive(Debug)]
pub(super) struct Display {
    kind: Kind,
    palette: Palette,
    tally: Tally,
}

#[derive(Debug)]
enum Kind {
    Json,
    Lines,
    Summary,
    Table {
        screen: Screen,
        drawn: Option<Instant>,
    },
}

impl Display {
    /// One object per line.
    pub(super) fn json() -> Self {
        Self::of(Kind::Json)
    }

    /// One line of text per decision.
    pub(super) fn lines() -> Self {
        Self::of(Kind::Lines)
    }

    /// A table at the end.
    pub(super) fn summary() -> Self {
        Self::of(Kind::Summary)
    }

    /// A table that is drawn anew.
    pub(super) fn table() -> io::Result<Self> {
        let screen = Screen::enter()?;
        Ok(Self::of(Kind::Table {
            screen,
            drawn: None,
        }))
    }

    fn of(kind: Kind) -> Self {
        Self {
            kind,
            palette: terminal::palette(),
            tally: Tally::default(),
        }
    }

    /// Takes what was read, and shows it now or when it is time to.
    pub(super) fn take(&mut self, batch: &Batch) -> io::Result<()> {
        let mut text = String::new();
        let lines = batch.lines.split(|byte| *byte == b'\n');
        for line in lines.filter(|line| !line.is_empty()) {
            text += &self.line(line);
        }
        for _ in 0..batch.lost_lines {
            text += &self.unreadable(LOST);
        }
        if !text.is_empty() {
            let mut output = io::stdout();
            output.write_all(text.as_bytes())?;
            output.flush()?;
        }
        self.redraw_in_time()
    }

    /// Leaves the last state of the table behind, and says what could not be shown.
    pub(super) fn end(self) -> io::Result<()> {
        let Self {
            kind,
            palette,
            tally,
        } = self;
        let window = match kind {
            Kind::Json | Kind::Lines => {
                complain_of_missing(&tally);
                return Ok(());
            }
            Kind::Summary => PAGE,
            Kind::Table { screen, .. } => {
                drop(screen);
                screen::window()
            }
        };
        let table = view::table(&tally, window, palette, Timestamp::now());
        let mut output = io::stdout();
        output.write_all(table.as_bytes())?;
        output.flush()
    }

    /// Counts a line and returns what is written of it at once.
    fn line(&mut self, line: &[u8]) -> String {
        let record: AuditRecord = match serde_json::from_slice(line) {
            Ok(record) => record,
            Err(error) => return self.unreadable(&format!("the line is no record: {error}")),
        };
        self.tally.add(&record);
        match self.kind {
            Kind::Json => json_line(&Decision::of(&record)),
            Kind::Lines => view::decision_line(&record, self.palette),
            Kind::Summary | Kind::Table { .. } => String::new(),
        }
    }

    fn unreadable(&mut self, problem: &str) -> String {
        self.tally.unreadable += 1;
        let verdict = Verdict::Error;
        match self.kind {
            Kind::Json => json_line(&Unreadable { verdict, problem }),
            Kind::Lines => format!("{} {}\n", verdict.as_str(), visible(problem)),
            Kind::Summary | Kind::Table { .. } => String::new(),
        }
    }

    fn redraw_in_time(&mut self) -> io::Result<()> {
        let Kind::Table { screen, drawn } = &mut self.kind else {
            return Ok(());
        };
        if drawn.is_some_and(|drawn| drawn.elapsed() < REDRAW) {
            return Ok(());
        }
        *drawn = Some(Instant::now());
        let now = Timestamp::now();
        screen.draw(&view::table(
            &self.tally,
            screen::window(),
            self.palette,
            now,
        ))
    }
}

fn complain_of_missing(tally: &Tally) {
    if tally.missing > 0 {
        let missing = tally.missing;
        terminal::complain(&format!(
            "{missing} records that the agent has numbered did not come by: it lost them, or the log was rotated \
             faster than it was read"
        ));
    }
}

fn json_line(value: &impl serde::Serialize) -> String {
    // Plain data does not fail to be written.
    serde_json::to_string(value).map_or_else(|_| String::new(), |json| visible_json(&json) + "\n")
}
