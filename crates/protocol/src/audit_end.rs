//! When Audit ends. From then on it is Enforce, for guest and host alike.

use std::str::FromStr;

use jiff::Timestamp;

use crate::mode::Mode;

/// The moment at which Audit turns into Enforce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditEnd(Timestamp);

/// The text is no time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no time: write date, time and zone, as in `2026-12-31T23:59:59Z` (RFC 3339)")]
pub struct AuditEndError(String);

impl AuditEnd {
    /// Returns the moment.
    #[must_use]
    pub const fn time(self) -> Timestamp {
        self.0
    }
}

impl Mode {
    /// Returns what a written mode is at the time `now`: Audit that has ended is Enforce.
    #[must_use]
    pub fn due(self, end: Option<AuditEnd>, now: Timestamp) -> Self {
        match (self, end) {
            (Self::Audit, Some(AuditEnd(end))) if now >= end => Self::Enforce,
            _ => self,
        }
    }
}

impl FromStr for AuditEnd {
    type Err = AuditEndError;

    /// Reads a time as RFC 3339 section 5.6 writes it, and in no other of the many forms of ISO 8601.
    fn from_str(text: &str) -> Result<Self, AuditEndError> {
        let time = text.parse().ok().filter(|_| is_of_the_form(text));
        time.map(Self).ok_or_else(|| AuditEndError(text.to_owned()))
    }
}

fn is_of_the_form(text: &str) -> bool {
    const DATE_AND_TIME: &str = "0000-00-00T00:00:00";
    let Some((start, rest)) = text.split_at_checked(DATE_AND_TIME.len()) else {
        return false;
    };
    let mut pairs = start.bytes().zip(DATE_AND_TIME.bytes());
    let is_start = pairs.all(|(own, wanted)| match wanted {
        b'0' => own.is_ascii_digit(),
        _ => own.eq_ignore_ascii_case(&wanted),
    });
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => fraction.trim_start_matches(|c: char| c.is_ascii_digit()),
        None => rest,
    };
    let is_bare_point = rest.len() == zone.len() + 1;
    let is_zone = match zone.as_bytes() {
        [b'Z' | b'z'] => true,
        [b'+' | b'-', hour @ .., b':', m1, m2] => is_hour(hour) && is_minute(&[*m1, *m2]),
        _ => false,
    };
    // A leap second is not for plans: nobody knows years ahead which minutes have one.
    let is_leap_second = start.ends_with(":60");
    is_start && is_zone && !is_bare_point && !is_leap_second
}

const fn is_hour(digits: &[u8]) -> bool {
    matches!(digits, [b'0' | b'1', b'0'..=b'9'] | [b'2', b'0'..=b'3'])
}

const fn is_minute(digits: &[u8]) -> bool {
    matches!(digits, [b'0'..=b'5', b'0'..=b'9'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_form_of_rfc_3339_is_a_time() {
        for (text, second) in [
            ("1970-01-01T00:00:10Z", 10),
            ("1970-01-01t00:00:10z", 10),
            ("1970-01-01T01:00:10.5+01:00", 10),
            ("1969-12-31T23:00:10-01:00", 10),
            ("1970-01-01T23:59:10+23:59", 10),
        ] {
            assert_eq!(
                text.parse().ok().map(|AuditEnd(time)| time.as_second()),
                Some(second),
                "{text}"
            );
        }
        for text in [
            "",
            "tomorrow",
            "2026-12-31",
            "2026-12-31T23:59:59",
            "2026-12-31 23:59:59Z",
            "2026-12-31T23:59Z",
            "20261231T235959Z",
            "2026-12-31T23:59:59.Z",
            "2026-12-31T23:59:59,5Z",
            "2026-12-31T23:59:59+01",
            "2026-12-31T23:59:59+0100",
            "2026-12-31T23:59:59Z[UTC]",
            "2026-02-30T00:00:00Z",
            "2026-12-31T23:59:59Z ",
            "+002026-12-31T23:59:59Z",
            "2026-12-31T23:59:59+24:00",
            "2026-12-31T23:59:59-25:59",
            "2026-12-31T23:59:59+01:60",
            "2026-12-31T12:30:60Z",
            "2026-12-31T23:59:60Z",
            "2026-12-31T24:00:00Z",
        ] {
            assert!(text.parse::<AuditEnd>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn audit_is_enforce_from_its_end_on_and_nothing_else_changes() {
        let end = Some("1970-01-01T00:00:10Z".parse().unwrap());
        for (second, audit) in [(9, Mode::Audit), (10, Mode::Enforce), (11, Mode::Enforce)] {
            let now = Timestamp::new(second, 0).unwrap();
            assert_eq!(Mode::Audit.due(end, now), audit);
            assert_eq!(Mode::Audit.due(None, now), Mode::Audit);
            assert_eq!(Mode::Disabled.due(end, now), Mode::Disabled);
            assert_eq!(Mode::Enforce.due(end, now), Mode::Enforce);
        }
    }
}
