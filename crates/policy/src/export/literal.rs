//! JSON values as literals of Bicep and of Terraform's language (HCL).
//!
//! SECURITY: what a profile says is data. A text that could end its literal or begin an expression
//! (`'`, `"`, `\`, `${`, `%{`) is escaped, or a profile could say what a deployment does.

use serde_json::Value;

use crate::lint::unseen::is_unseen;

/// How a language writes literals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Bicep,
    Terraform,
}

impl Language {
    /// Writes a value; the lines after the first are indented by so many levels.
    pub(super) fn literal(self, value: &Value, depth: usize) -> String {
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
            Value::String(text) => self.text(text),
            Value::Array(entries) if entries.is_empty() => "[]".to_owned(),
            Value::Array(entries) => {
                let comma = match self {
                    Self::Bicep => "",
                    Self::Terraform => ",",
                };
                let indent = "  ".repeat(depth);
                let lines = entries.iter().map(|entry| {
                    let literal = self.literal(entry, depth + 1);
                    format!("{indent}  {literal}{comma}\n")
                });
                format!("[\n{}{indent}]", lines.collect::<String>())
            }
            Value::Object(members) if members.is_empty() => "{}".to_owned(),
            Value::Object(_) => {
                let indent = "  ".repeat(depth);
                format!("{{\n{}\n{indent}}}", self.members(value, depth + 1))
            }
        }
    }

    /// Writes the members of an object, each on lines of its own, without a last line break.
    pub(super) fn members(self, object: &Value, depth: usize) -> String {
        let members = object.as_object().into_iter().flatten();
        let members: Vec<_> = members
            .map(|(name, value)| (self.name(name), self.literal(value, depth)))
            .collect();
        let indent = "  ".repeat(depth);
        let lines = members
            .iter()
            .enumerate()
            .map(|(at, (name, literal))| match self {
                Self::Bicep => format!("{indent}{name}: {literal}"),
                Self::Terraform => {
                    let width = aligned_width(&members, at);
                    format!("{indent}{name:width$} = {literal}")
                }
            });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Writes the name of a member, bare where that is surely a name.
    fn name(self, name: &str) -> String {
        const WORDS: [&str; 8] = ["true", "false", "null", "for", "if", "in", "else", "endfor"];
        let is_plain = name.starts_with(|first: char| first.is_ascii_alphabetic())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !WORDS.contains(&name);
        if is_plain {
            name.to_owned()
        } else {
            self.text(name)
        }
    }

    /// Writes a text.
    pub(super) fn text(self, text: &str) -> String {
        let mut escaped = String::with_capacity(text.len() + 2);
        let mut letters = text.chars().peekable();
        while let Some(letter) = letters.next() {
            match letter {
                '\\' => escaped.push_str("\\\\"),
                '\n' => escaped.push_str("\\n"),
                '\r' => escaped.push_str("\\r"),
                '\t' => escaped.push_str("\\t"),
                letter => self.push(&mut escaped, letter, letters.peek().copied()),
            }
        }
        match self {
            Self::Bicep => format!("'{escaped}'"),
            Self::Terraform => format!("\"{escaped}\""),
        }
    }

    fn push(self, escaped: &mut String, letter: char, next: Option<char>) {
        let code = u32::from(letter);
        match (self, letter) {
            (Self::Bicep, '\'') => escaped.push_str("\\'"),
            (Self::Bicep, '$') => escaped.push_str("\\$"),
            (Self::Bicep, _) if is_unseen(letter) => {
                escaped.push_str(&format!("\\u{{{code:x}}}"));
            }
            (Self::Terraform, '"') => escaped.push_str("\\\""),
            // Doubling it would be ambiguous behind another one.
            (Self::Terraform, '$' | '%') if matches!(next, Some('{' | '$' | '%')) => {
                escaped.push_str(&format!("\\u{code:04x}"));
            }
            (Self::Terraform, _) if is_unseen(letter) => {
                escaped.push_str(&match u16::try_from(code) {
                    Ok(code) => format!("\\u{code:04x}"),
                    Err(_) => format!("\\U{code:08x}"),
                });
            }
            _ => escaped.push(letter),
        }
    }
}

/// Returns how wide a name is written: `terraform fmt` aligns neighbours of one line each.
fn aligned_width(members: &[(String, String)], at: usize) -> usize {
    let is_line = |(_, literal): &&(String, String)| !literal.contains('\n');
    let (before, from) = members.split_at_checked(at).unwrap_or((members, &[]));
    if !from.first().as_ref().is_some_and(is_line) {
        return 0;
    }
    let neighbours = before.iter().rev().take_while(is_line);
    let neighbours = neighbours.chain(from.iter().take_while(is_line));
    neighbours
        .map(|(name, _)| name.chars().count())
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_cannot_leave_their_literals() {
        for (text, bicep, terraform) in [
            ("a'b\"c", "'a\\'b\"c'", "\"a'b\\\"c\""),
            ("a\\", "'a\\\\'", "\"a\\\\\""),
            ("${x}", "'\\${x}'", "\"\\u0024{x}\""),
            ("$${x}", "'\\$\\${x}'", "\"\\u0024\\u0024{x}\""),
            ("%{if}", "'%{if}'", "\"\\u0025{if}\""),
            ("5$ %41", "'5\\$ %41'", "\"5$ %41\""),
            ("a\nb\u{1}", "'a\\nb\\u{1}'", "\"a\\nb\\u0001\""),
            (
                "\u{202e}\u{e0041}",
                "'\\u{202e}\\u{e0041}'",
                "\"\\u202e\\U000e0041\"",
            ),
        ] {
            assert_eq!(Language::Bicep.text(text), bicep);
            assert_eq!(Language::Terraform.text(text), terraform);
        }
    }

    #[test]
    fn members_are_bare_only_where_they_are_surely_names() {
        let value = json!({"a": [1, {}], "api-version": "x", "for": []});
        assert_eq!(
            Language::Bicep.literal(&value, 1),
            "{\n    a: [\n      1\n      {}\n    ]\n    'api-version': 'x'\n    'for': []\n  }"
        );
        assert_eq!(
            Language::Terraform.literal(&value, 0),
            "{\n  a = [\n    1,\n    {},\n  ]\n  \"api-version\" = \"x\"\n  \"for\"         = []\n}"
        );
    }
}
