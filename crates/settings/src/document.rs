//! A TOML text: read with all that is wrong with its form, and searched for where a field stands.
//!
//! What does not fit is noted and taken out, so that the rest can be read too.

use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, Deserializer};

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
    taken_out: Vec<TakenOut>,
}

/// What did not fit and is no longer in the tree.
#[derive(Debug)]
struct TakenOut {
    /// The span of the table or list that it stood in.
    container: Range<usize>,
    /// Its name in a table; nothing in a list.
    name: Option<String>,
}

impl<'a> Document<'a> {
    /// Reads a text as TOML.
    ///
    /// # Errors
    /// With everything that is not TOML.
    pub fn parse(text: &'a str) -> Result<Self, Vec<Misfit>> {
        let (root, errors) = DeTable::parse_recoverable(text);
        let document = Self {
            text,
            root,
            taken_out: Vec::new(),
        };
        if errors.is_empty() {
            return Ok(document);
        }
        let misfits = errors.iter().map(|error| Misfit {
            place: error.span().map(|span| document.place(&span)),
            message: error.message().to_owned(),
        });
        Err(misfits.collect())
    }

    /// Reads what fits as a value, takes out what does not, and returns both.
    ///
    /// There is no value when a field is missing that the whole must have. Of several fields that
    /// one table lacks, the first is named.
    pub fn read<T: DeserializeOwned>(&mut self) -> (Option<T>, Vec<Misfit>) {
        let mut misfits = Vec::new();
        loop {
            let error = match T::deserialize(Deserializer::from(self.root.clone())) {
                Ok(value) => return (Some(value), misfits),
                Err(error) => error,
            };
            let misfit = self.misfit(&error);
            if !self.is_about_taken_out(&error) && !misfits.contains(&misfit) {
                misfits.push(misfit);
            }
            let root = self.root.span();
            let taken_out = error
                .span()
                .and_then(|span| take_out(self.root.get_mut(), &root, &span));
            match taken_out {
                Some(taken_out) => self.taken_out.push(taken_out),
                None => return (None, misfits),
            }
        }
    }

    /// Returns where the value of a field stands, such as `limits.max_connections` or `endpoints.0`;
    /// nothing when it is not there.
    ///
    /// Numbers count what is left in a list, as the value that was read has it.
    #[must_use]
    pub fn place_of(&self, field: &str) -> Option<Place> {
        let mut names = field.split('.');
        let first = self.root.get_ref().get(names.next()?)?;
        let value = names.try_fold(first, |value, name| member(value.get_ref(), name))?;
        Some(self.place(&value.span()))
    }

    /// Returns where the part of the text with this span begins.
    #[must_use]
    pub fn place(&self, span: &Range<usize>) -> Place {
        Place::of(span.start, self.text)
    }

    /// Returns whether nothing of a field was taken out: otherwise nobody can say what it lacks.
    #[must_use]
    pub fn is_whole(&self, field: &str) -> bool {
        let (mut container, mut value) = (self.root.span(), None::<&Spanned<DeValue<'_>>>);
        for name in field.split('.') {
            if self.has_lost(&container, name) {
                return false;
            }
            let next = match value {
                None => self.root.get_ref().get(name),
                Some(value) => member(value.get_ref(), name),
            };
            let Some(next) = next else { return true };
            (container, value) = (next.span(), Some(next));
        }
        value.is_none_or(|value| !self.has_lost_below(value))
    }

    fn has_lost(&self, container: &Range<usize>, name: &str) -> bool {
        let mut taken_out = self.taken_out.iter();
        taken_out.any(|lost| lost.container == *container && lost.name.as_deref() == Some(name))
    }

    fn has_lost_below(&self, value: &Spanned<DeValue<'_>>) -> bool {
        // A list of tables has the span of its first table; what was in a list had no name.
        let has_lost_own = |is_list: bool| {
            let mut taken_out = self.taken_out.iter();
            taken_out.any(|lost| lost.container == value.span() && lost.name.is_none() == is_list)
        };
        match value.get_ref() {
            DeValue::Table(table) => {
                has_lost_own(false) || table.iter().any(|(_, value)| self.has_lost_below(value))
            }
            DeValue::Array(array) => {
                has_lost_own(true) || array.iter().any(|value| self.has_lost_below(value))
            }
            _ => false,
        }
    }

    /// A field that was taken out is not missing.
    fn is_about_taken_out(&self, error: &toml::de::Error) -> bool {
        let container = error.span().unwrap_or_else(|| self.root.span());
        let mut taken_out = self.taken_out.iter();
        taken_out.any(|lost| {
            let name = lost.name.as_deref();
            lost.container == container
                && name.is_some_and(|name| error.message() == format!("missing field `{name}`"))
        })
    }

    fn misfit(&self, error: &toml::de::Error) -> Misfit {
        // What the whole text lacks stands nowhere.
        let span = error.span().filter(|span| *span != self.root.span());
        Misfit {
            place: span.map(|span| self.place(&span)),
            message: error.message().to_owned(),
        }
    }
}

fn member<'v, 'a>(value: &'v DeValue<'a>, name: &str) -> Option<&'v Spanned<DeValue<'a>>> {
    match value {
        DeValue::Table(table) => table.get(name),
        DeValue::Array(array) => array.get(name.parse::<usize>().ok()?),
        _ => None,
    }
}

/// Takes the entry out whose key or value stands there; nothing when there is none.
fn take_out(table: &mut DeTable<'_>, own: &Range<usize>, span: &Range<usize>) -> Option<TakenOut> {
    // Below first: a list of tables begins where its first table does.
    let below = table
        .iter_mut()
        .find_map(|(_, value)| take_out_below(value, span));
    if below.is_some() {
        return below;
    }
    let is_there =
        |(key, value): &(&Spanned<_>, &Spanned<_>)| key.span() == *span || value.span() == *span;
    let (key, _) = table.iter().find(is_there)?;
    let name = key.get_ref().to_string();
    table.remove(name.as_str());
    Some(TakenOut {
        container: own.clone(),
        name: Some(name),
    })
}

fn take_out_below(value: &mut Spanned<DeValue<'_>>, span: &Range<usize>) -> Option<TakenOut> {
    let own = value.span();
    match value.get_mut() {
        DeValue::Table(table) => take_out(table, &own, span),
        DeValue::Array(array) => take_out_of_list(array, own, span),
        _ => None,
    }
}

fn take_out_of_list(
    array: &mut DeArray<'_>,
    own: Range<usize>,
    span: &Range<usize>,
) -> Option<TakenOut> {
    let below = array
        .iter_mut()
        .find_map(|element| take_out_below(element, span));
    if below.is_some() || !array.iter().any(|element| element.span() == *span) {
        return below;
    }
    let kept = array.iter().filter(|element| element.span() != *span);
    *array = kept.cloned().collect();
    Some(TakenOut {
        container: own,
        name: None,
    })
}
