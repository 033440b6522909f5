//! How fast a simulation was: the judging alone, and all of it.

use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanCount};

use crate::terminal;

/// How long it took so far.
#[derive(Debug)]
pub(super) struct Pace {
    started: Instant,
    judging: Duration,
    decisions: u64,
    bytes: u64,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            started: Instant::now(),
            judging: Duration::ZERO,
            decisions: 0,
            bytes: 0,
        }
    }

    /// Counts what was read.
    pub(super) fn read(&mut self, bytes: usize) {
        self.bytes += u64::try_from(bytes).unwrap_or(u64::MAX);
    }

    /// Measures decisions.
    pub(super) fn judge<T>(&mut self, decisions: usize, judge: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let judged = judge();
        self.judging += started.elapsed();
        self.decisions += u64::try_from(decisions).unwrap_or(u64::MAX);
        judged
    }

    /// Tells a person, who looks at a terminal, how fast it was.
    pub(super) fn tell(&self) {
        if io::stderr().is_terminal() {
            terminal::complain(&self.text());
        }
    }

    fn text(&self) -> String {
        let total = self.started.elapsed();
        format!(
            "{} decisions at {}/s; {} at {}/s with reading",
            HumanCount(self.decisions),
            HumanCount(per_second(self.decisions, self.judging)),
            HumanBytes(self.bytes),
            HumanBytes(per_second(self.bytes, total)),
        )
    }
}

fn per_second(count: u64, time: Duration) -> u64 {
    let nanoseconds = time.as_nanos().max(1);
    u64::try_from(u128::from(count) * 1_000_000_000 / nanoseconds).unwrap_or(u64::MAX)
}
