//! Reads structs from JSON objects alone.
//!
//! What serde derives takes a list for a struct too, element by element, and fields that may be
//! absent are then not even looked for: `"rules": []` would be rules that restrict nothing.

use serde::Deserializer;
use serde::de::Visitor;
use serde::forward_to_deserialize_any;

/// A deserializer that gives its visitor an object, or an error that says what was found instead.
#[derive(Debug)]
pub struct Object<D>(pub D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Object<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(visitor)
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// Has structs that derive `Deserialize` under `#[serde(remote = "Self")]` read from objects alone.
///
/// That attribute makes the derived code an associated function, which this wraps. Call the trait,
/// as `serde_json` does: the associated function itself takes lists.
#[macro_export]
macro_rules! objects_only {
    ($($name:ty),+ $(,)?) => {$(
        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <$name>::deserialize($crate::object::Object(deserializer))
            }
        }
    )+};
}

/// As [`objects_only`], for structs that derive `Serialize` too.
#[macro_export]
macro_rules! objects_only_both_ways {
    ($($name:ty),+ $(,)?) => {$(
        $crate::objects_only!($name);

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                <$name>::serialize(self, serializer)
            }
        }
    )+};
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};
    use serde_json::json;

    #[derive(Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
    #[serde(remote = "Self", default, deny_unknown_fields)]
    struct Shelf {
        books: Option<Vec<Book>>,
    }

    #[derive(Debug, PartialEq, Eq, Deserialize, Serialize)]
    #[serde(remote = "Self", rename_all = "camelCase")]
    struct Book {
        first_line: String,
    }

    objects_only_both_ways!(Shelf, Book);

    #[test]
    fn struct_is_read_from_an_object_as_derived_and_written_so() {
        for shelf in [
            json!({"books": null}),
            json!({"books": [{"firstLine": "a"}]}),
        ] {
            let read: Shelf = serde_json::from_value(shelf.clone()).unwrap();
            assert_eq!(
                serde_json::from_str::<Shelf>(&shelf.to_string()).unwrap(),
                read
            );
            assert_eq!(serde_json::to_value(&read).unwrap(), shelf);
        }
        assert!(serde_json::from_value::<Shelf>(json!({"pens": 1})).is_err());
    }

    #[test]
    fn struct_is_read_from_nothing_else() {
        for other in [
            json!([]),
            json!([null]),
            json!([[{"firstLine": "a"}]]),
            json!({"books": [["a"]]}),
            json!("books"),
            json!(null),
        ] {
            assert!(
                serde_json::from_value::<Shelf>(other.clone()).is_err(),
                "{other}"
            );
            assert!(
                serde_json::from_str::<Shelf>(&other.to_string()).is_err(),
                "{other}"
            );
        }
    }
}
