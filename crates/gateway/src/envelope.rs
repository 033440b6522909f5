//! Encrypts content to the public key of a certificate: CMS `EnvelopedData` (RFC 5652 section 6).
//!
//! In the two forms that the deployed agents ask for by name: the content under AES-128 or
//! triple DES in CBC mode, that key under RSA with PKCS #1 v1.5 padding. Neither says whether
//! the content was changed on its way; that is the form, and it is read over the machine's own
//! link alone.

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeEncrypt, KeyIvInit};
use aws_lc_rs::error::{KeyRejected, Unspecified};
use aws_lc_rs::rsa::{Pkcs1PublicEncryptingKey, PublicEncryptingKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cms::cert::IssuerAndSerialNumber;
use cms::content_info::{CmsVersion, ContentInfo};
use cms::enveloped_data::{
    EncryptedContentInfo, EnvelopedData, KeyTransRecipientInfo, RecipientIdentifier, RecipientInfo,
    RecipientInfos,
};
use der::asn1::{Null, OctetString, SetOfVec};
use der::oid::ObjectIdentifier;
use der::oid::db::rfc5911::{ID_AES_128_CBC, ID_DATA, ID_ENVELOPED_DATA};
use der::oid::db::rfc5912::RSA_ENCRYPTION;
use der::{Any, Decode as _, Encode as _};
use x509_cert::Certificate;
use x509_cert::spki::AlgorithmIdentifierOwned;
use zeroize::Zeroizing;

/// des-EDE3-CBC (RFC 3370 section 5.1).
const DES_EDE3_CBC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.3.7");

/// How the content is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContentCipher {
    /// AES with a key of 128 bits.
    Aes128Cbc,
    /// Triple DES: what the older agents ask for.
    DesEde3Cbc,
}

/// To whom an envelope is addressed.
pub(crate) struct Recipient {
    id: IssuerAndSerialNumber,
    key: Pkcs1PublicEncryptingKey,
}

/// Why there is no envelope.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EnvelopeError {
    #[error("the certificate is not base64")]
    NotBase64(#[source] base64::DecodeError),
    #[error("the certificate is not X.509 in DER")]
    NotACertificate(#[source] der::Error),
    #[error("the certificate's public key is not a usable RSA key")]
    Key(#[source] KeyRejected),
    #[error("the system gives no random bytes")]
    Random(#[source] getrandom::Error),
    #[error("the content cannot be encrypted")]
    Encrypt(#[source] Unspecified),
    #[error("BUG: the key does not have the cipher's length")]
    Length(#[source] aes::cipher::InvalidLength),
    #[error("the envelope has no DER form")]
    Encode(#[source] der::Error),
}

impl ContentCipher {
    /// Reads the name that agents send; `None` for any other.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "AES128_CBC" => Some(Self::Aes128Cbc),
            "DES_EDE3_CBC" => Some(Self::DesEde3Cbc),
            _ => None,
        }
    }

    const fn key_bytes(self) -> usize {
        match self {
            Self::Aes128Cbc => 16,
            Self::DesEde3Cbc => 24,
        }
    }

    const fn block_bytes(self) -> usize {
        match self {
            Self::Aes128Cbc => 16,
            Self::DesEde3Cbc => 8,
        }
    }

    const fn id(self) -> ObjectIdentifier {
        match self {
            Self::Aes128Cbc => ID_AES_128_CBC,
            Self::DesEde3Cbc => DES_EDE3_CBC,
        }
    }

    fn encrypt(self, key: &[u8], start: &[u8], content: &[u8]) -> Result<Vec<u8>, EnvelopeError> {
        match self {
            Self::Aes128Cbc => encrypt::<cbc::Encryptor<aes::Aes128>>(key, start, content),
            Self::DesEde3Cbc => encrypt::<cbc::Encryptor<des::TdesEde3>>(key, start, content),
        }
    }
}

fn encrypt<C: KeyIvInit + BlockModeEncrypt>(
    key: &[u8],
    start: &[u8],
    content: &[u8],
) -> Result<Vec<u8>, EnvelopeError> {
    let cipher = C::new_from_slices(key, start).map_err(EnvelopeError::Length)?;
    Ok(cipher.encrypt_padded_vec::<Pkcs7>(content))
}

impl Recipient {
    /// Reads a certificate in DER.
    pub(crate) fn from_der(certificate: &[u8]) -> Result<Self, EnvelopeError> {
        let certificate =
            Certificate::from_der(certificate).map_err(EnvelopeError::NotACertificate)?;
        let certificate = certificate.tbs_certificate();
        let key = certificate
            .subject_public_key_info()
            .to_der()
            .map_err(EnvelopeError::NotACertificate)?;
        let key = PublicEncryptingKey::from_der(&key).map_err(EnvelopeError::Key)?;
        Ok(Self {
            id: IssuerAndSerialNumber {
                issuer: certificate.issuer().clone(),
                serial_number: certificate.serial_number().clone(),
            },
            key: Pkcs1PublicEncryptingKey::new(key).map_err(EnvelopeError::Encrypt)?,
        })
    }

    /// Reads a certificate in base64 without the lines of PEM.
    pub(crate) fn from_base64(text: &[u8]) -> Result<Self, EnvelopeError> {
        let certificate = STANDARD.decode(text).map_err(EnvelopeError::NotBase64)?;
        Self::from_der(&certificate)
    }

    /// Encrypts content so that the recipient alone reads it; returns a `ContentInfo` in DER.
    pub(crate) fn seal(
        &self,
        content: &[u8],
        cipher: ContentCipher,
    ) -> Result<Vec<u8>, EnvelopeError> {
        let mut key = Zeroizing::new(vec![0; cipher.key_bytes()]);
        let mut start = vec![0; cipher.block_bytes()];
        getrandom::fill(&mut key).map_err(EnvelopeError::Random)?;
        getrandom::fill(&mut start).map_err(EnvelopeError::Random)?;
        let encrypted = cipher.encrypt(&key, &start, content)?;
        let mut room = vec![0; self.key.ciphertext_size()];
        let wrapped = self.key.encrypt(&key, &mut room);
        let wrapped = wrapped.map_err(EnvelopeError::Encrypt)?;
        self.envelope(wrapped, &start, encrypted, cipher)
            .map_err(EnvelopeError::Encode)
    }

    fn envelope(
        &self,
        wrapped_key: &[u8],
        start: &[u8],
        encrypted: Vec<u8>,
        cipher: ContentCipher,
    ) -> der::Result<Vec<u8>> {
        let recipient = KeyTransRecipientInfo {
            version: CmsVersion::V0,
            rid: RecipientIdentifier::IssuerAndSerialNumber(self.id.clone()),
            key_enc_alg: AlgorithmIdentifierOwned {
                oid: RSA_ENCRYPTION,
                parameters: Some(Null.into()),
            },
            enc_key: OctetString::new(wrapped_key)?,
        };
        let start = OctetString::new(start)?;
        let enveloped = EnvelopedData {
            version: CmsVersion::V0,
            originator_info: None,
            recip_infos: RecipientInfos(SetOfVec::try_from(vec![RecipientInfo::Ktri(recipient)])?),
            encrypted_content: EncryptedContentInfo {
                content_type: ID_DATA,
                content_enc_alg: AlgorithmIdentifierOwned {
                    oid: cipher.id(),
                    parameters: Some(Any::encode_from(&start)?),
                },
                encrypted_content: Some(OctetString::new(encrypted)?),
            },
            unprotected_attrs: None,
        };
        let info = ContentInfo {
            content_type: ID_ENVELOPED_DATA,
            content: Any::encode_from(&enveloped)?,
        };
        info.to_der()
    }
}
