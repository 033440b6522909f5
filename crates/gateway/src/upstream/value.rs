//! A header's value as an operator writes it: text with fields of the machine in braces.

use std::str::FromStr;

use crate::backend::Asker;

/// A header's value, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) text: String,
    pub(super) pieces: Vec<Piece>,
}

/// A part of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// What stands there.
    Text(String),
    /// What is known of the machine.
    Field(Field),
    /// The code of what is known of the machine.
    Code(Field),
}

/// Something that is known of the machine that asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Id,
    VmId,
    Name,
    Address,
    Tag(String),
}

/// Why a text is no value of a header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// A brace has no counterpart.
    #[error("a brace in `{0}` has no counterpart")]
    Brace(String),
    /// There is no such field.
    #[error(
        "`{{{0}}}` is no field: use id, vm_id, name, address or tag:NAME, or hmac: and one of them"
    )]
    Field(String),
    /// A character cannot stand in a header.
    #[error("`{0}` holds a character that no header may hold")]
    Character(String),
}

impl FromStr for Value {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if !text.bytes().all(|byte| matches!(byte, 0x20..=0x7E)) {
            return Err(ValueError::Character(text.to_owned()));
        }
        let unbalanced = || ValueError::Brace(text.to_owned());
        let (mut pieces, mut rest) = (Vec::new(), text);
        while let Some((plain, opened)) = rest.split_once('{') {
            let (field, after) = opened.split_once('}').ok_or_else(unbalanced)?;
            push_text(plain, &mut pieces).ok_or_else(unbalanced)?;
            pieces.push(field.parse()?);
            rest = after;
        }
        push_text(rest, &mut pieces).ok_or_else(unbalanced)?;
        Ok(Self {
            text: text.to_owned(),
            pieces,
        })
    }
}

/// Adds text, unless a brace closes in it that was not opened.
fn push_text(text: &str, pieces: &mut Vec<Piece>) -> Option<()> {
    if text.contains('}') {
        return None;
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
    Some(())
}

impl FromStr for Piece {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text.strip_prefix("hmac:") {
            Some(field) => Ok(Self::Code(field.parse()?)),
            None => Ok(Self::Field(text.parse()?)),
        }
    }
}

impl FromStr for Field {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match (text, text.strip_prefix("tag:")) {
            ("id", _) => Ok(Self::Id),
            ("vm_id", _) => Ok(Self::VmId),
            ("name", _) => Ok(Self::Name),
            ("address", _) => Ok(Self::Address),
            (_, Some(tag)) if !tag.is_empty() => Ok(Self::Tag(tag.to_owned())),
            _ => Err(ValueError::Field(text.to_owned())),
        }
    }
}

impl Field {
    /// Returns what is known of the machine that asks.
    ///
    /// # Errors
    /// With the name of the tag that it does not have.
    pub(super) fn of(&self, asker: &Asker<'_>) -> Result<String, &str> {
        let machine = asker.machine;
        match self {
            Self::Id => Ok(machine.id.to_string()),
            Self::VmId => Ok(machine.facts.vm_id.to_string()),
            Self::Name => Ok(machine.facts.name.clone()),
            Self::Address => Ok(asker.source.to_canonical().to_string()),
            Self::Tag(tag) => {
                let mut tags = machine.facts.tags.iter();
                let found = tags.find(|(name, _)| name == tag);
                found.map(|(_, value)| value.clone()).ok_or(tag)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_is_read_into_text_and_fields() {
        let value: Value = "vm {id} at {address}".parse().unwrap();
        assert_eq!(
            value.pieces,
            [
                Piece::Text("vm ".to_owned()),
                Piece::Field(Field::Id),
                Piece::Text(" at ".to_owned()),
                Piece::Field(Field::Address),
            ]
        );
        let value: Value = "{hmac:tag:project}".parse().unwrap();
        assert_eq!(
            value.pieces,
            [Piece::Code(Field::Tag("project".to_owned()))]
        );
        assert_eq!("".parse::<Value>().unwrap().pieces, []);
    }

    #[test]
    fn what_is_no_value_is_refused() {
        for text in ["{id", "id}", "{id}}", "a}{id}"] {
            let error = text.parse::<Value>().unwrap_err();
            assert_eq!(error, ValueError::Brace(text.to_owned()));
        }
        for field in ["", "ID", "tag:", "hmac:", "hmac:hmac:id", "{id", "id "] {
            let error = format!("{{{field}}}").parse::<Value>().unwrap_err();
            assert!(matches!(error, ValueError::Field(_)), "{field}: {error}");
        }
        for text in ["é", "a\r\nb", "\u{7f}"] {
            let error = text.parse::<Value>().unwrap_err();
            assert_eq!(error, ValueError::Character(text.to_owned()));
        }
    }
}
