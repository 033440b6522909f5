//! Names of galleries, profiles and versions, as the resource model accepts them.

use std::fmt;
use std::str::FromStr;

/// The longest name of a gallery or profile.
const MAX_NAME_CHARS: usize = 80;
/// How many numbers a version has.
const VERSION_PARTS: usize = 3;

/// A text that the resource model does not accept as a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It is no name of a gallery.
    #[error(
        "`{0}` is no name of a gallery: use letters and digits, with single underscores between them, at most 80"
    )]
    Gallery(String),
    /// It is no name of a profile.
    #[error(
        "`{0}` is no name of a profile: use letters and digits, with single hyphens, dots or underscores between them, at most 80"
    )]
    Profile(String),
    /// It is no version.
    #[error("`{0}` is no version: use three numbers, as in 1.0.0")]
    Version(String),
}

/// The name of a gallery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GalleryName(String);

/// The name of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileName(String);

/// The name of a profile's version: three numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionName(String);

impl FromStr for GalleryName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if is_name(text, &['_']) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError::Gallery(text.to_owned()))
        }
    }
}

impl FromStr for ProfileName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if is_name(text, &['-', '.', '_']) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError::Profile(text.to_owned()))
        }
    }
}

impl FromStr for VersionName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let is_number = |part: &str| {
            part.bytes().all(|byte| byte.is_ascii_digit()) && part.parse::<i32>().is_ok()
        };
        if text.split('.').count() == VERSION_PARTS && text.split('.').all(is_number) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError::Version(text.to_owned()))
        }
    }
}

macro_rules! displayed {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

displayed!(GalleryName, ProfileName, VersionName);

/// Letters and digits, with single separators between them.
fn is_name(text: &str, separators: &[char]) -> bool {
    let is_part =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    text.len() <= MAX_NAME_CHARS && text.split(separators).all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_the_resource_model_accepts() {
        for text in ["a", "my_gallery", "G1", &"a".repeat(80)] {
            assert!(text.parse::<GalleryName>().is_ok(), "{text}");
        }
        for text in ["", "_a", "a_", "a__b", "a-b", "ä", "a b", &"a".repeat(81)] {
            assert!(text.parse::<GalleryName>().is_err(), "{text}");
        }
        for text in ["a-b.c_d", "9"] {
            assert!(text.parse::<ProfileName>().is_ok(), "{text}");
        }
        for text in ["-a", "a-", "a.-b", "a/b", "${a}"] {
            assert!(text.parse::<ProfileName>().is_err(), "{text}");
        }
        for text in ["1.0.0", "0.0.2147483647"] {
            assert!(text.parse::<VersionName>().is_ok(), "{text}");
        }
        for text in [
            "1.0",
            "1.0.0.0",
            "1.0.x",
            "1..0",
            "1.0.2147483648",
            "+1.0.0",
            "",
        ] {
            assert!(text.parse::<VersionName>().is_err(), "{text}");
        }
    }
}
