//! A table of an export in JSON: names of columns, and rows of cells, in either order.

use latchkey_policy::learn::read::Unread;
use serde_json::{Map, Value};

use super::intake::Intake;

/// How much of rows is kept that stand before their columns, in bytes of JSON.
const MAX_WAITING: u64 = 4 << 20;

/// What is known of a table.
#[derive(Default)]
pub(crate) struct Table {
    columns: Option<Vec<String>>,
    waiting: Vec<Vec<Value>>,
    waiting_bytes: u64,
    has_rows: bool,
}

impl Table {
    /// Returns whether there are rows or columns.
    pub(crate) const fn is_one(&self) -> bool {
        self.has_rows || self.columns.is_some()
    }

    pub(crate) fn set_columns(&mut self, columns: &Value, intake: &mut Intake) {
        let columns = columns.as_array().into_iter().flatten().map(name);
        let columns: Vec<String> = columns.collect();
        for cells in std::mem::take(&mut self.waiting) {
            intake.row(row(&columns, cells));
        }
        self.columns = Some(columns);
    }

    /// Takes a row that took so many bytes.
    pub(crate) fn add(&mut self, value: Value, bytes: u64, intake: &mut Intake) {
        self.has_rows = true;
        match (value, &self.columns) {
            (Value::Object(row), _) => intake.row(row),
            (Value::Array(cells), Some(columns)) => intake.row(row(columns, cells)),
            (Value::Array(cells), None) if self.waiting_bytes + bytes <= MAX_WAITING => {
                self.waiting_bytes += bytes;
                self.waiting.push(cells);
            }
            (Value::Array(_), None) => intake.unread(Unread::UnknownForm, UNNAMED),
            _ => intake.unread(Unread::UnknownForm, b"no row"),
        }
    }

    /// Counts rows whose columns did not come.
    pub(crate) fn finish(self, intake: &mut Intake) {
        for _ in self.waiting {
            intake.unread(Unread::UnknownForm, UNNAMED);
        }
    }
}

const UNNAMED: &[u8] = b"a row without the names of its columns before it";

/// Returns the name of a column, whichever program wrote it; one that is not understood has none.
fn name(column: &Value) -> String {
    let member = ["name", "ColumnName", "columnName", "Name"];
    let named = member.iter().find_map(|member| column.get(member));
    let name = named.unwrap_or(column).as_str();
    name.unwrap_or_default().to_owned()
}

fn row(columns: &[String], cells: Vec<Value>) -> Map<String, Value> {
    columns.iter().cloned().zip(cells).collect()
}
