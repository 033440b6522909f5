//! A measurement as text for people: a table per endpoint, and one line that sums it up.

use std::fmt;

use latchkey_record::Coverage;
use latchkey_record::coverage::{Verdict, WayCoverage};

use crate::terminal::Palette;

const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const RED: &str = "\x1b[1;31m";
const FAINT: &str = "\x1b[2m";
const RESET: &str = "\x1b[0m";

/// As wide as the longest verdict.
const VERDICT_WIDTH: usize = "not_testable".len();

pub(crate) fn coverage(coverage: &Coverage, palette: Palette) -> String {
    let mut text = String::new();
    for endpoint in &coverage.endpoints {
        let title = format!("{} in {}", endpoint.endpoint, endpoint.mode);
        rows(&mut text, &title, &endpoint.ways, palette);
    }
    rows(&mut text, "this machine", &coverage.machine, palette);
    summary(&mut text, coverage);
    text
}

fn rows(text: &mut String, title: &str, ways: &[WayCoverage], palette: Palette) {
    line(text, format_args!("{title}"));
    let width = ways
        .iter()
        .map(|way| way.way.len())
        .max()
        .unwrap_or_default();
    for way in ways {
        let verdict = format!("{:VERDICT_WIDTH$}", way.verdict.as_str());
        let verdict = coloured(&verdict, way, palette);
        let sign = if way.finding { "!" } else { " " };
        let note = way
            .note
            .as_ref()
            .map_or(String::new(), |note| format!(": {note}"));
        line(
            text,
            format_args!("{sign} {:width$}  {verdict}  {}{note}", way.way, way.says),
        );
    }
    line(text, format_args!(""));
}

fn coloured(verdict: &str, way: &WayCoverage, palette: Palette) -> String {
    if palette == Palette::Plain {
        return verdict.to_owned();
    }
    let colour = match way.verdict {
        _ if way.finding => RED,
        Verdict::Brokered | Verdict::Refused | Verdict::Untouched => GREEN,
        Verdict::LetThrough | Verdict::Open => YELLOW,
        Verdict::NotTestable => FAINT,
    };
    format!("{colour}{verdict}{RESET}")
}

fn summary(text: &mut String, coverage: &Coverage) {
    let ways = coverage.endpoints.iter().flat_map(|found| &found.ways);
    let ways: Vec<_> = ways.chain(&coverage.machine).collect();
    let count = |verdict| ways.iter().filter(|way| way.verdict == verdict).count();
    let kernel = &coverage.kernel;
    line(
        text,
        format_args!(
            "Linux {kernel}: {} brokered, {} refused, {} let through, {} open, {} untouched, {} not \
             testable here",
            count(Verdict::Brokered),
            count(Verdict::Refused),
            count(Verdict::LetThrough),
            count(Verdict::Open),
            count(Verdict::Untouched),
            count(Verdict::NotTestable),
        ),
    );
    match coverage.findings {
        0 => line(text, format_args!("no finding")),
        1 => line(text, format_args!("1 finding, marked with !")),
        many => line(text, format_args!("{many} findings, marked with !")),
    }
}

fn line(text: &mut String, content: fmt::Arguments<'_>) {
    text.push_str(&content.to_string());
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use latchkey_protocol::Mode;
    use latchkey_record::coverage::{COVERAGE_VERSION, EndpointCoverage};

    use super::*;

    fn measured() -> Coverage {
        let way = |way: &str, verdict, note: Option<&str>, finding| WayCoverage {
            way: way.to_owned(),
            says: format!("what {way} is"),
            verdict,
            note: note.map(str::to_owned),
            finding,
        };
        Coverage {
            version: COVERAGE_VERSION,
            time: "2026-01-01T00:00:00Z".parse().unwrap(),
            kernel: "6.1.0".to_owned(),
            findings: 1,
            endpoints: vec![EndpointCoverage {
                endpoint: "192.0.2.1:80".to_owned(),
                mode: Mode::Enforce,
                ways: vec![
                    way("tcp4", Verdict::Brokered, None, false),
                    way("raw4", Verdict::Open, Some("why"), true),
                ],
            }],
            machine: Vec::new(),
        }
    }

    #[test]
    fn finding_is_marked_and_counted() {
        let text = coverage(&measured(), Palette::Plain);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.first(), Some(&"192.0.2.1:80 in Enforce"));
        assert_eq!(lines.get(1), Some(&"  tcp4  brokered      what tcp4 is"));
        assert_eq!(
            lines.get(2),
            Some(&"! raw4  open          what raw4 is: why")
        );
        assert!(text.ends_with("1 finding, marked with !\n"), "{text}");
    }

    #[test]
    fn text_without_a_terminal_has_no_colour() {
        assert!(!coverage(&measured(), Palette::Plain).contains('\x1b'));
        assert!(coverage(&measured(), Palette::Colour).contains(RED));
    }
}
