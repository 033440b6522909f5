//! Text of strangers, made fit for a terminal.
//!
//! SECURITY: paths, targets and names in a log are chosen by the callers that it is about, those in a
//! document by its author. An escape sequence in one could rewrite what the operator has read, a change
//! of direction could let one path look like another, a line break could forge a line of an answer.

use unicode_width::UnicodeWidthChar as _;

/// Returns a text with everything escaped that is not shown as itself.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_plain(letter) {
            shown.push(letter);
        } else {
            shown.extend(letter.escape_unicode());
        }
    }
    shown
}

/// Returns JSON with everything but printable letters escaped, which changes no value. Line breaks stand
/// between values alone, and remain.
pub(crate) fn visible_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for letter in json.chars() {
        if is_plain(letter) || letter == '\n' {
            shown.push(letter);
            continue;
        }
        for unit in letter.encode_utf16(&mut [0; 2]) {
            shown += &format!("\\u{unit:04x}");
        }
    }
    shown
}

/// Returns lines that move no cursor: as many bytes, so that places in them stay.
pub(crate) fn visible_lines(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let is_kept = match letter {
            '\n' | '\t' => true,
            '\r' => letters.peek() == Some(&'\n'),
            other => is_plain(other),
        };
        if is_kept {
            shown.push(letter);
        } else {
            shown.extend(std::iter::repeat_n('?', letter.len_utf8()));
        }
    }
    shown
}

/// What Rust would escape but for quotes and backslashes is no plain letter; nor is what has no
/// width, or what is drawn over its neighbour.
fn is_plain(letter: char) -> bool {
    matches!(letter, ' '..='~') || (letter.escape_debug().len() == 1 && letter.width() > Some(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\u{1b}[2J\n\u{7f}\u{9b}1m\u{202e}\u{200b}b\u{301}é";

    #[test]
    fn what_moves_or_hides_is_escaped() {
        assert_eq!(
            visible(HOSTILE),
            "a\\u{1b}[2J\\u{a}\\u{7f}\\u{9b}1m\\u{202e}\\u{200b}b\\u{301}é"
        );
    }

    #[test]
    fn lines_keep_their_places() {
        assert_eq!(
            visible_lines("a\x1b[2J\u{9b}\tä\rb\u{202e}\r\n"),
            "a?[2J??\tä?b???\r\n"
        );
    }

    #[test]
    fn json_is_made_visible_without_a_change_of_value() {
        let json = serde_json::to_string(&format!("{HOSTILE}\u{e0001}\"\\")).unwrap();
        let shown = visible_json(&json);
        assert!(shown.chars().all(is_plain), "{shown}");
        let read: String = serde_json::from_str(&shown).unwrap();
        assert_eq!(read, format!("{HOSTILE}\u{e0001}\"\\"));
    }
}
