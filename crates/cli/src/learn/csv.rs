//! Exports of log analytics as rows of values below a line of names.

use std::io::{self, Read};

use csv::{ByteRecord, ReaderBuilder};
use latchkey_policy::learn::read::Unread;
use serde_json::{Map, Value};

use super::budget::{Budget, TooLong};
use super::intake::Intake;

/// Reads rows below a line of names; one is held at a time.
pub(crate) fn read(reader: impl Read, delimiter: u8, intake: &mut Intake) -> io::Result<()> {
    let budget = Budget::new();
    let mut builder = ReaderBuilder::new();
    let mut rows = builder
        .delimiter(delimiter)
        .flexible(true)
        .from_reader(budget.limit(reader));
    let names: Vec<String> = match rows.headers() {
        Ok(names) => names.iter().map(str::to_owned).collect(),
        Err(error) => return refused(error, intake),
    };
    intake.line = 1;
    let mut cells = ByteRecord::new();
    loop {
        budget.renew();
        match rows.read_byte_record(&mut cells) {
            Ok(false) => return Ok(()),
            Ok(true) => match row(&names, &cells) {
                None => intake.unread(Unread::NotUtf8, b""),
                Some(row) => intake.row(row),
            },
            Err(error) => refused(error, intake)?,
        }
    }
}

fn row(names: &[String], cells: &ByteRecord) -> Option<Map<String, Value>> {
    let cells = names.iter().zip(cells);
    cells
        .map(|(name, cell)| {
            let text = std::str::from_utf8(cell).ok()?;
            Some((name.clone(), Value::from(text)))
        })
        .collect()
}

fn refused(error: csv::Error, intake: &mut Intake) -> io::Result<()> {
    let csv::ErrorKind::Io(error) = error.into_kind() else {
        intake.unread(Unread::NoRecord, b"");
        return Ok(());
    };
    // SECURITY: where a quoted text ends that is too long is not known, and what it holds could look
    // like a row.
    if error.get_ref().is_some_and(|own| own.is::<TooLong>()) {
        intake.unread(Unread::TooLong, b"from here to the end");
    }
    Err(error)
}
