//! What looks made by a machine for one moment: ids, counters and times.

use jiff::Timestamp;
use jiff::civil::Date;

/// What a text looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Appearance {
    Uuid,
    Time,
    Number,
    Digest,
}

/// Fewer digits are a port, a year or a version.
const MIN_DIGITS: usize = 7;
/// Fewer hexadecimal digits may be a word.
const MIN_HEX_DIGITS: usize = 12;
const UUID_LEN: usize = 36;
/// Where the hyphens of a UUID stand (RFC 9562 section 4).
const UUID_HYPHENS: [usize; 4] = [8, 13, 18, 23];

impl Appearance {
    /// Returns what a text, or a part of it, looks like, if it looks like anything of the kind.
    pub(super) fn of(text: &str) -> Option<Self> {
        if text.as_bytes().windows(UUID_LEN).any(is_uuid) {
            return Some(Self::Uuid);
        }
        if text.parse::<Date>().is_ok() || text.parse::<Timestamp>().is_ok() {
            return Some(Self::Time);
        }
        let mut parts = text.split(|letter: char| !letter.is_ascii_alphanumeric());
        parts.find_map(Self::of_part)
    }

    fn of_part(part: &str) -> Option<Self> {
        let is_hex = part.bytes().all(|byte| byte.is_ascii_hexdigit());
        let digits = part.bytes().filter(u8::is_ascii_digit).count();
        match part.len() {
            MIN_DIGITS.. if digits == part.len() => Some(Self::Number),
            MIN_HEX_DIGITS.. if is_hex && digits > 0 => Some(Self::Digest),
            _ => None,
        }
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Uuid => "a UUID",
            Self::Time => "a time",
            Self::Number => "a number that a program counts or draws",
            Self::Digest => "an id in hexadecimal digits",
        }
    }
}

fn is_uuid(bytes: &[u8]) -> bool {
    bytes.iter().enumerate().all(|(at, byte)| {
        if UUID_HYPHENS.contains(&at) {
            *byte == b'-'
        } else {
            byte.is_ascii_hexdigit()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_counters_and_times_are_told_from_words() {
        for (text, expected) in [
            (
                "2d8e2a4c-5d3a-4b3d-9c7b-000000000001",
                Some(Appearance::Uuid),
            ),
            (
                "role_2D8E2A4C-5d3a-4b3d-9c7b-000000000001",
                Some(Appearance::Uuid),
            ),
            ("2026-11-23", Some(Appearance::Time)),
            ("2026-11-23T10:00:00Z", Some(Appearance::Time)),
            ("1764000000", Some(Appearance::Number)),
            ("privilege_17640000001", Some(Appearance::Number)),
            ("deadbeefcafe1", Some(Appearance::Digest)),
            ("https://management.azure.com/", None),
            ("goalstate", None),
            ("hostingEnvironmentConfig", None),
            ("decade", None),
            ("443", None),
            ("2018", None),
            ("v1.2.3", None),
            ("", None),
        ] {
            assert_eq!(Appearance::of(text), expected, "{text}");
        }
    }
}
