//! The time of day, as a seam: signatures are judged by it, so tests must set it.

use std::time::{Duration, UNIX_EPOCH};

use jiff::Timestamp;

/// Tells the time of day.
pub trait Clock: Send + Sync {
    /// Returns the present time.
    fn now(&self) -> Timestamp;
}

/// The machine's own clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Returns a time as a date header: `Tue, 06 Jan 2026 07:08:09 GMT`. Times before 1970 have none
/// and become its first second.
#[must_use]
pub fn http_date(time: Timestamp) -> String {
    let seconds = u64::try_from(time.as_second()).unwrap_or(0);
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds))
}

/// Reads a date header in the one form that is sent today (RFC 9110 section 5.6.7); the two
/// obsolete forms are no dates here.
#[must_use]
pub fn parse_http_date(value: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(value).ok()?.trim_ascii();
    let time = httpdate::parse_http_date(text).ok()?;
    let time = Timestamp::try_from(time).ok()?;
    (http_date(time) == text).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_preferred_date_form_is_read() {
        let text = "Tue, 06 Jan 2026 07:08:09 GMT";
        let time = parse_http_date(text.as_bytes()).unwrap();
        assert_eq!(http_date(time), text);
        for other in [
            "Tuesday, 06-Jan-26 07:08:09 GMT",
            "Tue Jan  6 07:08:09 2026",
            "2026-01-06T07:08:09Z",
            "",
            "Mon, 06 Jan 2026 07:08:09 GMT",
        ] {
            assert_eq!(parse_http_date(other.as_bytes()), None, "{other}");
        }
    }
}
