//! `latchkey profile schema`: the JSON schema of a document, for editors that complete and check.

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use latchkey_policy::case::RequestLine;
use latchkey_policy::case::schema::CallerDocument;
use latchkey_policy::document::Form;
use latchkey_policy::document::schema::{of_input, of_output, schema};

use super::test::TestFile;
use crate::exit::Exit;
use crate::learn::Whole;
use crate::signature::SigningRequest;
use crate::terminal;

/// Prints the JSON schema (draft 2020-12) of a document.
///
/// Exit codes: 0 printed; 64 the command line is wrong.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  latchkey profile schema > item.schema.json
  latchkey profile schema tests > tests.schema.json")]
pub(crate) struct Schema {
    /// The document.
    #[arg(value_name = "FORM", default_value = "item", value_parser = documents())]
    document: Document,
}

/// A document that has a schema.
#[derive(Clone, Copy, Debug)]
struct Document {
    /// As in `docs/schema/NAME.schema.json`.
    name: &'static str,
    says: &'static str,
    schema: fn() -> String,
}

const DOCUMENTS: [Document; 9] = [
    Document {
        name: "caller",
        says: "A caller, for explain and tests",
        schema: || of_input::<CallerDocument>("Caller"),
    },
    Document {
        name: "item",
        says: "A profile as a host sends it: an authorization item",
        schema: || schema(Form::Item),
    },
    Document {
        name: "learn-report",
        says: "What learn writes: --format json, and report.json",
        schema: || of_output::<Whole<'static>>("What was learned"),
    },
    Document {
        name: "local-rules",
        says: "A local rule file",
        schema: || schema(Form::Local),
    },
    Document {
        name: "profile-version",
        says: "A profile as the management API takes it: the resource body of a version",
        schema: || schema(Form::Version),
    },
    Document {
        name: "request",
        says: "A request line, for simulate",
        schema: || of_input::<RequestLine>("Request line"),
    },
    Document {
        name: "rules",
        says: "The rules of a profile alone",
        schema: || schema(Form::Rules),
    },
    Document {
        name: "signing-request",
        says: "A request, for signature",
        schema: || of_input::<SigningRequest>("Request to be signed"),
    },
    Document {
        name: "tests",
        says: "Tests of a profile",
        schema: || of_input::<TestFile>("Tests of an access control profile"),
    },
];

fn documents() -> impl TypedValueParser<Value = Document> {
    let values = DOCUMENTS.map(|known| PossibleValue::new(known.name).help(known.says));
    PossibleValuesParser::new(values).try_map(|name| {
        let mut known = DOCUMENTS.into_iter();
        known.find(|known| known.name == name).ok_or("no document")
    })
}

pub(crate) fn run(chosen: &Schema) -> Exit {
    terminal::print(&(chosen.document.schema)(), Exit::Success)
}
