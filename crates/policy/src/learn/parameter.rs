//! What a query parameter is to a rule: it decides what is asked for, or it varies and decides nothing.

use latchkey_protocol::EndpointKind;

use super::ephemeral::is_ephemeral;

/// Longer values are not listed in rules, in bytes.
const MAX_VALUE_BYTES: usize = 64;

/// From this length on a run of letters and digits mixed could be a secret, in bytes.
const MIN_SECRET_BYTES: usize = 12;

/// How many digits such a run has at least.
const MIN_SECRET_DIGITS: usize = 3;

/// How the names of parameters end whose values are secrets.
const SECRET_NAMES: [&str; 16] = [
    "assertion",
    "auth",
    "authorization",
    "bearer",
    "cookie",
    "credential",
    "credentials",
    "jwt",
    "key",
    "passwd",
    "password",
    "pwd",
    "secret",
    "sig",
    "signature",
    "token",
];

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
    if is_ephemeral(value) || is_moment(value) {
        return Role::Free("its value looks like an id or a moment");
    }
    if value.len() > MAX_VALUE_BYTES || is_secret(name, value) {
        return Role::Free("its value could be a secret");
    }
    Role::Unknown
}

/// Returns whether a value could be what others must not read: profiles and reports are shown around.
fn is_secret(name: &str, value: &str) -> bool {
    is_secret_name(name) || is_web_token(value) || is_random(value)
}

/// Returns whether a parameter's name, in small letters, says that its value is a secret.
pub(super) fn is_secret_name(name: &str) -> bool {
    SECRET_NAMES.iter().any(|end| name.ends_with(end))
}

/// Returns whether a value looks like a JSON Web Token (RFC 7519): `{"`, written in base64, and a dot.
fn is_web_token(value: &str) -> bool {
    // Canonical text has no capitals.
    value.starts_with("eyj") && value.contains('.')
}

/// Returns whether a value looks like bytes written in base64 (RFC 4648), of either alphabet.
fn is_random(value: &str) -> bool {
    let is_run = |run: &[u8]| {
        let digits = run.iter().filter(|byte| byte.is_ascii_digit()).count();
        run.len() >= MIN_SECRET_BYTES && digits >= MIN_SECRET_DIGITS
    };
    let mut runs = value.as_bytes().split(|byte| !byte.is_ascii_alphanumeric());
    runs.any(is_run) || (value.len() >= MIN_SECRET_BYTES && value.ends_with('='))
}

/// Returns whether a parameter is known to choose what is asked for.
pub(super) fn is_choice(name: &str) -> bool {
    DECIDING.contains(&name)
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
        assert!(matches!(imds("x", "0b1f6f4e-1"), Role::Unknown));
        assert_eq!(imds("x", "full"), Role::Unknown);
        assert_eq!(
            role(EndpointKind::WireServer, "type", "sharedconfig"),
            Role::Deciding
        );
        assert_eq!(imds("type", "x"), Role::Unknown);
    }

    #[test]
    fn what_could_be_a_secret_is_open_whatever_it_is_called() {
        let imds = |name, value| role(EndpointKind::Imds, name, value);
        let open = Role::Free("its value could be a secret");
        let long = "a".repeat(65);
        for (name, value) in [
            ("access_token", "x"),
            ("password", "correct-horse-battery"),
            ("sig", "abcdefgh"),
            ("x", "eyjhbgcioi.eyjzdwi.c2ln"),
            ("x", "q83vekz0mtizndu2nzg5"),
            ("x", "dghpcyb3yxmgyse="),
            ("x", &long),
        ] {
            assert_eq!(imds(name, value), open, "{name}={value}");
        }
        for value in ["all-of-the-interfaces", "feature-set-24-1"] {
            assert_eq!(imds("view", value), Role::Unknown, "{value}");
        }
    }
}
