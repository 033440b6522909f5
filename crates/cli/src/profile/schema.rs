//! `latchkey profile schema`: the JSON schema of a form, for editors that complete and check.

use clap::builder::PossibleValuesParser;
use clap::{Args, builder::TypedValueParser as _};
use latchkey_policy::document::Form;
use latchkey_policy::document::schema::{NAMES, schema};

use crate::exit::Exit;
use crate::terminal;

/// Prints the JSON schema (draft 2020-12) of a form of profiles.
///
/// Exit codes: 0 printed; 64 the command line is wrong.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  latchkey profile schema > item.schema.json
  latchkey profile schema profile-version > profile-version.schema.json")]
pub(crate) struct Schema {
    /// The form.
    #[arg(value_name = "FORM", default_value = "item", value_parser = forms())]
    form: Form,
}

fn forms() -> impl clap::builder::TypedValueParser<Value = Form> {
    PossibleValuesParser::new(NAMES.map(|(_, name)| name)).try_map(|text| {
        let named = NAMES.into_iter().find(|(_, name)| *name == text);
        named.map(|(form, _)| form).ok_or("no such form")
    })
}

pub(crate) fn run(chosen: &Schema) -> Exit {
    terminal::print(&schema(chosen.form), Exit::Success)
}
