//! A value that is told to whom it is for and never to a log.

use std::fmt;

use serde::{Deserialize, Deserializer, de};

/// Holds a value whose debug form says nothing about it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Redacted<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Redacted<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // SECURITY: an error about a value of another type quotes it, and errors are logged.
        T::deserialize(deserializer).map(Self).map_err(|_quoting| {
            de::Error::custom("the value is not of the form; it is secret, so it is not quoted")
        })
    }
}

impl<T> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_form_does_not_tell_the_value() {
        assert_eq!(
            format!("{:?}", Some(Redacted("secret"))),
            "Some([redacted])"
        );
    }

    #[test]
    fn error_does_not_tell_the_value() {
        for text in ["472911", "[472911]", "{\"a\":472911}"] {
            let error = serde_json::from_str::<Redacted<String>>(text).unwrap_err();
            assert!(!error.to_string().contains("472911"), "{error}");
        }
    }
}
