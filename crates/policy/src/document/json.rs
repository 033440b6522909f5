//! Parses a text as JSON, exactly as RFC 8259 has it, into values that have places; or says where it is none.

use jsonc_parser::ast::Value;
use jsonc_parser::{CollectOptions, ParseOptions};
use serde::de::IgnoredAny;

use super::check::Finding;
use super::fault::Fault;
use super::place::Lines;

/// How long a text may be. The management API documents no limit; this is room for ten thousand rules.
pub const MAX_BYTES: usize = 8 * 1024 * 1024;

/// How deep lists and objects may contain each other; the forms need seven levels.
pub const MAX_DEPTH: usize = 64;

/// Parses a text without a byte order mark.
pub(super) fn parse(json: &str) -> Result<Value<'_>, Finding> {
    let whole = |fault| Finding {
        pointer: String::new(),
        span: 0..0,
        fault,
    };
    if json.len() > MAX_BYTES {
        return Err(whole(Fault::TooLarge));
    }
    if let Some(at) = too_deep(json) {
        let span = at..at + 1;
        return Err(Finding {
            span,
            ..whole(Fault::TooDeep)
        });
    }
    // The parser with places is laxer than JSON here and there, so both must accept the text.
    serde_json::from_str::<IgnoredAny>(json).map_err(|error| malformed(json, &error))?;
    let parsed = jsonc_parser::parse_to_ast(json, &CollectOptions::default(), &STRICT);
    let parsed = parsed.map_err(|error| {
        let range = error.range();
        Finding {
            span: range.start..range.end,
            ..whole(Fault::Malformed(error.kind().to_string()))
        }
    })?;
    parsed
        .value
        .ok_or_else(|| whole(Fault::Malformed("the text is empty".to_owned())))
}

/// Says where and why a text is no JSON, or not of its form.
pub(super) fn malformed(json: &str, error: &serde_json::Error) -> Finding {
    let at = Lines::of(json).offset(json, error.line(), error.column());
    let message = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    let message = message.strip_suffix(&position).unwrap_or(&message);
    Finding {
        pointer: String::new(),
        span: at..at + json.get(at..).map_or(0, first_len),
        fault: Fault::Malformed(message.to_owned()),
    }
}

/// Returns where a text opens one list or object more than may be open, before any parser recurses.
fn too_deep(json: &str) -> Option<usize> {
    let (mut depth, mut in_text, mut is_escaped) = (0_usize, false, false);
    for (at, byte) in json.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_text => is_escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Some(at);
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

fn first_len(text: &str) -> usize {
    text.chars().next().map_or(0, char::len_utf8)
}

const STRICT: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};
