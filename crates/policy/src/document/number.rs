//! Numbers that no number of the machine holds, so that writing a document anew would change them.
//!
//! Rules have none: they stand in what a resource has beside its rules.

/// Returns whether two JSON texts hold the same numbers, spelled the same, in any order.
#[must_use]
pub fn are_numbers_kept(before: &str, after: &str) -> bool {
    let sorted = |text| {
        let mut numbers = numbers(text);
        numbers.sort_unstable();
        numbers
    };
    sorted(before) == sorted(after)
}

fn numbers(json: &str) -> Vec<&str> {
    let mut numbers = Vec::new();
    let mut pieces = json.split('"');
    while let Some(outside) = pieces.next() {
        let is_part = |letter: char| letter.is_ascii_digit() || "+-.eE".contains(letter);
        let words = outside.split(|letter| !is_part(letter));
        // What is left of words such as `true` has no digit.
        numbers.extend(words.filter(|word| word.contains(|letter: char| letter.is_ascii_digit())));
        // A text ends at the first quote that no backslash escapes.
        for inside in pieces.by_ref() {
            let slashes = inside.len() - inside.trim_end_matches('\\').len();
            if slashes.is_multiple_of(2) {
                break;
            }
        }
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_outside_of_texts() {
        let json = r#"{"a1": -1, "2": ["3\"4", 5.0e+7, true], "x\\": 8}"#;
        assert_eq!(numbers(json), ["-1", "5.0e+7", "8"]);
    }

    #[test]
    fn changed_number_is_noticed() {
        assert!(are_numbers_kept("[1, 20]", "[20,1]"));
        assert!(!are_numbers_kept(
            "[123456789012345678901]",
            "[1.2345678901234568e20]"
        ));
    }
}
