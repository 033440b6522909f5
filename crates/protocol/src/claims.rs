//! The claims header: all that leaves the machine about a caller, in the two texts that are deployed.

use crate::caller::Elevation;

/// What a signed request claims about its caller: root or not, nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Whether the caller is root of the guest.
    pub elevation: Elevation,
}

const ROOT: &str = r#"{ "isRoot": "true"}"#;
const NOT_ROOT: &str = r#"{ "isRoot": "false"}"#;

impl Claims {
    /// Returns the header value, byte for byte as deployed hosts expect it.
    #[must_use]
    pub const fn header_value(self) -> &'static str {
        match self.elevation {
            Elevation::Root => ROOT,
            Elevation::Unprivileged => NOT_ROOT,
        }
    }

    /// Reads a header value; any text but the two deployed ones is no claim.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let elevation = match value.trim_ascii() {
            text if text == ROOT.as_bytes() => Elevation::Root,
            text if text == NOT_ROOT.as_bytes() => Elevation::Unprivileged,
            _ => return None,
        };
        Some(Self { elevation })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_two_deployed_texts_are_claims() {
        for elevation in [Elevation::Root, Elevation::Unprivileged] {
            let claims = Claims { elevation };
            assert_eq!(
                Claims::parse(claims.header_value().as_bytes()),
                Some(claims)
            );
        }
        for text in [
            "",
            "{}",
            r#"{"isRoot":"true"}"#,
            r#"{ "isRoot": true}"#,
            r#"{ "isRoot": "TRUE"}"#,
        ] {
            assert_eq!(Claims::parse(text.as_bytes()), None, "{text}");
        }
    }
}
