//! Writes posts for people and for programs.
//!
//! SECURITY: a body is a guest's own text. Written to a terminal as it is, its escape sequences
//! could move the cursor, change what was written before, or answer in the operator's name.

use std::fmt::{self, Write as _};
use std::io::{self, Write};

use latchkey_gateway::emulator::inbox::{Kept, Posted};
use serde::Serialize as _;
use serde_json::ser::Formatter;

/// Writes the heading of the list.
pub(super) fn heading(out: &mut impl Write) -> io::Result<()> {
    let machine = "MACHINE";
    writeln!(
        out,
        "{:>6}  {:<20}  {machine:<16}  {:<10}  {:>9}  REQUEST",
        "NUMBER", "TIME", "SERVICE", "BYTES"
    )
}

/// Writes one post as a row of the list.
pub(super) fn row(posted: &Posted, out: &mut impl Write) -> io::Result<()> {
    let time = posted.time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let machine = Visible(&posted.machine).to_string();
    writeln!(
        out,
        "{:>6}  {time:<20}  {machine:<16}  {:<10}  {:>9}  {} {}",
        posted.number,
        posted.endpoint.as_str(),
        posted.length,
        Visible(&posted.method),
        Visible(&posted.target)
    )
}

/// Writes one post with the beginning of its body.
pub(super) fn post(posted: &Posted, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "number:  {}", posted.number)?;
    writeln!(out, "time:    {}", posted.time)?;
    writeln!(out, "machine: {}", Visible(&posted.machine))?;
    writeln!(out, "service: {}", posted.endpoint)?;
    let (method, target) = (Visible(&posted.method), Visible(&posted.target));
    writeln!(out, "request: {method} {target}")?;
    writeln!(out, "bytes:   {}{}", posted.length, remark(posted))?;
    writeln!(out)?;
    match &posted.body {
        Kept::Text(text) => writeln!(out, "{}", VisibleLines(text)),
        Kept::Base64(text) => writeln!(out, "{}", Visible(text)),
    }
}

/// Writes one post as a line of JSON.
pub(super) fn json(posted: &Posted, out: &mut impl Write) -> io::Result<()> {
    let mut writer = serde_json::Serializer::with_formatter(&mut *out, VisibleStrings);
    posted.serialize(&mut writer)?;
    writeln!(out)
}

/// JSON on one line whose strings hold nothing that a terminal would act on. JSON itself escapes
/// only what comes before the blank: not the control sequences of one character.
struct VisibleStrings;

impl Formatter for VisibleStrings {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        fragment.chars().try_for_each(|c| {
            if !is_hidden(c) {
                return write!(writer, "{c}");
            }
            let mut units = [0; 2];
            let units = c.encode_utf16(&mut units).iter();
            units
                .into_iter()
                .try_for_each(|unit| write!(writer, "\\u{unit:04x}"))
        })
    }
}

/// Says how the body below differs from what was sent.
fn remark(posted: &Posted) -> String {
    let (form, kept) = match &posted.body {
        Kept::Text(text) => ("", text.len()),
        Kept::Base64(text) => {
            let padding = text.bytes().rev().take_while(|byte| *byte == b'=').count();
            (
                ", not text, in base64",
                (text.len() / 4 * 3).saturating_sub(padding),
            )
        }
    };
    let cut = if (kept as u64) < posted.length {
        ", only the beginning is kept"
    } else {
        ""
    };
    format!("{form}{cut}")
}

/// A text in which every character stands for itself: what a terminal would act on is escaped.
struct Visible<'a>(&'a str);

/// As [`Visible`], but lines stay lines, and tabs stay tabs.
struct VisibleLines<'a>(&'a str);

impl fmt::Display for Visible<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| write_visible(c, f))
    }
}

impl fmt::Display for VisibleLines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.trim_end_matches(['\r', '\n']).chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '\r' if rest.peek() == Some(&'\n') => {}
                '\n' | '\t' => f.write_char(c)?,
                _ => write_visible(c, f)?,
            }
        }
        Ok(())
    }
}

fn write_visible(c: char, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if is_hidden(c) {
        write!(f, "{}", c.escape_default())
    } else {
        f.write_char(c)
    }
}

/// Whether a terminal would do anything else with a character than show it.
fn is_hidden(c: char) -> bool {
    c.is_control() || is_invisible(c)
}

/// Whether a character shows nothing and changes how others show: marks of direction, joiners,
/// separators of lines and paragraphs, tags.
const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use latchkey_protocol::EndpointKind;

    use super::*;

    fn posted(body: Kept, length: u64) -> Posted {
        Posted {
            number: 7,
            time: "2026-01-06T07:08:09.5Z".parse().unwrap(),
            machine: "web".to_owned(),
            endpoint: EndpointKind::WireServer,
            method: "POST".to_owned(),
            target: "/machine/?comp=health".to_owned(),
            length,
            body,
        }
    }

    fn written(posted: &Posted, write: fn(&Posted, &mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(posted, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn nothing_that_a_guest_posts_acts_on_a_terminal() {
        let body = "a\u{1b}]0;owned\u{7}\u{9b}2J\rb\u{202e}c\r\nd\te\u{7f}\r\n";
        let shown = written(&posted(Kept::Text(body.to_owned()), 30), post);
        let (_, shown) = shown.split_once("\n\n").unwrap();
        assert_eq!(
            shown,
            "a\\u{1b}]0;owned\\u{7}\\u{9b}2J\\rb\\u{202e}c\nd\te\\u{7f}\n"
        );
        let mut forged = posted(Kept::Text(String::new()), 0);
        forged.target = "/\u{1b}[2J\n".to_owned();
        let row = written(&forged, row);
        assert!(row.ends_with("POST /\\u{1b}[2J\\n\n"), "{row}");
    }

    #[test]
    fn what_is_cut_or_no_text_says_so() {
        let whole = posted(Kept::Text("<Health/>".to_owned()), 9);
        assert!(written(&whole, post).contains("bytes:   9\n"));
        let cut = posted(Kept::Text("<Health/>".to_owned()), 5000);
        assert!(written(&cut, post).contains("bytes:   5000, only the beginning is kept\n"));
        let binary = posted(Kept::Base64("//8=".to_owned()), 2);
        assert!(written(&binary, post).contains("bytes:   2, not text, in base64\n\n//8=\n"));
    }

    #[test]
    fn line_of_json_reads_back_and_acts_on_no_terminal() {
        let body = "a\u{1b}\n\"b\"\u{7f}\u{9b}2J\u{202e}é\u{e0041}";
        let posted = posted(Kept::Text(body.to_owned()), 4);
        let line = written(&posted, json);
        let shown = r#"a\u001b\n\"b\"\u007f\u009b2J\u202eé\udb40\udc41"#;
        assert!(line.contains(shown), "{line}");
        assert_eq!(line.matches(char::is_control).collect::<Vec<_>>(), ["\n"]);
        assert_eq!(serde_json::from_str::<Posted>(&line).unwrap(), posted);
    }
}
