//! The messages by which a guest gets its key: request, response, attestation path.
//!
//! The response is also the form of the key file, so that key folders of deployed agents
//! can be taken over. Errors never echo any part of a key.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::key::{KeyError, KeyId, KeyIdError, SigningKey};
use crate::object::Object;
use crate::signature::SCHEME;

/// The path of the status call.
pub const STATUS_PATH: &str = "/secure-channel/status";
/// The path of the key call.
pub const KEY_PATH: &str = "/secure-channel/key";
/// The body of the key call, byte for byte.
pub const KEY_REQUEST_BODY: &str = r#"{"authorizationScheme": "Azure-HMAC-SHA256"}"#;
/// The value of the `Metadata` header on secure channel calls: with one trailing blank.
pub const METADATA_VALUE: &str = "True ";
/// The lengths in bytes that an issued key may have.
pub const KEY_BYTES: std::ops::RangeInclusive<usize> = 32..=64;

/// Returns the path by which a guest proves that it holds `key`.
#[must_use]
pub fn attestation_path(key: &KeyId) -> String {
    format!("{KEY_PATH}/{key}/key-attestation")
}

/// Returns the key id of an attestation path.
#[must_use]
pub fn attested_key(path: &str) -> Option<KeyId> {
    let id = path
        .strip_prefix(KEY_PATH)?
        .strip_prefix('/')?
        .strip_suffix("/key-attestation")?;
    KeyId::parse(id).ok()
}

/// A key as the host issues it.
#[derive(Debug)]
pub struct IssuedKey {
    /// The key itself.
    pub key: SigningKey,
    /// The owner's count of key resets at the time of issue.
    pub incarnation: Option<u32>,
    /// When the host issued it, as the host wrote it.
    pub issued: String,
}

/// Why a key response or key file is not usable.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssuedKeyError {
    /// The text is not the JSON of a key; the parser's words are withheld, they could quote the key.
    #[error("the key document is not of the expected form")]
    Malformed,
    /// The scheme is one that this program cannot sign with.
    #[error("the key is for another authorization scheme")]
    UnknownScheme,
    /// The GUID is none.
    #[error(transparent)]
    Id(#[from] KeyIdError),
    /// The key is not hexadecimal or empty.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The key is too short or too long.
    #[error("the key has {0} bytes, and 32 to 64 are accepted")]
    Length(usize),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeyDocument<'a> {
    authorization_scheme: &'a str,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    incarnation_id: Option<u32>,
    guid: &'a str,
    issued: &'a str,
    key: &'a str,
}

impl IssuedKey {
    /// Reads a key response or key file.
    ///
    /// # Errors
    /// When it is not a usable key.
    pub fn parse(json: &[u8]) -> Result<Self, IssuedKeyError> {
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let document = KeyDocument::deserialize(Object(&mut deserializer));
        let document = document.map_err(|_withheld| IssuedKeyError::Malformed)?;
        let end = deserializer.end();
        end.map_err(|_withheld| IssuedKeyError::Malformed)?;
        if document.authorization_scheme != SCHEME {
            return Err(IssuedKeyError::UnknownScheme);
        }
        let key = SigningKey::from_hex(KeyId::parse(document.guid)?, document.key)?;
        if !KEY_BYTES.contains(&key.len()) {
            return Err(IssuedKeyError::Length(key.len()));
        }
        Ok(Self {
            key,
            incarnation: document.incarnation_id,
            issued: document.issued.to_owned(),
        })
    }

    /// Returns the pretty-printed JSON document.
    #[must_use]
    pub fn to_json(&self) -> Zeroizing<String> {
        let digits = self.key.expose_hex();
        let document = KeyDocument {
            authorization_scheme: SCHEME,
            incarnation_id: self.incarnation,
            guid: self.key.id().as_str(),
            issued: &self.issued,
            key: &digits,
        };
        // A struct of strings and a number always serialises.
        Zeroizing::new(serde_json::to_string_pretty(&document).unwrap_or_default())
    }
}

impl fmt::Display for IssuedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key {}", self.key.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"{
  "authorizationScheme": "Azure-HMAC-SHA256",
  "incarnationId": 7,
  "guid": "9f1c0a52-5f7e-4a10-8a44-0d0c2f4d7b11",
  "issued": "2026-01-02T03:04:05Z",
  "key": "4A404E635266556A586E3272357538782F413F4428472B4B6250645367566B59"
}"#;

    #[test]
    fn key_file_of_the_deployed_agent_survives_unchanged() {
        let key = IssuedKey::parse(FILE.as_bytes()).unwrap();
        assert_eq!((key.incarnation, key.key.len()), (Some(7), 32));
        assert_eq!(*key.to_json(), FILE);
    }

    #[test]
    fn unusable_keys_are_refused_without_an_echo() {
        let secret = "4A404E635266556A586E3272357538782F413F4428472B4B6250645367566B59";
        for (from, to, error) in [
            (secret, "4A40", IssuedKeyError::Length(2)),
            (
                secret,
                "ZZZZ-secret",
                IssuedKeyError::Key(KeyError::NotHexadecimal),
            ),
            ("9f1c0a52", "../../aa", IssuedKeyError::Id(KeyIdError)),
            ("Azure-HMAC", "Other-HMAC", IssuedKeyError::UnknownScheme),
            ("\"guid\"", "\"gui\"", IssuedKeyError::Malformed),
        ] {
            let refused = IssuedKey::parse(FILE.replace(from, to).as_bytes()).unwrap_err();
            assert!(!refused.to_string().contains("ZZZZ"));
            assert_eq!(refused, error);
        }
    }

    #[test]
    fn list_is_taken_for_no_key() {
        let members: serde_json::Map<_, _> = serde_json::from_str(FILE).unwrap();
        let list: Vec<_> = members.into_iter().map(|(_, value)| value).collect();
        let list = serde_json::to_vec(&list).unwrap();
        assert_eq!(
            IssuedKey::parse(&list).unwrap_err(),
            IssuedKeyError::Malformed
        );
        let trailing = format!("{FILE} 1");
        assert!(IssuedKey::parse(trailing.as_bytes()).is_err());
    }

    #[test]
    fn attestation_paths_hold_one_key_id() {
        let id = KeyId::parse("9f1c0a52-5f7e-4a10-8a44-0d0c2f4d7b11").unwrap();
        assert_eq!(attested_key(&attestation_path(&id)), Some(id));
        assert_eq!(attested_key("/secure-channel/key/x/key-attestation"), None);
        assert_eq!(attested_key("/secure-channel/key"), None);
    }
}
