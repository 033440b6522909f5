//! The main job on one machine: host and three guests, a small cast of real callers, and a table of what became of each request.
//!
//! The table shows what the agents recorded and the host observed, next to nothing of its own;
//! every row is held against what the design says.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use latchkey_record::{AuditRecord, Observation};

use crate::curl::Answer;
use crate::process::ProcessError;
use crate::system::{GuestPlan, System, SystemError};
use crate::wait;

mod cast;
mod hints;
mod outcome;
mod table;

use cast::Act;
use outcome::{Cells, Seen};

/// The guests of the demo, in the order of the table.
const AUDIT: &str = "audit";
const ENFORCE: &str = "enforce";
const BARE: &str = "bare";

/// How long a record may take to be written after its request was answered.
const WRITTEN: Duration = Duration::from_secs(10);

/// Why the demo could not be shown.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// Host or agents do not run.
    #[error(transparent)]
    System(#[from] SystemError),
    /// A caller could not be run.
    #[error(transparent)]
    Caller(#[from] ProcessError),
    /// Nobody reads the output any more.
    #[error("write to standard output")]
    Output(#[from] io::Error),
}

/// A demo that has been shown and still stands.
#[derive(Debug)]
pub struct Demo {
    system: System,
    unexpected: Vec<String>,
}

impl Demo {
    /// Starts everything, lets the cast ask, and writes the table.
    ///
    /// # Errors
    /// Something did not start, or a caller could not be run. A verdict that is not the expected
    /// one is no error, see [`Demo::unexpected`].
    pub fn show(out: &mut impl Write) -> Result<Self, DemoError> {
        let begun = Instant::now();
        writeln!(
            out,
            "Starting a host and three guests in network namespaces:"
        )?;
        writeln!(out, "  {AUDIT:<8} agent, endpoints in Audit")?;
        writeln!(out, "  {ENFORCE:<8} agent, endpoints in Enforce")?;
        writeln!(out, "  {BARE:<8} no agent, endpoints in Enforce")?;
        out.flush()?;
        let system = System::builder()
            .guest(GuestPlan::audit(AUDIT))
            .guest(GuestPlan::enforce(ENFORCE))
            .guest(GuestPlan::enforce(BARE).without_agent())
            .start()?;
        let seconds = begun.elapsed().as_secs_f32();
        writeln!(
            out,
            "Keys are latched, all agents serve ({seconds:.1} s). The cast asks:\n"
        )?;
        out.flush()?;
        let rows = perform(&system)?;
        let unexpected = write_table(out, &system, &rows)?;
        Ok(Self { system, unexpected })
    }

    /// Returns one line for each row, or count of rows, that is not as expected.
    #[must_use]
    pub fn unexpected(&self) -> &[String] {
        &self.unexpected
    }

    /// Writes what one can try while the demo stands; `program` is the lab's own program.
    ///
    /// # Errors
    /// Nobody reads the output any more.
    pub fn write_hints(&self, out: &mut impl Write, program: &str) -> Result<(), DemoError> {
        hints::write(out, &self.system, program)
    }

    /// Ends the demo and tells what could not be removed.
    ///
    /// # Errors
    /// Something is left behind.
    pub fn stop(self) -> Result<(), DemoError> {
        Ok(self.system.stop()?)
    }
}

/// One act, what the caller got, and what the guest's agent recorded of it.
struct Row {
    act: Act,
    answer: Answer,
    record: Option<AuditRecord>,
}

/// Lets the cast ask, one after the other, so that each record belongs to one act.
fn perform(system: &System) -> Result<Vec<Row>, DemoError> {
    let mut rows = Vec::new();
    for act in cast::acts() {
        let has_agent = act.guest != BARE;
        let before = if has_agent {
            system.audit(act.guest)?.len()
        } else {
            0
        };
        let answer = act.request.run(system.guest(act.guest)?, act.user)?;
        let record = if has_agent {
            wait::until(WRITTEN, || {
                Ok::<_, SystemError>(system.audit(act.guest)?.into_iter().nth(before))
            })?
        } else {
            None
        };
        rows.push(Row {
            act,
            answer,
            record,
        });
    }
    Ok(rows)
}

/// Writes a line for each row and returns what is not as expected.
fn write_table(
    out: &mut impl Write,
    system: &System,
    rows: &[Row],
) -> Result<Vec<String>, DemoError> {
    table::write_head(out)?;
    let mut unexpected = Vec::new();
    for guest in [AUDIT, ENFORCE, BARE] {
        let own: Vec<&Row> = rows.iter().filter(|row| row.act.guest == guest).collect();
        let expected = own.iter().filter(|row| reached_host(row)).count();
        let observed = observed(system, guest, expected)?;
        if observed.len() != expected {
            unexpected.push(format!(
                "{guest}: the host observed {} requests, {expected} were sent on",
                observed.len()
            ));
        }
        let mut observed = observed.into_iter();
        for row in own {
            let observation = reached_host(row).then(|| observed.next()).flatten();
            unexpected.extend(write_row(out, row, observation.as_ref())?);
        }
        table::write_rule(out)?;
    }
    Ok(unexpected)
}

/// Returns what the host observed of a guest, once it is at least `count` requests.
fn observed(system: &System, guest: &str, count: usize) -> Result<Vec<Observation>, SystemError> {
    let found = wait::until(WRITTEN, || {
        let seen = system.observed(guest)?;
        Ok::<_, SystemError>((seen.len() >= count).then_some(seen))
    })?;
    match found {
        Some(seen) => Ok(seen),
        None => system.observed(guest),
    }
}

/// Whether a request went to the host: those that the agent says so of, and all without an agent.
fn reached_host(row: &Row) -> bool {
    match &row.record {
        Some(record) => outcome::was_forwarded(record),
        None => row.act.guest == BARE,
    }
}

/// Writes one line and returns a description of it if it is not as expected.
fn write_row(
    out: &mut impl Write,
    row: &Row,
    observation: Option<&Observation>,
) -> io::Result<Option<String>> {
    let seen = Seen {
        answer: &row.answer,
        record: row.record.as_ref(),
        observation,
    };
    let (act, cells) = (&row.act, seen.cells());
    let Cells {
        verdict,
        reason,
        signed,
        host,
    } = &cells;
    let is_expected = cells == act.expected && seen.is_consistent();
    let mark = if is_expected { "" } else { "  <- unexpected" };
    table::write_line(
        out,
        [act.guest, act.user, act.what, verdict, reason, signed, host],
        mark,
    )?;
    Ok((!is_expected).then(|| {
        let Act {
            guest,
            user,
            what,
            expected,
            ..
        } = act;
        let got = &row.answer;
        format!("{guest}, {user}, {what}: expected {expected}, seen {cells}, got {got:?}")
    }))
}
