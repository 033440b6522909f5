//! Visible text in the columns of a table, whatever its letters measure.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// What stands for the rest of a text that is cut.
const REST: char = '…';

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
