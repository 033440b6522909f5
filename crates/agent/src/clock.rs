//! The host's time: what signatures are dated with and Audit ends by, kept between answers by the monotonic clock.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http::HeaderValue;
use http::header::{DATE, HeaderMap};
use jiff::Timestamp;
use latchkey_protocol::header::HOST_DATE;

/// Where believable time ends, in seconds since 1970 (the year 9000): HTTP dates have four digits for
/// the year, and the clock goes on from what it is set to.
const LAST_SECOND: u64 = 221_845_392_000;

/// The host's clock as far as the agent knows it; the guest's own until the first answer.
#[derive(Debug)]
pub struct HostClock(Mutex<Reading>);

#[derive(Debug)]
struct Reading {
    at_instant: Instant,
    time: SystemTime,
    /// The text of the last whole second, so that a busy second formats once.
    formatted: Option<(u64, HeaderValue)>,
}

impl HostClock {
    /// Starts with the guest's wall clock.
    #[must_use]
    pub fn new() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place where the wall clock enters"
        )]
        let time = SystemTime::now();
        Self(Mutex::new(Reading {
            at_instant: Instant::now(),
            time,
            formatted: None,
        }))
    }

    /// Sets the clock by the headers of an answer of the host; without a readable date it stays.
    pub fn synchronise(&self, headers: &HeaderMap) {
        let date = match headers.get(HOST_DATE) {
            Some(date) => Some(date),
            None => headers.get(DATE),
        };
        let date = date.and_then(|date| date.to_str().ok());
        let time = date.and_then(|date| httpdate::parse_http_date(date).ok());
        let end = UNIX_EPOCH + Duration::from_secs(LAST_SECOND);
        let Some(time) = time.filter(|time| *time < end) else {
            return;
        };
        if let Ok(mut reading) = self.0.lock() {
            *reading = Reading {
                at_instant: Instant::now(),
                time,
                formatted: None,
            };
        }
    }

    /// Returns the present time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let reading = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = reading.time.checked_add(reading.at_instant.elapsed());
        // SECURITY: past the end of time every Audit has ended, so an absurd clock opens nothing.
        now.and_then(|now| Timestamp::try_from(now).ok())
            .unwrap_or(Timestamp::MAX)
    }

    /// Returns the present time as a `Date` header has it.
    #[must_use]
    pub fn date(&self) -> HeaderValue {
        let Ok(mut reading) = self.0.lock() else {
            return HeaderValue::from_static("");
        };
        let now = reading.time + reading.at_instant.elapsed();
        let second = now
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO)
            .as_secs();
        match &reading.formatted {
            Some((formatted, text)) if *formatted == second => text.clone(),
            _ => {
                let text = httpdate::fmt_http_date(now);
                // An HTTP date is printable ASCII; an empty one would only be refused.
                let text = HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""));
                reading.formatted = Some((second, text.clone()));
                text
            }
        }
    }
}

impl Default for HostClock {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn host_date_is_preferred_and_an_unreadable_one_changes_nothing() {
        let clock = HostClock::new();
        let (a, b) = (
            "Tue, 06 Jan 2026 07:08:09 GMT",
            "Wed, 07 Jan 2026 07:08:09 GMT",
        );
        clock.synchronise(&headers(&[("date", b), ("x-ms-azure-host-date", a)]));
        let second = |text: &str| httpdate::parse_http_date(text).unwrap();
        let shown = second(clock.date().to_str().unwrap());
        assert!(shown.duration_since(second(a)).unwrap() < Duration::from_secs(5));
        let now = clock.now().as_second() - 1_767_683_289;
        assert!((0..5).contains(&now), "{now}");
        for unusable in ["soon", "Fri, 31 Dec 9999 23:59:59 GMT"] {
            clock.synchronise(&headers(&[("date", b), ("x-ms-azure-host-date", unusable)]));
        }
        assert!(second(clock.date().to_str().unwrap()) < second(b));
    }
}
