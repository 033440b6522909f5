//! The text of a machine file or of a profile beside it, read by its extension: the value, and what is wrong with the form.

use std::path::Path;

use latchkey_settings::{Document, Misfit, Place};
use serde::de::DeserializeOwned;

use super::problem::{FieldProblem, MachineProblem, Scope};

/// A text of which as much was read as could be.
#[derive(Debug)]
pub(super) struct Form<'a, T> {
    /// What could be read.
    pub(super) value: Option<T>,
    /// What does not fit; nothing of it quotes a value.
    pub(super) misfits: Vec<Misfit>,
    /// The text; nothing where it is not TOML.
    document: Option<Document<'a>>,
}

impl<'a, T: DeserializeOwned> Form<'a, T> {
    /// Reads a text as the file's extension says: TOML with all that is wrong with it, JSON up to
    /// the first problem.
    pub(super) fn read(path: &Path, text: &'a str) -> Self {
        let mut form = if path.extension().is_some_and(|kind| kind == "toml") {
            Self::of_toml(text)
        } else {
            Self::of_json(text)
        };
        for misfit in &mut form.misfits {
            misfit.message = without_value(&misfit.message);
        }
        form
    }

    fn of_toml(text: &'a str) -> Self {
        match Document::parse(text) {
            Ok(mut document) => {
                let (value, misfits) = document.read();
                Self {
                    value,
                    misfits,
                    document: Some(document),
                }
            }
            Err(misfits) => Self::unreadable(misfits),
        }
    }

    fn of_json(text: &str) -> Self {
        match serde_json::from_str(text) {
            Ok(value) => Self {
                value: Some(value),
                misfits: Vec::new(),
                document: None,
            },
            Err(error) => Self::unreadable(vec![json_misfit(&error)]),
        }
    }

    const fn unreadable(misfits: Vec<Misfit>) -> Self {
        Self {
            value: None,
            misfits,
            document: None,
        }
    }

    /// Returns all that is wrong with the file, in the order of the text: what does not fit, and
    /// of what was found in the rest all that does not rest on something that is no longer there.
    pub(super) fn problems(self, path: &Path, found: Vec<FieldProblem>) -> Vec<MachineProblem> {
        let problem = |place, message| MachineProblem {
            path: path.to_owned(),
            place,
            message,
        };
        let is_whole = self.misfits.is_empty();
        let document = self.document.as_ref();
        let holds = |field: &str| document.is_none_or(|document| document.is_whole(field));
        let is_certain = |found: &FieldProblem| match found.scope {
            Scope::Field => holds(&found.field),
            Scope::Under(other) => holds(&found.field) && holds(other),
            Scope::File => is_whole,
        };
        let certain = found.into_iter().filter(is_certain).map(|found| {
            let place = document.and_then(|document| document.place_of(&found.field));
            problem(place, found.message)
        });
        let misfits = self.misfits.iter();
        let misfits = misfits.map(|misfit| problem(misfit.place, misfit.message.clone()));
        let mut problems: Vec<_> = misfits.chain(certain).collect();
        problems.sort_by_key(|problem| problem.place);
        problems
    }
}

fn json_misfit(error: &serde_json::Error) -> Misfit {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let known = (error.line() > 0).then_some(Place {
        line: error.line(),
        column: error.column(),
    });
    Misfit {
        place: known,
        message: text.strip_suffix(&place).unwrap_or(&text).to_owned(),
    }
}

/// Returns what a reader says of a value, without the value.
///
/// SECURITY: a value of the wrong type may be a password or a key, and problems are logged.
fn without_value(message: &str) -> String {
    let kinds = ["invalid type: ", "invalid value: ", "unknown variant "];
    let about_value = kinds
        .into_iter()
        .find_map(|kind| Some((kind, message.strip_prefix(kind)?)));
    let Some((kind, described)) = about_value else {
        return message.to_owned();
    };
    // The last one: the value may hold these words too.
    let (described, expected) = described
        .rsplit_once(", expected ")
        .unwrap_or((described, "something else"));
    let what = described.split(['"', '`']).next().unwrap_or_default();
    let told = format!("{kind}{what}");
    format!("{}, expected {expected}", told.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_of_the_wrong_type_is_not_quoted() {
        for (message, told) in [
            (
                "invalid type: string \"a\", expected \"b\", expected a sequence",
                "invalid type: string, expected a sequence",
            ),
            (
                "invalid value: integer `70000`, expected u16",
                "invalid value: integer, expected u16",
            ),
            (
                "invalid type: map, expected a string",
                "invalid type: map, expected a string",
            ),
            (
                "unknown variant `a`, expected `b` or `c`",
                "unknown variant, expected `b` or `c`",
            ),
            ("unknown field `nmae`", "unknown field `nmae`"),
        ] {
            assert_eq!(without_value(message), told);
        }
    }
}
