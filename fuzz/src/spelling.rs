//! Writes what is canonical as a target again, with everything escaped that is not plain.

/// Writes a path, with a slash behind it or without.
pub(crate) fn path(path: &str, has_trailing_slash: bool) -> String {
    match path {
        "*" | "/" => path.to_owned(),
        _ => {
            let written = path.split('/').map(escaped).collect::<Vec<_>>().join("/");
            let slash = if has_trailing_slash { "/" } else { "" };
            format!("{written}{slash}")
        }
    }
}

/// Writes a query with its question mark; nothing for no parameters.
pub(crate) fn query(parameters: &[(String, String)]) -> String {
    let pairs = parameters.iter();
    let pairs: Vec<String> = pairs
        .map(|(name, value)| format!("{}={}", escaped(name), escaped(value)))
        .collect();
    match pairs.as_slice() {
        [] => String::new(),
        pairs => format!("?{}", pairs.join("&")),
    }
}

fn escaped(text: &str) -> String {
    let bytes = text.bytes();
    bytes
        .map(|byte| match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}
