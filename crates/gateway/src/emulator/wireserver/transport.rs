//! To whom a document is encrypted: the certificate that the agent made for this, and the cipher that it asks for.

use http::{HeaderMap, HeaderValue};

use super::super::goal_state::GoalStateError;
use crate::envelope::{ContentCipher, EnvelopeError, Recipient};

const CERTIFICATE: &str = "x-ms-guest-agent-public-x509-cert";
const CIPHER: &str = "x-ms-cipher-name";

/// The agent's side of an encrypted document.
pub(super) struct Transport {
    recipient: Recipient,
    cipher: ContentCipher,
}

/// Why nothing can be encrypted to an agent.
#[derive(Debug, thiserror::Error)]
pub(super) enum TransportError {
    #[error("A required HTTP header was not specified: {0}.")]
    Missing(&'static str),
    #[error("The value of x-ms-cipher-name is not supported: use AES128_CBC or DES_EDE3_CBC.")]
    Cipher,
    #[error("The value of x-ms-guest-agent-public-x509-cert is invalid: {0}.")]
    Certificate(EnvelopeError),
}

impl Transport {
    /// Reads the headers of a request.
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, TransportError> {
        let value = |name| headers.get(name).ok_or(TransportError::Missing(name));
        let (certificate, cipher) = (value(CERTIFICATE)?, value(CIPHER)?);
        let cipher = cipher.to_str().ok().and_then(ContentCipher::parse);
        Ok(Self {
            cipher: cipher.ok_or(TransportError::Cipher)?,
            recipient: Recipient::from_base64(HeaderValue::as_bytes(certificate))
                .map_err(TransportError::Certificate)?,
        })
    }

    /// Encrypts content so that the agent alone reads it.
    pub(super) fn seal(&self, content: &[u8]) -> Result<Vec<u8>, GoalStateError> {
        Ok(self.recipient.seal(content, self.cipher)?)
    }
}
