//! Text of strangers, made fit for a terminal.
//!
//! SECURITY: paths, targets and names in a log are chosen by the callers that it is about. An escape
//! sequence in one could rewrite what the operator has read, a change of direction could let one path
//! look like another.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// What stands for the rest of a text that is cut.
const REST: char = '…';

/// Returns a text with everything escaped that is not shown as itself.
pub(super) fn visible(text: &str) -> String {
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

/// Returns JSON with everything but printable letters escaped, which changes no value.
pub(super) fn visible_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for letter in json.chars() {
        if is_plain(letter) {
            shown.push(letter);
            continue;
        }
        for unit in letter.encode_utf16(&mut [0; 2]) {
            shown += &format!("\\u{unit:04x}");
        }
    }
    shown
}

/// What Rust would escape but for quotes and backslashes is no plain letter; nor is what has no
/// width, or what is drawn over its neighbour.
fn is_plain(letter: char) -> bool {
    matches!(letter, ' '..='~') || (letter.escape_debug().len() == 1 && letter.width() > Some(0))
}

/// Returns a visible text in exactly so many columns: cut, or filled with blanks.
pub(super) fn fitted(text: &str, columns: usize) -> String {
    let mut fitted = cut(text, columns);
    let missing = columns.saturating_sub(fitted.width());
    fitted.extend(std::iter::repeat_n(' ', missing));
    fitted
}

/// Returns a visible text in at most so many columns.
pub(super) fn cut(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut used = 0;
    let mut cut = String::new();
    for letter in text.chars() {
        used += letter.width().unwrap_or(0);
        if used >= columns {
            break;
        }
        cut.push(letter);
    }
    if columns > 0 {
        cut.push(REST);
    }
    cut
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
    fn json_is_made_visible_without_a_change_of_value() {
        let json = serde_json::to_string(&format!("{HOSTILE}\u{e0001}\"\\")).unwrap();
        let shown = visible_json(&json);
        assert!(shown.chars().all(is_plain), "{shown}");
        let read: String = serde_json::from_str(&shown).unwrap();
        assert_eq!(read, format!("{HOSTILE}\u{e0001}\"\\"));
    }

    #[test]
    fn text_fits_its_columns_whatever_its_letters_measure() {
        for (text, expected) in [
            ("abc", "abc  "),
            ("abcde", "abcde"),
            ("abcdef", "abcd…"),
            ("日本", "日本 "),
            ("日本語", "日本…"),
            ("a日本語", "a日… "),
        ] {
            let fitted = fitted(text, 5);
            assert_eq!(fitted, expected);
            assert_eq!(fitted.width(), 5, "{fitted}");
        }
        assert_eq!(cut("abc", 0), "");
    }
}
