//! What a person sees: the table of callers, endpoints and verdicts, and single lines.
//!
//! No line is wider than the window, and the table not higher, so that it never scrolls.

use jiff::Timestamp;
use latchkey_protocol::Reason;
use latchkey_record::AuditRecord;

use super::columns::{cut, fitted};
use super::decision::{self, Verdict};
use super::tally::{Key, Row, Tally};
use crate::terminal::Palette;
use crate::visible::visible;

/// The size of a window in letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) columns: usize,
    pub(super) lines: usize,
}

/// Lines that are no rows: the sums, the blank one below, the head, and one for what is not shown.
const OTHER_LINES: usize = 4;
/// Wide enough for the endpoints' usual names.
const ENDPOINT: usize = 10;
const VERDICT: usize = 7;
const RATE: usize = 7;
const COUNT: usize = 9;
/// Wide enough for most reasons.
const REASON: usize = 22;
/// From which width on a reason is shown, and the last request.
const WITH_REASON: usize = 90;
const WITH_REQUEST: usize = 120;

/// How wide the columns are whose width depends on the window.
#[derive(Clone, Copy)]
struct Widths {
    caller: usize,
    reason: Option<usize>,
    request: Option<usize>,
}

impl Widths {
    fn of(window: Window) -> Self {
        let reason = (window.columns >= WITH_REASON).then_some(REASON);
        let fixed = ENDPOINT + VERDICT + RATE + COUNT + 4 * 2 + reason.map_or(0, |width| width + 2);
        let free = window.columns.saturating_sub(fixed);
        let has_request = window.columns >= WITH_REQUEST;
        let request = has_request.then(|| free.saturating_sub(2) / 2);
        Self {
            caller: free - request.map_or(0, |width| width + 2),
            reason,
            request,
        }
    }
}

/// Returns the whole table, at most as high and as wide as the window.
pub(super) fn table(tally: &Tally, window: Window, palette: Palette, now: Timestamp) -> String {
    let mut lines = vec![cut(&sums(tally, now), window.columns), String::new()];
    let widths = Widths::of(window);
    let titles = ["caller", "endpoint", "verdict", "reason", "per s", "count"];
    lines.push(cut(&line(widths, titles, "last request"), window.columns));
    let rows = tally.rows(now);
    let room = window.lines.saturating_sub(OTHER_LINES);
    for (key, row) in rows.iter().take(room) {
        let text = cut(&row_line(widths, key, row, now), window.columns);
        lines.push(coloured(&text, key.verdict, palette));
    }
    let hidden = rows.len().saturating_sub(room);
    if hidden > 0 {
        lines.push(cut(&format!("and {hidden} more"), window.columns));
    }
    lines.truncate(window.lines);
    lines.join("\n") + "\n"
}

/// Returns one decision as a line.
pub(super) fn decision_line(record: &AuditRecord, palette: Palette) -> String {
    let verdict = Verdict::of(record);
    let endpoint = record.endpoint.as_deref().or(record.destination.as_deref());
    let text = format!(
        "{} {:<5} {} {} {} by {}",
        record.time,
        verdict.as_str(),
        decision::reason(record).map_or("-", Reason::as_str),
        visible(endpoint.unwrap_or("unknown")),
        visible(&decision::request_in_words(record)),
        visible(&decision::caller_in_words(record)),
    );
    coloured(&text, verdict, palette) + "\n"
}

fn sums(tally: &Tally, now: Timestamp) -> String {
    let verdicts = Verdict::ALL.map(|verdict| (verdict.as_str(), tally.total(verdict)));
    let troubles = [
        ("unreadable lines", tally.unreadable),
        ("missing records", tally.missing),
        ("rows forgotten", tally.dropped_rows),
    ];
    let troubles = troubles.into_iter().filter(|(_, count)| *count > 0);
    let counts = verdicts.into_iter().chain(troubles);
    let counts = counts.map(|(name, count)| format!("{name} {count}"));
    let rate = format!("{:.1} per second", tally.rate(now));
    let parts: Vec<_> = std::iter::once(rate).chain(counts).collect();
    parts.join("  ")
}

fn row_line(widths: Widths, key: &Key, row: &Row, now: Timestamp) -> String {
    let (rate, count) = (format!("{:.1}", row.rate(now)), row.count.to_string());
    let cells = [
        key.caller.as_str(),
        key.endpoint.as_str(),
        key.verdict.as_str(),
        key.reason.map_or("-", Reason::as_str),
        &rate,
        &count,
    ];
    line(widths, cells, &row.last_request)
}

fn line(widths: Widths, cells: [&str; 6], request: &str) -> String {
    let [caller, endpoint, verdict, reason, rate, count] = cells;
    let mut shown = vec![
        fitted(caller, widths.caller),
        fitted(endpoint, ENDPOINT),
        fitted(verdict, VERDICT),
    ];
    shown.extend(widths.reason.map(|width| fitted(reason, width)));
    shown.push(format!("{rate:>RATE$}"));
    shown.push(format!("{count:>COUNT$}"));
    shown.extend(widths.request.map(|width| fitted(request, width)));
    shown.join("  ").trim_end().to_owned()
}

fn coloured(text: &str, verdict: Verdict, palette: Palette) -> String {
    let colour = match (palette, verdict) {
        (Palette::Plain, _) | (Palette::Colour, Verdict::Allow) => return text.to_owned(),
        (Palette::Colour, Verdict::Audit | Verdict::Error) => "\x1b[33m",
        (Palette::Colour, Verdict::Deny) => "\x1b[31m",
    };
    format!("{colour}{text}\x1b[0m")
}

#[cfg(test)]
mod tests {
    use latchkey_record::audit::Outcome;
    use unicode_width::UnicodeWidthStr;

    use super::super::sample::{at, record};
    use super::*;

    const WIDE: Window = Window {
        columns: 140,
        lines: 20,
    };

    fn refused(sequence: u64, user: &str) -> AuditRecord {
        AuditRecord {
            outcome: Outcome::Refused,
            reason: Some(Reason::CallerNotAssigned),
            ..record(sequence, user, 0)
        }
    }

    fn tally(records: &[AuditRecord]) -> Tally {
        let mut tally = Tally::default();
        records.iter().for_each(|record| tally.add(record));
        tally
    }

    #[test]
    fn table_tells_who_asked_for_what_and_what_became_of_it() {
        let tally = tally(&[record(1, "app", 0), record(2, "app", 0), refused(3, "www")]);
        let text = table(&tally, WIDE, Palette::Plain, at(0));
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[0],
            "0.3 per second  allow 2  audit 0  deny 1  error 0"
        );
        let words = |line: &str| {
            let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
            words.join(" ")
        };
        assert_eq!(
            words(lines[3]),
            "app /usr/bin/curl imds allow - 0.2 2 GET /metadata/instance"
        );
        assert_eq!(
            words(lines[4]),
            "www /usr/bin/curl imds deny caller_not_assigned 0.1 1 GET /metadata/instance"
        );
    }

    #[test]
    fn table_fits_every_window() {
        let records: Vec<_> = (1..=40).map(|n| refused(n, &format!("user{n}"))).collect();
        let tally = tally(&records);
        for columns in [0, 1, 10, 30, 40, 80, 90, 119, 120, 300] {
            for lines in [0, 1, 3, 4, 5, 24, 100] {
                let window = Window { columns, lines };
                let text = table(&tally, window, Palette::Plain, at(0));
                assert!(text.lines().count() <= lines.max(1), "{window:?}: {text}");
                let widest = text.lines().map(UnicodeWidthStr::width).max();
                assert!(widest <= Some(columns), "{window:?}: {text}");
            }
        }
        let text = table(&tally, Window { lines: 10, ..WIDE }, Palette::Plain, at(0));
        assert!(text.ends_with("\nand 34 more\n"), "{text}");
    }

    #[test]
    fn hostile_text_of_a_caller_reaches_no_terminal() {
        let hostile = AuditRecord {
            target: Some("/a\x1b[2J\r\n\u{9b}K".to_owned()),
            endpoint: Some("imds\x07".into()),
            ..record(1, "mal\x1b]0;title\x07lory", 0)
        };
        let tally = tally(std::slice::from_ref(&hostile));
        let text =
            table(&tally, WIDE, Palette::Plain, at(0)) + &decision_line(&hostile, Palette::Plain);
        let stray = |letter: char| letter.is_control() && letter != '\n';
        assert!(!text.contains(stray), "{text:?}");
        assert!(text.contains("mal\\u{1b}]0;"), "{text}");
    }

    #[test]
    fn refusals_are_coloured_on_a_terminal_alone() {
        assert!(decision_line(&refused(1, "www"), Palette::Colour).starts_with("\x1b[31m"));
        let plain = decision_line(&refused(1, "www"), Palette::Plain);
        assert_eq!(
            plain,
            "2027-01-15T08:00:00Z deny  caller_not_assigned imds GET /metadata/instance by www \
             /usr/bin/curl\n"
        );
    }

    #[test]
    fn what_is_not_shown_is_told() {
        let mut tally = tally(&[record(1, "app", 0)]);
        (tally.unreadable, tally.missing) = (2, 3);
        let text = table(&tally, WIDE, Palette::Plain, at(0));
        assert!(
            text.starts_with("0.1 per second  allow 1  audit 0  deny 0  error 0  unreadable lines 2  missing records 3\n"),
            "{text}"
        );
    }
}
