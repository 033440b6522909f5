//! What a query parameter is to a rule: it decides what is asked for, or it varies and decides nothing.

use latchkey_protocol::EndpointKind;

use super::ephemeral::is_ephemeral;

/// Longer values are not listed in rules, in bytes.
const MAX_VALUE_BYTES: usize = 256;

/// Parameters that choose the operation or what a token is good for, at every endpoint.
const DECIDING: [&str; 10] = [
    "action",
    "audience",
    "client_id",
    "comp",
    "mi_res_id",
    "msi_res_id",
    "object_id",
    "resource",
    "scopes",
    "type",
];

/// Parameters that are known to choose a form, a version or a moment.
const FREE: [(&str, &str); 14] = [
    ("alt", "chooses a form"),
    ("api-version", "chooses a version"),
    ("bypass_cache", "chooses how fresh the answer is"),
    ("etag", "names a moment"),
    ("extended", "chooses a form"),
    ("format", "chooses a form"),
    ("incarnation", "counts up"),
    ("last_etag", "names a moment"),
    ("nonce", "differs each time"),
    ("recursive", "chooses a form"),
    ("timeout_sec", "chooses a time"),
    ("timestamp", "names a moment"),
    ("version", "chooses a version"),
    ("wait_for_change", "chooses a moment"),
];

/// What a parameter is to a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Each value is a privilege of its own.
    Deciding,
    /// It is left open, because of this.
    Free(&'static str),
    /// Each value is a privilege of its own, as long as there are few.
    Unknown,
}

/// Returns what a parameter is at an endpoint.
pub(super) fn role(endpoint: EndpointKind, name: &str, value: &str) -> Role {
    let free = FREE.iter().find(|(known, _)| *known == name);
    if let Some((_, why)) = free {
        return Role::Free(why);
    }
    if is_deciding(endpoint, name) {
        return Role::Deciding;
    }
    if value.len() > MAX_VALUE_BYTES || is_ephemeral(value) || is_moment(value) {
        return Role::Free("its value looks like an id or a moment");
    }
    Role::Unknown
}

/// Returns whether each value of a parameter is a privilege of its own, however many there are.
pub(super) fn is_deciding(endpoint: EndpointKind, name: &str) -> bool {
    // The type of a configuration is the WireServer's; elsewhere the word means nothing known.
    DECIDING.contains(&name) && (name != "type" || endpoint != EndpointKind::Imds)
}

/// Returns whether a value looks like a date, with or without a time.
fn is_moment(value: &str) -> bool {
    let shape = value.bytes().take(10).map(|byte| match byte {
        b'0'..=b'9' => b'0',
        other => other,
    });
    shape.eq(*b"0000-00-00")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_decides_is_listed_and_what_varies_is_open() {
        let imds = |name, value| role(EndpointKind::Imds, name, value);
        assert_eq!(imds("resource", "https://vault.azure.net"), Role::Deciding);
        assert_eq!(
            imds("client_id", "0b1f6f4e-0000-4000-8000-000000000000"),
            Role::Deciding
        );
        assert!(matches!(imds("api-version", "2018-02-01"), Role::Free(_)));
        assert!(matches!(imds("x", "2026-11-23t10:00:00z"), Role::Free(_)));
        assert!(matches!(imds("x", "0b1f6f4e00004000"), Role::Free(_)));
        assert_eq!(imds("x", "full"), Role::Unknown);
        assert_eq!(
            role(EndpointKind::WireServer, "type", "sharedconfig"),
            Role::Deciding
        );
        assert_eq!(imds("type", "x"), Role::Unknown);
    }
}
