//! A value that is told to whom it is for and never to a log.

use std::fmt;

use serde::Deserialize;

/// Holds a value whose debug form says nothing about it.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Redacted<T>(pub T);

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
}
