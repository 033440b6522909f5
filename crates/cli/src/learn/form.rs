//! Tells how an input is written by how it begins.

/// Members that hold lists of records, or the columns and rows of a table, in small letters.
pub(crate) const LISTS: [&str; 7] = [
    "data",
    "proxyconnectionsummary",
    "records",
    "results",
    "rows",
    "tables",
    "value",
];

/// Columns by which a line of names is known.
const COLUMNS: [&str; 11] = [
    "context1",
    "eventmessage",
    "message",
    "processfullpath",
    "rawdata",
    "rendereddescription",
    "syslogmessage",
    "target",
    "timegenerated",
    "timestamp",
    "url",
];

const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];

/// How an input is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Values between delimiters, below a line of names.
    Csv { delimiter: u8 },
    /// JSON values that are no lines.
    Document,
    /// A record in each line.
    Lines,
}

impl Form {
    /// Tells the form by the beginning of an input.
    pub(crate) fn of(start: &[u8]) -> Self {
        let start = start.trim_ascii_start();
        let line = start.split(|byte| *byte == b'\n').next();
        let line = line.unwrap_or_default().trim_ascii_end();
        match line.first() {
            Some(b'[') if begins_list(start) => Self::Document,
            Some(b'{') if is_opening(line) && start.len() > line.len() => Self::Document,
            Some(b'{') if holds_list(line) => Self::Document,
            Some(b'{' | b'[') | None => Self::Lines,
            Some(_) => match delimiter(line) {
                Some(delimiter) => Self::Csv { delimiter },
                None => Self::Lines,
            },
        }
    }
}

/// Returns whether a bracket opens a list, not a word in brackets.
fn begins_list(start: &[u8]) -> bool {
    let inner = start.strip_prefix(b"[").unwrap_or(start);
    matches!(
        inner.trim_ascii_start().first(),
        Some(b'{' | b'"' | b'[' | b']')
    )
}

/// Returns whether an object goes on in the next line, which a record that breaks off seldom looks like.
fn is_opening(line: &[u8]) -> bool {
    matches!(line.last(), Some(b'{' | b'[' | b',' | b':'))
}

/// Returns whether an object in one line has a list of records, or is a status.
fn holds_list(line: &[u8]) -> bool {
    let line = line.to_ascii_lowercase();
    let names = line.split(|byte| *byte == b'"').skip(1).step_by(2);
    let behind = line.split(|byte| *byte == b'"').skip(2).step_by(2);
    names.zip(behind).any(|(name, behind)| {
        let behind: Vec<u8> = behind
            .iter()
            .copied()
            .filter(|byte| !byte.is_ascii_whitespace())
            .collect();
        let is_list = LISTS.iter().any(|own| own.as_bytes() == name);
        is_list && behind.starts_with(b":[")
    })
}

/// Returns what stands between the names of columns.
fn delimiter(line: &[u8]) -> Option<u8> {
    let line = std::str::from_utf8(line).ok()?;
    if line.contains('{') {
        return None;
    }
    // One name alone has no delimiter, so any will do.
    let found = DELIMITERS
        .into_iter()
        .find(|own| line.contains(char::from(*own)));
    let delimiter = found.unwrap_or(b',');
    let mut names = line.split(char::from(delimiter));
    names.any(is_column).then_some(delimiter)
}

fn is_column(name: &str) -> bool {
    let name = name.trim().trim_matches('"').to_ascii_lowercase();
    let plain = name.strip_suffix("_s").unwrap_or(&name);
    COLUMNS.contains(&plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_is_told_by_the_beginning() {
        let csv = |delimiter| Form::Csv { delimiter };
        for (start, form) in [
            ("[{\"a\":1}]", Form::Document),
            ("[\n", Form::Lines),
            ("[\n {", Form::Document),
            ("{\n \"value\": [", Form::Document),
            ("{\"value\": [{\"a\":1}]}", Form::Document),
            ("{\"Tables\":[{\"Rows\":[]}]}\n", Form::Document),
            ("{\"x\":{},\"rows\" : [[1]]}", Form::Document),
            ("{\"value\": 1}\n{\"value\": 2}", Form::Lines),
            ("{\"a\":\"value\\\":[\"}\n", Form::Lines),
            ("{\"url\":\"/a\n{\"url\":\"/a\"}", Form::Lines),
            ("[INFO] words", Form::Lines),
            ("TimeGenerated,RawData\n", csv(b',')),
            ("RawData\nx", csv(b',')),
            ("\"TimeGenerated\";\"RawData\"\n", csv(b';')),
            ("method_s\turl_s\n", csv(b'\t')),
            ("a,b\n", Form::Lines),
            ("", Form::Lines),
        ] {
            assert_eq!(Form::of(start.as_bytes()), form, "{start}");
        }
    }
}
