//! Signing keys: zeroised on drop, never printed, copied or serialised.

use std::fmt;

use hmac::{Hmac, KeyInit as _};
use sha2::Sha256;
use uuid::Uuid;
use zeroize::Zeroizing;

/// The identifier of a signing key: a GUID, kept as the host wrote it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct KeyId(String);

/// The text is no GUID, or the one that stands for "no key".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key id is not a GUID")]
pub struct KeyIdError;

impl KeyId {
    /// Reads a hyphenated GUID of 36 characters, other than all zero.
    ///
    /// # Errors
    /// For any other text: key ids become file names and request paths.
    pub fn parse(text: &str) -> Result<Self, KeyIdError> {
        match Uuid::try_parse(text) {
            Ok(uuid) if text.len() == 36 && !uuid.is_nil() => Ok(Self(text.to_owned())),
            _ => Err(KeyIdError),
        }
    }

    /// Returns the identifier as the host wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A key together with its identifier; one value, so the two cannot come from different rotations.
pub struct SigningKey {
    id: KeyId,
    secret: Zeroizing<Vec<u8>>,
    pub(crate) keyed: Hmac<Sha256>,
}

/// Why key text is no key. Never holds any of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The text is not pairs of hexadecimal digits.
    #[error("the key is not hexadecimal")]
    NotHexadecimal,
    /// The key is empty.
    #[error("the key is empty")]
    Empty,
}

impl SigningKey {
    /// Reads a key from hexadecimal digits in either letter case; any length but none.
    ///
    /// # Errors
    /// When the text is empty or not hexadecimal.
    pub fn from_hex(id: KeyId, digits: &str) -> Result<Self, KeyError> {
        let mut secret = Zeroizing::new(vec![0; digits.len() / 2]);
        hex::decode_to_slice(digits, &mut secret).map_err(|_hex| KeyError::NotHexadecimal)?;
        Self::from_bytes(id, secret)
    }

    /// Takes a key as bytes.
    ///
    /// # Errors
    /// When there are none.
    pub fn from_bytes(id: KeyId, secret: Zeroizing<Vec<u8>>) -> Result<Self, KeyError> {
        if secret.is_empty() {
            return Err(KeyError::Empty);
        }
        match Hmac::new_from_slice(&secret) {
            Ok(keyed) => Ok(Self { id, secret, keyed }),
            Err(_) => Err(KeyError::Empty),
        }
    }

    /// Returns the key's identifier.
    #[must_use]
    pub const fn id(&self) -> &KeyId {
        &self.id
    }

    /// Returns the secret in upper-case hexadecimal digits, for a key store or the owner's guest.
    #[must_use]
    pub fn expose_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(hex::encode_upper(&*self.secret))
    }

    /// Returns the key's length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.secret.len()
    }

    /// Returns `false`: an empty key cannot be made.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.secret.is_empty()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_ids_are_guids_and_nothing_that_could_be_a_path() {
        let text = "9f1c0a52-5f7e-4a10-8a44-0d0c2f4d7b11";
        assert_eq!(KeyId::parse(text).unwrap().as_str(), text);
        for bad in [
            "",
            "../../etc/passwd",
            "9f1c0a525f7e4a108a440d0c2f4d7b11",
            "{9f1c0a52-5f7e-4a10-8a44-0d0c2f4d7b11}",
            "00000000-0000-0000-0000-000000000000",
            "9f1c0a52-5f7e-4a10-8a44-0d0c2f4d7b1g",
        ] {
            assert_eq!(KeyId::parse(bad), Err(KeyIdError), "{bad}");
        }
    }

    #[test]
    fn debug_output_never_holds_the_secret() {
        let id = KeyId::parse("9f1c0a52-5f7e-4a10-8a44-0d0c2f4d7b11").unwrap();
        let key = SigningKey::from_hex(id, "4A404E63").unwrap();
        let text = format!("{key:?}");
        assert!(
            !text.to_lowercase().contains("4a404e63") && !text.contains("74, 64"),
            "{text}"
        );
    }

    #[test]
    fn text_that_is_no_key_is_refused() {
        let id = || KeyId::parse("9f1c0a52-5f7e-4a10-8a44-0d0c2f4d7b11").unwrap();
        for (text, error) in [
            ("", KeyError::Empty),
            ("abc", KeyError::NotHexadecimal),
            ("zz", KeyError::NotHexadecimal),
        ] {
            assert_eq!(
                SigningKey::from_hex(id(), text).unwrap_err(),
                error,
                "{text}"
            );
        }
    }
}
