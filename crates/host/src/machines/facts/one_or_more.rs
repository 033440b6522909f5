//! A section of a file that may stand once or as a list: `[network]` or `[[network]]`.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// The sections in the order of the file.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::machines) enum OneOrMore<T> {
    /// `[network]`
    One(T),
    /// `[[network]]`
    More(Vec<T>),
}

impl<T> OneOrMore<T> {
    /// Returns the sections.
    pub(super) const fn as_slice(&self) -> &[T] {
        match self {
            Self::One(section) => std::slice::from_ref(section),
            Self::More(sections) => sections.as_slice(),
        }
    }
}

impl<T> Default for OneOrMore<T> {
    fn default() -> Self {
        Self::More(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMore<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SectionVisitor(PhantomData))
    }
}

/// Looks at the form first, so that an error is about the field that is wrong and not about
/// every form that the whole could have had.
struct SectionVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for SectionVisitor<T> {
    type Value = OneOrMore<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a section or a list of sections")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(OneOrMore::One)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(OneOrMore::More)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize, PartialEq, Eq)]
    #[serde(deny_unknown_fields)]
    struct Section {
        a: u8,
    }

    #[test]
    fn section_and_list_are_read_and_errors_name_the_field() {
        let read = serde_json::from_str::<OneOrMore<Section>>;
        assert_eq!(
            read(r#"{"a":1}"#).unwrap(),
            OneOrMore::One(Section { a: 1 })
        );
        assert_eq!(read(r#"[{"a":1},{"a":2}]"#).unwrap().as_slice().len(), 2);
        for text in [r#"{"b":1}"#, r#"[{"a":1},{"b":1}]"#] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains("unknown field `b`"), "{error}");
        }
        assert!(read("1").is_err());
    }
}
