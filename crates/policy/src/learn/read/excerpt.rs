//! Shows the beginning of a line that was not read, without what could be secret.

/// How much of a line is shown, in characters.
const SHOWN: usize = 80;

/// Longer runs of letters and digits could be a key or token.
const MAX_RUN: usize = 16;

/// Returns the beginning of a line: values of parameters and of JSON texts, long runs of letters and
/// digits, control characters and broken UTF-8 are cut.
#[must_use]
pub fn excerpt(line: &[u8]) -> String {
    let start = line.get(..line.len().min(8 * SHOWN)).unwrap_or_default();
    let mut text = String::new();
    let mut rest = start
        .utf8_chunks()
        .map(|chunk| chunk.valid())
        .collect::<Vec<_>>()
        .join("?");
    rest.retain(|letter| !letter.is_control());
    let mut letters = rest.trim().chars().peekable();
    while let Some(letter) = letters.next() {
        if text.chars().count() >= SHOWN {
            text.push('…');
            break;
        }
        text.push(letter);
        let is_end: fn(char) -> bool = match letter {
            '=' => |letter| letter == '&' || letter.is_whitespace(),
            ':' if letters.peek() == Some(&'"') => |letter| matches!(letter, ',' | '}'),
            _ => continue,
        };
        text.push('…');
        while letters.next_if(|letter| !is_end(*letter)).is_some() {}
    }
    without_runs(&text)
}

fn without_runs(text: &str) -> String {
    let mut shown = String::new();
    let mut run = String::new();
    for letter in text.chars().chain([' ']) {
        if letter.is_ascii_alphanumeric() || matches!(letter, '+' | '_' | '-') {
            run.push(letter);
            continue;
        }
        shown.push_str(if run.len() > MAX_RUN { "…" } else { &run });
        run.clear();
        shown.push(letter);
    }
    shown.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_secret_is_cut() {
        for (line, shown) in [
            ("some words, sig=abc&x=y z", "some words, sig=…&x=… z"),
            (r#"{"password":"hunter2","a":1"#, r#"{"password":…,"a":1"#),
            ("Bearer eyJhbGciOiJIUzI1NiJ9x.y", "Bearer ….y"),
            ("a\u{1}b", "ab"),
        ] {
            assert_eq!(excerpt(line.as_bytes()), shown);
        }
        assert_eq!(excerpt(b"\xff\xfe x"), "?? x");
    }
}
