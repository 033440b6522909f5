//! Text in XML documents.

use std::fmt;

/// Writes text so that it means itself, between tags and in attributes.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .chars()
            .try_for_each(|character| match escape(character) {
                Some(escaped) => f.write_str(escaped),
                None => fmt::Write::write_char(f, character),
            })
    }
}

/// Returns what stands for a character that cannot stand for itself.
const fn escape(character: char) -> Option<&'static str> {
    match character {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '"' => Some("&quot;"),
        '\'' => Some("&apos;"),
        // An attribute would turn these into spaces.
        '\t' => Some("&#9;"),
        '\n' => Some("&#10;"),
        '\r' => Some("&#13;"),
        // No document may hold these, not even escaped (XML 1.0 section 2.2).
        '\0'..='\u{1F}' | '\u{FFFE}' | '\u{FFFF}' => Some("\u{FFFD}"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_reads_back_from_an_attribute_and_from_between_tags() {
        let text = "a & <b> \"c\" 'd'\t\r\n]]> é \u{1}";
        let document = format!("<x y=\"{0}\">{0}</x>", Escaped(text));
        let document = roxmltree::Document::parse(&document).unwrap();
        let root = document.root_element();
        let readable = text.replace('\u{1}', "\u{FFFD}");
        assert_eq!(root.attribute("y"), Some(readable.as_str()));
        assert_eq!(root.text(), Some(readable.as_str()));
    }
}
