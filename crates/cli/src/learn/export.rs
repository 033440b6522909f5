//! Inputs that are no lines: status documents and exports of log analytics, in JSON and CSV.
//!
//! One record is held at a time, however long the lists are.

use std::fmt;
use std::io::{self, BufRead, Read};

use csv::ReaderBuilder;
use latchkey_policy::learn::read::Unread;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::intake::Intake;

/// Members by which a document is known that stands in one line.
pub(crate) const MEMBERS: [&str; 3] = [
    "\"tables\":",
    "\"proxyAgentStatus\":",
    "\"proxyConnectionSummary\":",
];

/// Members that hold lists of records.
const LISTS: [&str; 6] = [
    "data",
    "proxyConnectionSummary",
    "records",
    "results",
    "rows",
    "value",
];

/// Columns by which a line of names is known.
const COLUMNS: [&str; 9] = [
    "context1",
    "message",
    "processfullpath",
    "rawdata",
    "syslogmessage",
    "target",
    "timegenerated",
    "timestamp",
    "url",
];

/// Returns whether a line names columns.
pub(crate) fn is_header(line: &[u8]) -> bool {
    let Ok(line) = std::str::from_utf8(line) else {
        return false;
    };
    let names = line
        .split(',')
        .map(|name| name.trim().trim_matches('"').to_ascii_lowercase());
    let plain = names.map(|name| name.strip_suffix("_s").map(str::to_owned).unwrap_or(name));
    plain
        .into_iter()
        .any(|name| COLUMNS.contains(&name.as_str()))
}

/// Reads rows below a line of names.
pub(crate) fn read_csv(reader: impl Read, intake: &mut Intake) -> io::Result<()> {
    let mut rows = ReaderBuilder::new().flexible(true).from_reader(reader);
    let names: Vec<String> = match rows.headers() {
        Ok(names) => names
            .iter()
            .map(|name| name.trim_start_matches('\u{feff}').to_owned())
            .collect(),
        Err(error) => return refused(error, intake),
    };
    intake.line = 1;
    for row in rows.into_byte_records() {
        match row {
            Err(error) => refused(error, intake)?,
            Ok(row) => match texts(&row) {
                None => intake.unread(Unread::NotUtf8, b""),
                Some(texts) => intake.row(names.iter().cloned().zip(texts).collect()),
            },
        }
    }
    Ok(())
}

fn texts(row: &csv::ByteRecord) -> Option<Vec<Value>> {
    row.iter()
        .map(|cell| std::str::from_utf8(cell).ok().map(Value::from))
        .collect()
}

fn refused(error: csv::Error, intake: &mut Intake) -> io::Result<()> {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => Err(error),
        _ => {
            intake.unread(Unread::NoRecord, b"");
            Ok(())
        }
    }
}

/// Reads JSON values one after another.
pub(crate) fn read_document(reader: impl BufRead, intake: &mut Intake) -> io::Result<()> {
    let mut values = serde_json::Deserializer::from_reader(reader);
    while values.end().is_err() {
        match (Records { intake }).deserialize(&mut values) {
            Ok(()) => {}
            Err(error) if error.is_io() => return Err(error.into()),
            Err(error) => {
                // What follows cannot be told apart from what broke.
                let shown = format!(
                    "line {}, column {} to the end",
                    error.line(),
                    error.column()
                );
                intake.unread(Unread::BrokenJson, shown.as_bytes());
                return Ok(());
            }
        }
    }
    Ok(())
}

/// A record, a list of them, or a document with lists of them.
struct Records<'a> {
    intake: &'a mut Intake,
}

impl<'de> DeserializeSeed<'de> for Records<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Records<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record, a list of records or an export")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self { intake } = self;
        while list.next_element_seed(Records { intake })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { intake } = self;
        let mut row = Map::new();
        let mut has_lists = false;
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "tables" => {
                    has_lists = true;
                    map.next_value_seed(Tables { intake })?;
                }
                // Its entries stand in the other list too.
                "failedAuthenticateSummary" => {
                    has_lists = true;
                    map.next_value::<IgnoredAny>()?;
                }
                list if LISTS.contains(&list) => {
                    has_lists = true;
                    map.next_value_seed(Records { intake })?;
                }
                _ => drop(row.insert(name, map.next_value()?)),
            }
        }
        if !has_lists {
            intake.row(row);
        }
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.intake.line(text.as_bytes());
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.intake.unread(Unread::UnknownForm, b"null");
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.visit_unit()
    }
}

/// The tables of a query's answer.
struct Tables<'a> {
    intake: &'a mut Intake,
}

impl<'de> DeserializeSeed<'de> for Tables<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Tables<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of tables")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self { intake } = self;
        while list.next_element_seed(Table { intake })?.is_some() {}
        Ok(())
    }
}

/// One table: columns with names, then rows of cells.
struct Table<'a> {
    intake: &'a mut Intake,
}

#[derive(Deserialize)]
struct Column {
    name: String,
}

impl<'de> DeserializeSeed<'de> for Table<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Table<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table with columns before its rows")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { intake } = self;
        let mut columns: Vec<Column> = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "columns" => columns = map.next_value()?,
                "rows" if columns.is_empty() => {
                    return Err(A::Error::custom("rows before columns"));
                }
                "rows" => map.next_value_seed(Rows {
                    columns: &columns,
                    intake,
                })?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// The rows of a table.
struct Rows<'a> {
    columns: &'a [Column],
    intake: &'a mut Intake,
}

impl<'de> DeserializeSeed<'de> for Rows<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Rows<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(cells) = list.next_element::<Vec<Value>>()? {
            let names = self.columns.iter().map(|column| column.name.clone());
            self.intake.row(names.zip(cells).collect());
        }
        Ok(())
    }
}
