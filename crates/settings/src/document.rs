//! A TOML text: read with all that is wrong with its form, and searched for where a field stands.
//!
//! What does not fit is noted and taken out, so that the rest can be read too.

use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use crate::Place;

/// What is wrong with the form of a text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// Where; nothing when the reader does not know.
    pub place: Option<Place>,
    /// What; it may quote a value of the text.
    pub message: String,
}

/// A TOML text.
#[derive(Debug)]
pub struct Document<'a> {
    text: &'a str,
    root: Spanned<DeTable<'a>>,
}

impl<'a> Document<'a> {
    /// Reads a text as TOML.
    ///
    /// # Errors
    /// With everything that is not TOML.
    pub fn parse(text: &'a str) -> Result<Self, Vec<Misfit>> {
        let (root, errors) = DeTable::parse_recoverable(text);
        let document = Self { text, root };
        if errors.is_empty() {
            return Ok(document);
        }
        let misfits = errors.iter().map(|error| document.misfit(error));
        Err(misfits.collect())
    }

    /// Reads what fits as a value, takes out what does not, and returns both.
    pub fn read<T: DeserializeOwned>(&mut self) -> (Option<T>, Vec<Misfit>) {
        let (mut misfits, mut taken_out) = (Vec::new(), Vec::<String>::new());
        loop {
            let error = match T::deserialize(Deserializer::from(self.root.clone())) {
                Ok(value) => return (Some(value), misfits),
                Err(error) => error,
            };
            // A field that was taken out is not missing.
            if !taken_out
                .iter()
                .any(|name| error.message() == missing(name))
            {
                misfits.push(self.misfit(&error));
            }
            let name = error
                .span()
                .and_then(|span| take_out(self.root.get_mut(), &span));
            match name {
                Some(name) => taken_out.push(name),
                None => return (None, misfits),
            }
        }
    }

    /// Returns where the value of a field stands, such as `limits.max_connections` or `endpoints.0`.
    #[must_use]
    pub fn place_of(&self, field: &str) -> Option<Place> {
        let mut names = field.split('.');
        let first = names.next()?;
        let mut value = self.root.get_ref().get(first)?;
        for name in names {
            value = match value.get_ref() {
                DeValue::Table(table) => table.get(name)?,
                DeValue::Array(array) => array.get(name.parse::<usize>().ok()?)?,
                _ => return None,
            };
        }
        Some(self.place(&value.span()))
    }

    /// Returns where the part of the text with this span begins.
    #[must_use]
    pub fn place(&self, span: &Range<usize>) -> Place {
        Place::of(span.start, self.text)
    }

    fn misfit(&self, error: &toml::de::Error) -> Misfit {
        Misfit {
            place: error.span().map(|span| self.place(&span)),
            message: error.message().to_owned(),
        }
    }
}

fn missing(name: &str) -> String {
    format!("missing field `{name}`")
}

/// Takes the entry out whose key or value stands there; returns its name, nothing when there is none.
fn take_out(table: &mut DeTable<'_>, span: &Range<usize>) -> Option<String> {
    let is_there =
        |(key, value): (&Spanned<_>, &Spanned<_>)| key.span() == *span || value.span() == *span;
    if let Some((key, _)) = table.iter().find(|(key, value)| is_there((key, value))) {
        let name = key.get_ref().to_string();
        table.remove(name.as_str());
        return Some(name);
    }
    table
        .iter_mut()
        .find_map(|(_, value)| take_out_below(value.get_mut(), span))
}

fn take_out_below(value: &mut DeValue<'_>, span: &Range<usize>) -> Option<String> {
    match value {
        DeValue::Table(table) => take_out(table, span),
        DeValue::Array(array) => {
            if array.iter().any(|element| element.span() == *span) {
                let kept = array.iter().filter(|element| element.span() != *span);
                *array = kept.cloned().collect();
                return Some(String::new());
            }
            array
                .iter_mut()
                .find_map(|element| take_out_below(element.get_mut(), span))
        }
        _ => None,
    }
}
