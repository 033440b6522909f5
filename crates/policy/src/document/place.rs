//! Places in a text: a span of bytes for programs, line and column for people, and a JSON pointer's way to both.

use std::fmt;
use std::ops::Range;

use jsonc_parser::ast::Value;
use jsonc_parser::common::Ranged as _;

/// Where something stands in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The first byte, from 0.
    pub offset: usize,
    /// How many bytes it takes.
    pub len: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// What a text may begin with.
pub(super) const BYTE_ORDER_MARK: &str = "\u{feff}";

/// How many bytes are counted at once: a text of one line may have a problem at each of its values.
const BLOCK_BYTES: usize = 256;

/// Where each line of a text starts, and how many characters there are before each block of bytes.
#[derive(Clone, Debug)]
pub(super) struct Lines {
    starts: Vec<usize>,
    characters: Vec<usize>,
}

impl Lines {
    pub(super) fn of(text: &str) -> Self {
        let after = text.match_indices('\n').map(|(at, _)| at + 1);
        // The end of the text begins a block too.
        let blocks = text.as_bytes().chunks(BLOCK_BYTES).chain([[].as_slice()]);
        let characters = blocks.scan(0, |count, block| {
            let before = *count;
            *count += begun(block);
            Some(before)
        });
        Self {
            starts: std::iter::once(0).chain(after).collect(),
            characters: characters.collect(),
        }
    }

    /// Returns how many characters begin before a byte.
    fn characters_before(&self, text: &str, at: usize) -> usize {
        let start = at - at % BLOCK_BYTES;
        let before = self.characters.get(at / BLOCK_BYTES).copied();
        before.unwrap_or(0) + begun(text.as_bytes().get(start..at).unwrap_or_default())
    }

    /// Returns the place of a span; a byte order mark takes no column.
    pub(super) fn place(&self, text: &str, span: &Range<usize>) -> Place {
        let line = self.starts.partition_point(|start| *start <= span.start);
        let start = self.starts.get(line.wrapping_sub(1)).copied().unwrap_or(0);
        let marks = usize::from(start == 0 && span.start > 0 && text.starts_with(BYTE_ORDER_MARK));
        let before = self.characters_before(text, span.start);
        let column = before - self.characters_before(text, start) - marks + 1;
        Place {
            line,
            column,
            offset: span.start,
            len: span.end.saturating_sub(span.start),
        }
    }

    /// Returns the byte that a line and a column of bytes, both from 1, stand for.
    pub(super) fn offset(&self, text: &str, line: usize, column: usize) -> usize {
        let start = self
            .starts
            .get(line.saturating_sub(1))
            .copied()
            .unwrap_or(0);
        let wanted = (start + column.saturating_sub(1)).min(text.len());
        let is_boundary = |at: &usize| text.is_char_boundary(*at);
        (0..=wanted).rev().find(is_boundary).unwrap_or(0)
    }
}

/// Returns how many characters begin in these bytes of a text.
fn begun(bytes: &[u8]) -> usize {
    let continues = |byte: &&u8| **byte & 0b1100_0000 == 0b1000_0000;
    bytes.len() - bytes.iter().filter(continues).count()
}

/// The spans of all values of a text, without the values.
#[derive(Clone, Debug)]
pub(super) struct Spans {
    span: Range<usize>,
    inside: Inside,
}

#[derive(Clone, Debug)]
enum Inside {
    Nothing,
    Elements(Vec<Spans>),
    /// By name.
    Members(Vec<(Box<str>, Spans)>),
}

impl Spans {
    /// Takes the spans of a value that begins after `shift` bytes of the text.
    pub(super) fn of(value: &Value<'_>, shift: usize) -> Self {
        let inside = match value {
            Value::Array(array) => {
                let elements = array.elements.iter();
                Inside::Elements(elements.map(|element| Self::of(element, shift)).collect())
            }
            Value::Object(object) => {
                let members = object.properties.iter().map(|member| {
                    let name = member.name.as_str().into();
                    (name, Self::of(&member.value, shift))
                });
                let mut members: Vec<(Box<str>, Self)> = members.collect();
                // Stable: of a name that is repeated the first one is found.
                members.sort_by(|(one, _), (other, _)| one.cmp(other));
                Inside::Members(members)
            }
            _ => Inside::Nothing,
        };
        Self {
            span: value.start() + shift..value.end() + shift,
            inside,
        }
    }

    /// Returns the span of what a JSON pointer names, or of the nearest value around it.
    pub(super) fn nearest(&self, pointer: &str) -> Range<usize> {
        let mut here = self;
        for part in pointer.split('/').skip(1) {
            let Some(next) = here.child(part) else {
                break;
            };
            here = next;
        }
        here.span.clone()
    }

    fn child(&self, part: &str) -> Option<&Self> {
        match &self.inside {
            Inside::Nothing => None,
            Inside::Elements(elements) => elements.get(part.parse::<usize>().ok()?),
            Inside::Members(members) => {
                let name = part.replace("~1", "/").replace("~0", "~");
                let first = members.partition_point(|(known, _)| **known < *name);
                let found = members.get(first).filter(|(known, _)| **known == *name);
                found.map(|(_, spans)| spans)
            }
        }
    }
}

/// Writes a member name as a part of a JSON pointer (RFC 6901 section 3).
pub(crate) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_no_byte_order_mark() {
        let text = "\u{feff}{\n \"é\": x}";
        let lines = Lines::of(text);
        assert_eq!(lines.place(text, &(3..4)).to_string(), "1:1");
        let at = text.find('x').unwrap();
        let place = lines.place(text, &(at..at + 1));
        assert_eq!((place.to_string(), place.len), ("2:7".to_owned(), 1));
    }

    #[test]
    fn columns_of_a_long_line_are_counted_from_its_start() {
        for len in [BLOCK_BYTES - 1, BLOCK_BYTES, 2 * BLOCK_BYTES, 5000] {
            let text = format!("\n{}", "é".repeat(len));
            let lines = Lines::of(&text);
            for at in [0, 1, len / 2, len] {
                let start = 1 + at * "é".len();
                let place = lines.place(&text, &(start..start));
                assert_eq!((place.line, place.column), (2, at + 1));
            }
        }
    }

    #[test]
    fn pointer_leads_to_the_value_or_to_what_is_around_it() {
        let text = r#"{"a/b": [1, {"c~": 22}]}"#;
        let options = jsonc_parser::CollectOptions::default();
        let parsed = jsonc_parser::parse_to_ast(text, &options, &Default::default()).unwrap();
        let spans = Spans::of(&parsed.value.unwrap(), 0);
        for (pointer, found) in [
            ("", text),
            ("/a~1b/0", "1"),
            ("/a~1b/1/c~0", "22"),
            ("/a~1b/1/d/e", r#"{"c~": 22}"#),
            ("/a~1b/7", r#"[1, {"c~": 22}]"#),
        ] {
            assert_eq!(text.get(spans.nearest(pointer)), Some(found), "{pointer}");
        }
    }
}
