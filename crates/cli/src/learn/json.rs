//! Inputs in JSON that are no lines: status documents, lists of records, and exports with tables.
//!
//! One record is held at a time, however long the lists are.

use std::fmt;
use std::io::{self, Read};

use latchkey_policy::learn::read::Unread;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::budget::{Budget, TooLong};
use super::form::LISTS;
use super::intake::Intake;
use super::table::Table;

/// Reads JSON values one after another.
pub(crate) fn read(reader: impl Read, intake: &mut Intake) -> io::Result<()> {
    let budget = Budget::new();
    let mut values = serde_json::Deserializer::from_reader(budget.limit(reader));
    let mut sink = Sink { intake, budget };
    while values.end().is_err() {
        sink.budget.renew();
        let read = Records::at(Place::Document, &mut sink).deserialize(&mut values);
        if let Err(error) = read {
            return Err(stopped(error, &mut sink));
        }
    }
    Ok(())
}

/// Counts what broke: what follows cannot be told apart from it.
fn stopped(error: serde_json::Error, sink: &mut Sink<'_>) -> io::Error {
    let shown = format!(
        "line {}, column {} to the end",
        error.line(),
        error.column()
    );
    let is_io = error.is_io();
    let error = io::Error::from(error);
    if error.get_ref().is_some_and(|own| own.is::<TooLong>()) {
        sink.intake.unread(Unread::TooLong, shown.as_bytes());
    } else if !is_io {
        sink.intake.unread(Unread::BrokenJson, shown.as_bytes());
    }
    error
}

/// Where records go, and how much of one may still be read.
struct Sink<'a> {
    intake: &'a mut Intake,
    budget: Budget,
}

impl Sink<'_> {
    /// Skips a value, however long it is.
    fn skip<'de, A: MapAccess<'de>>(&self, map: &mut A) -> Result<(), A::Error> {
        self.budget.lift();
        map.next_value::<IgnoredAny>()?;
        self.budget.renew();
        Ok(())
    }
}

/// Where a value stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Document,
    List,
    Member,
}

/// A record, a list of them, or a document with lists or a table of them.
struct Records<'s, 'a> {
    place: Place,
    sink: &'s mut Sink<'a>,
}

impl<'s, 'a> Records<'s, 'a> {
    const fn at(place: Place, sink: &'s mut Sink<'a>) -> Self {
        Self { place, sink }
    }
}

impl<'de> DeserializeSeed<'de> for Records<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Records<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record, a list of records or an export")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self { place, sink } = self;
        if place == Place::List {
            // Cells without columns.
            sink.intake.unread(Unread::UnknownForm, b"a list in a list");
            while list.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(());
        }
        loop {
            sink.budget.renew();
            let element = Records::at(Place::List, sink);
            if list.next_element_seed(element)?.is_none() {
                return Ok(());
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { sink, .. } = self;
        let mut row = Map::new();
        let mut table = Table::default();
        let mut has_lists = false;
        while let Some(name) = map.next_key::<String>()? {
            match name.to_ascii_lowercase().as_str() {
                "columns" => table.set_columns(&map.next_value()?, sink.intake),
                "rows" => map.next_value_seed(Rows {
                    table: &mut table,
                    sink,
                })?,
                // Its entries stand in the other list too.
                "failedauthenticatesummary" => {
                    has_lists = true;
                    sink.skip(&mut map)?;
                }
                list if LISTS.contains(&list) => {
                    has_lists = true;
                    map.next_value_seed(Records::at(Place::Member, sink))?;
                }
                _ if has_lists || table.is_one() => sink.skip(&mut map)?,
                _ => drop(row.insert(name, map.next_value()?)),
            }
        }
        if table.is_one() {
            table.finish(sink.intake);
        } else if !has_lists {
            sink.intake.row(row);
        }
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        if self.place != Place::List {
            return self.visit_unit();
        }
        self.sink.intake.line(text.as_bytes());
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.sink.intake.unread(Unread::UnknownForm, b"");
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

/// The rows of a table.
struct Rows<'s, 'a> {
    table: &'s mut Table,
    sink: &'s mut Sink<'a>,
}

impl<'de> DeserializeSeed<'de> for Rows<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Rows<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self { table, sink } = self;
        loop {
            sink.budget.renew();
            match list.next_element::<Value>()? {
                Some(row) => table.add(row, sink.budget.used(), sink.intake),
                None => return Ok(()),
            }
        }
    }
}
