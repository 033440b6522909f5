//! Texts that processes and users choose, as records show them: bounded, and without control characters.

/// How long a text in a record is at most, in bytes.
const MAX_BYTES: usize = 1024;

/// Returns a text with everything escaped that is not shown as itself, cut off at the bound.
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::new();
    for letter in text.chars() {
        let escaped: String = if is_plain(letter) {
            letter.into()
        } else {
            letter.escape_unicode().collect()
        };
        if shown.len() + escaped.len() > MAX_BYTES {
            break;
        }
        shown.push_str(&escaped);
    }
    shown
}

/// As [`shown`], of bytes that need not be text.
pub(super) fn shown_bytes(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => shown(text),
        Err(_) => shown(&bytes.escape_ascii().to_string()),
    }
}

/// SECURITY: control characters and those that change the direction of text would let a path look
/// like another one on a terminal. What Rust would escape but for quotes and backslashes is such.
fn is_plain(letter: char) -> bool {
    matches!(letter, '"' | '\'' | '\\') || letter.escape_debug().len() == 1
}

/// The process chose these bytes; only printable ASCII goes into a record.
pub(super) fn printable(comm: &[u8]) -> String {
    let end = comm
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(comm.len());
    let shown = comm.iter().take(end);
    shown
        .map(|byte| {
            if matches!(byte, 0x20..=0x7E) {
                char::from(*byte)
            } else {
                '?'
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn task_names_are_made_printable() {
        assert_eq!(printable(b"a\nb\x1b[31m\xff\0\0rest"), "a?b?[31m?");
    }

    #[test]
    fn texts_are_escaped_and_bounded() {
        assert_eq!(shown("/opt/é \"a\"\\b"), "/opt/é \"a\"\\b");
        assert_eq!(shown("a\n\u{1b}[1m\u{202e}"), "a\\u{a}\\u{1b}[1m\\u{202e}");
        assert_eq!(shown(&"é".repeat(600)).len(), 1024);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_text_is_too_long_or_holds_a_control_character(text in any::<String>(), times in 1..300_usize) {
            let shown = shown(&text.repeat(times));
            prop_assert!(shown.len() <= MAX_BYTES);
            prop_assert!(!shown.chars().any(char::is_control));
        }
    }
}
