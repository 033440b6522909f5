//! The columns of the demo's table; plain text of at most 110 columns.

use std::io::{self, Write};

const HEAD: [&str; 7] = [
    "guest",
    "who",
    "asks for",
    "verdict",
    "reason",
    "signed",
    "host's answer",
];

/// The width of each column, without the two blanks between them.
const WIDTHS: [usize; 7] = [7, 7, 26, 11, 19, 6, 21];

pub(super) fn write_head(out: &mut impl Write) -> io::Result<()> {
    write_line(out, HEAD, "")?;
    write_rule(out)
}

pub(super) fn write_rule(out: &mut impl Write) -> io::Result<()> {
    let dashes = WIDTHS.map(|width| "-".repeat(width));
    write_line(out, dashes.each_ref().map(String::as_str), "")
}

pub(super) fn write_line(out: &mut impl Write, cells: [&str; 7], mark: &str) -> io::Result<()> {
    let padded: Vec<String> = cells
        .iter()
        .zip(WIDTHS)
        .map(|(cell, width)| format!("{cell:<width$}"))
        .collect();
    let line = format!("{}{mark}", padded.join("  "));
    writeln!(out, "{}", line.trim_end())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_at_most_110_columns_wide_and_aligned() {
        let mut out = Vec::new();
        write_head(&mut out).unwrap();
        write_line(
            &mut out,
            ["enforce", "www", "x", "refused", "y", "no", "z"],
            "",
        )
        .unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.lines().all(|line| line.len() <= 110), "{text}");
        let columns: Vec<_> = text
            .lines()
            .map(|line| line.find("verdict").or(line.find("refused")))
            .collect();
        assert_eq!(columns[0], columns[2], "{text}");
    }
}
