//! A certificate with its RSA private key: read from PEM, or made by the host itself.
//!
//! The key leaves in encrypted answers alone; its debug form is the certificate's thumbprint.
//! Only RSA: the guests' agents read the keys with `openssl rsa`.

use std::fmt;

use aws_lc_rs::digest::{Digest, SHA1_FOR_LEGACY_USE_ONLY, digest};
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::error::{KeyRejected, Unspecified};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use der::Decode as _;
use der::pem::LineEnding;
use rcgen::{CertificateParams, DnType, Issuer};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use x509_cert::Certificate;
use zeroize::Zeroizing;

/// A certificate and the private key of its public key.
#[derive(Clone, PartialEq, Eq)]
pub struct CertifiedKey {
    /// X.509, DER.
    certificate: Vec<u8>,
    /// PKCS #8, DER.
    key: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for CertifiedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertifiedKey")
            .field("thumbprint", &self.thumbprint())
            .finish_non_exhaustive()
    }
}

/// Why there is no certificate. Never holds any part of a key.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The text has no certificate.
    #[error("there is no certificate in PEM")]
    NoCertificate(#[source] rustls_pki_types::pem::Error),
    /// The certificate cannot be read.
    #[error("the certificate is not X.509")]
    Certificate(#[source] der::Error),
    /// The text has no private key.
    #[error("there is no private key in PEM that is not encrypted")]
    NoKey(#[source] rustls_pki_types::pem::Error),
    /// The key is of another kind.
    #[error("the private key is not RSA: agents in guests read RSA keys alone")]
    NotRsa,
    /// The key cannot be used.
    #[error("the private key is not a usable RSA key")]
    Key(#[source] KeyRejected),
    /// The certificate is about another key.
    #[error("the private key is not the one of the certificate")]
    Mismatch,
    /// No key could be made.
    #[error("no RSA key could be generated")]
    Generate(#[source] Unspecified),
    /// No certificate could be made.
    #[error("no certificate could be made")]
    Issue(#[source] rcgen::Error),
    /// A file cannot be written as PEM.
    #[error("the certificate has no PEM form")]
    Pem(#[source] der::pem::Error),
}

impl CertifiedKey {
    /// Reads the first certificate of one text and the first private key of another; both may be
    /// the same text.
    ///
    /// # Errors
    /// When one of them is not there, the key is not RSA, or is not the certificate's.
    pub fn from_pem(certificate: &str, key: &str) -> Result<Self, CertificateError> {
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes())
            .map_err(CertificateError::NoCertificate)?;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(CertificateError::NoKey)?;
        let pair = match &key {
            PrivateKeyDer::Pkcs1(key) => KeyPair::from_der(key.secret_pkcs1_der()),
            PrivateKeyDer::Pkcs8(key) => KeyPair::from_pkcs8(key.secret_pkcs8_der()),
            _ => return Err(CertificateError::NotRsa),
        };
        let pair = pair.map_err(CertificateError::Key)?;
        let read = Certificate::from_der(&certificate).map_err(CertificateError::Certificate)?;
        let certified = read.tbs_certificate().subject_public_key_info();
        if certified.subject_public_key.raw_bytes() != pair.public_key().as_ref() {
            return Err(CertificateError::Mismatch);
        }
        Ok(Self {
            certificate: certificate.to_vec(),
            key: pkcs8(&pair)?,
        })
    }

    /// Makes a key of 2048 bits and a certificate that the key signs itself.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn self_signed(common_name: &str) -> Result<Self, CertificateError> {
        let (key, signer) = new_key()?;
        let certificate = named(CertificateParams::default(), common_name)
            .self_signed(&signer)
            .map_err(CertificateError::Issue)?;
        Ok(Self {
            certificate: certificate.der().to_vec(),
            key,
        })
    }

    /// Makes a key of 2048 bits and a certificate that a new authority signs; returns the
    /// authority's certificate too. Its key is gone: it signs nothing else.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub(crate) fn with_authority(
        mut subject: CertificateParams,
        mut authority: CertificateParams,
    ) -> Result<(Self, Vec<u8>), CertificateError> {
        let (_, signer) = new_key()?;
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
        authority.key_usages = vec![
            rcgen::KeyUsagePurpose::KeyCertSign,
            rcgen::KeyUsagePurpose::CrlSign,
        ];
        let root = authority
            .self_signed(&signer)
            .map_err(CertificateError::Issue)?;
        let (key, own) = new_key()?;
        subject.use_authority_key_identifier_extension = true;
        let certificate = subject
            .signed_by(&own, &Issuer::new(authority, signer))
            .map_err(CertificateError::Issue)?;
        let subject = Self {
            certificate: certificate.der().to_vec(),
            key,
        };
        Ok((subject, root.der().to_vec()))
    }

    /// Returns the certificate in DER.
    #[must_use]
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// Returns the private key as PKCS #8 in DER.
    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    /// Returns the SHA-1 hash that agents name the certificate by, in upper-case hexadecimal
    /// digits.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        hex::encode_upper(self.fingerprint())
    }

    /// Returns the SHA-1 hash of the certificate.
    pub(crate) fn fingerprint(&self) -> Digest {
        digest(&SHA1_FOR_LEGACY_USE_ONLY, &self.certificate)
    }

    /// Returns the private key and the certificate in PEM, in this order.
    ///
    /// # Errors
    /// When one of them is too large.
    pub(crate) fn to_pem(&self) -> Result<Zeroizing<String>, CertificateError> {
        let key = der::pem::encode_string("PRIVATE KEY", LineEnding::LF, &self.key)
            .map(Zeroizing::new)
            .map_err(CertificateError::Pem)?;
        let certificate = certificate_pem(&self.certificate)?;
        Ok(Zeroizing::new(format!("{}{certificate}", *key)))
    }
}

/// Returns a certificate in PEM.
///
/// # Errors
/// When it is too large.
pub(crate) fn certificate_pem(certificate: &[u8]) -> Result<String, CertificateError> {
    der::pem::encode_string("CERTIFICATE", LineEnding::LF, certificate)
        .map_err(CertificateError::Pem)
}

/// Sets the common name alone.
pub(crate) fn named(mut params: CertificateParams, common_name: &str) -> CertificateParams {
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params
}

fn new_key() -> Result<(Zeroizing<Vec<u8>>, rcgen::KeyPair), CertificateError> {
    let pair = KeyPair::generate(KeySize::Rsa2048).map_err(CertificateError::Generate)?;
    let key = pkcs8(&pair)?;
    let signer = rcgen::KeyPair::try_from(&PrivatePkcs8KeyDer::from(key.as_slice()))
        .map_err(CertificateError::Issue)?;
    Ok((key, signer))
}

fn pkcs8(pair: &KeyPair) -> Result<Zeroizing<Vec<u8>>, CertificateError> {
    let der: Pkcs8V1Der<'_> = pair.as_der().map_err(CertificateError::Generate)?;
    Ok(Zeroizing::new(der.as_ref().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pem_of_a_certificate_reads_back_and_its_debug_form_holds_no_key() {
        let made = CertifiedKey::self_signed("test").unwrap();
        let pem = made.to_pem().unwrap();
        assert_eq!(CertifiedKey::from_pem(&pem, &pem).unwrap(), made);
        let shown = format!("{made:?}");
        assert_eq!(
            shown,
            format!("CertifiedKey {{ thumbprint: {:?}, .. }}", made.thumbprint())
        );
    }

    #[test]
    fn key_of_another_certificate_is_refused() {
        let (one, other) = (
            CertifiedKey::self_signed("one").unwrap().to_pem().unwrap(),
            CertifiedKey::self_signed("two").unwrap().to_pem().unwrap(),
        );
        assert!(matches!(
            CertifiedKey::from_pem(&one, &other),
            Err(CertificateError::Mismatch)
        ));
    }

    #[test]
    fn text_without_a_certificate_or_an_rsa_key_is_refused() {
        let pem = CertifiedKey::self_signed("one").unwrap().to_pem().unwrap();
        let certificate = pem.split_once("-----BEGIN CERTIFICATE").unwrap().1;
        let certificate = format!("-----BEGIN CERTIFICATE{certificate}");
        assert!(matches!(
            CertifiedKey::from_pem("", &pem),
            Err(CertificateError::NoCertificate(_))
        ));
        assert!(matches!(
            CertifiedKey::from_pem(&pem, &certificate),
            Err(CertificateError::NoKey(_))
        ));
        let elliptic = rcgen::KeyPair::generate().unwrap();
        let elliptic =
            der::pem::encode_string("PRIVATE KEY", LineEnding::LF, elliptic.serialized_der());
        assert!(matches!(
            CertifiedKey::from_pem(&pem, &elliptic.unwrap()),
            Err(CertificateError::Key(_))
        ));
    }
}
