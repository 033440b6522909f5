//! The host's time: what signatures are dated with and Audit ends by, kept between answers by the monotonic clock.
//!
//! Signatures follow the host's date back and forth. What has ended by it stays ended.

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

/// How far behind its latest time the host may be without a remark: its dates are whole seconds, and
/// answers take their time.
const JITTER: Duration = Duration::from_secs(60);

/// A time, and when it was that.
#[derive(Clone, Copy, Debug)]
struct Moment {
    at: Instant,
    time: SystemTime,
}

impl Moment {
    /// Returns what the time is at another instant; nothing past the end of time.
    fn time_at(self, instant: Instant) -> Option<SystemTime> {
        let since = instant.saturating_duration_since(self.at);
        self.time.checked_add(since)
    }
}

#[derive(Debug)]
struct Reading {
    /// The host's last word, or the guest's clock.
    told: Moment,
    /// The latest time that the host has ever told.
    latest: Option<Moment>,
    is_behind: bool,
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
        let at = Instant::now();
        Self(Mutex::new(Reading {
            told: Moment { at, time },
            latest: None,
            is_behind: false,
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
            let at = Instant::now();
            let latest = reading.latest.and_then(|latest| latest.time_at(at));
            let latest = latest.map_or(time, |latest| latest.max(time));
            let behind = latest.duration_since(time).unwrap_or_default();
            let is_behind = behind > JITTER;
            if is_behind && !reading.is_behind {
                tracing::warn!(
                    ?behind,
                    "the host's date went back: what has ended stays ended"
                );
            }
            *reading = Reading {
                told: Moment { at, time },
                latest: Some(Moment { at, time: latest }),
                is_behind,
                formatted: None,
            };
        }
    }

    /// Returns the present time, which does not go back once the host has told it.
    ///
    /// SECURITY: else one answer with a date of the past would bring an Audit back that has ended.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let reading = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let latest = reading.latest.unwrap_or(reading.told);
        let now = latest.time_at(Instant::now());
        // SECURITY: past the end of time every Audit has ended, so an absurd clock opens nothing.
        now.and_then(|now| Timestamp::try_from(now).ok())
            .unwrap_or(Timestamp::MAX)
    }

    /// Returns the present time as a `Date` header has it, by the host's last word.
    #[must_use]
    pub fn date(&self) -> HeaderValue {
        let Ok(mut reading) = self.0.lock() else {
            return HeaderValue::from_static("");
        };
        let now = reading.told.time + reading.told.at.elapsed();
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

    #[test]
    fn signatures_follow_the_hosts_date_back_and_the_present_time_does_not() {
        let clock = HostClock::new();
        clock.synchronise(&headers(&[("date", "Tue, 06 Jan 2026 07:08:09 GMT")]));
        let first = clock.now();
        for date in [
            "Tue, 06 Jan 2026 07:00:00 GMT",
            "Mon, 01 Jan 1990 00:00:00 GMT",
        ] {
            clock.synchronise(&headers(&[("date", date)]));
            assert!(clock.now() >= first, "{date}");
            assert_eq!(
                clock.date().to_str().unwrap().get(..16),
                date.get(..16),
                "{date}"
            );
        }
    }

    #[test]
    fn first_date_of_the_host_counts_however_far_the_guests_clock_is_ahead() {
        let clock = HostClock::new();
        clock.synchronise(&headers(&[("date", "Mon, 01 Jan 1990 00:00:00 GMT")]));
        assert!(clock.now() < "1990-01-02T00:00:00Z".parse().unwrap());
    }
}
