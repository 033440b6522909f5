//! The attested document: who a machine is, signed by the host, for anybody who asks a machine to prove it.
//!
//! The signature is made with a certificate of the host's own authority. Whoever trusts that
//! authority's certificate, and no other, can tell the host's machines from others.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyUsagePurpose};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::query::Query;
use crate::answer::{self, Answer};
use crate::certificate::{CertificateError, CertifiedKey, certificate_pem, named};
use crate::facts::Facts;
use crate::signed_message::{SignError, sign};

/// How long a document is valid.
const VALID_FOR: SignedDuration = SignedDuration::from_hours(6);
/// The most characters of a nonce.
const MAX_NONCE: usize = 32;
/// The name that verifiers look for in the signer's certificate.
const SIGNER: &str = "metadata.azure.com";
const AUTHORITY: &str = "Latchkey attestation authority";

/// Signs attested documents.
pub struct Attestor {
    signer: CertifiedKey,
    authority: Vec<u8>,
}

impl fmt::Debug for Attestor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attestor")
            .field("signer", &self.signer)
            .finish_non_exhaustive()
    }
}

impl Attestor {
    /// Makes an authority, and a signer whose certificate it signs. The authority's key is not
    /// kept: there will never be a second signer.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn generate() -> Result<Self, CertificateError> {
        let subject = CertificateParams::new([SIGNER.to_owned()]);
        let mut subject = named(subject.map_err(CertificateError::Issue)?, SIGNER);
        subject.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        subject.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let authority = named(CertificateParams::default(), AUTHORITY);
        let (signer, authority) = CertifiedKey::with_authority(subject, authority)?;
        Ok(Self { signer, authority })
    }

    /// Reads what [`Attestor::to_pem`] wrote.
    ///
    /// # Errors
    /// When a part is missing or does not fit the others.
    pub fn from_pem(pem: &str) -> Result<Self, CertificateError> {
        let signer = CertifiedKey::from_pem(pem, pem)?;
        let authority = CertificateDer::pem_slice_iter(pem.as_bytes())
            .nth(1)
            .unwrap_or(Err(rustls_pki_types::pem::Error::NoItemsFound))
            .map_err(CertificateError::NoCertificate)?;
        Ok(Self {
            signer,
            authority: authority.to_vec(),
        })
    }

    /// Returns the signer's key, its certificate and the authority's certificate in PEM.
    ///
    /// # Errors
    /// When a part has no PEM form.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, CertificateError> {
        let mut pem = self.signer.to_pem()?;
        pem.push_str(&self.authority_pem()?);
        Ok(pem)
    }

    /// Returns the authority's certificate in PEM: what verifiers need.
    ///
    /// # Errors
    /// When it has no PEM form.
    pub fn authority_pem(&self) -> Result<String, CertificateError> {
        certificate_pem(&self.authority)
    }

    fn document(&self, facts: &Facts, nonce: &str, now: Timestamp) -> Result<String, SignError> {
        let content = content(facts, nonce, now).to_string();
        let signed = sign(content.as_bytes(), &self.signer, &[&self.authority])?;
        Ok(STANDARD.encode(signed))
    }
}

/// Answers a request for the document.
pub(super) fn answer(facts: &Facts, query: &Query, attestor: &Attestor, now: Timestamp) -> Answer {
    let own = now.strftime("%Y%m%d-%H%M%S").to_string();
    let nonce = query.value("nonce").unwrap_or(&own);
    if nonce.chars().count() > MAX_NONCE {
        let error = format!("Bad request. nonce has more than {MAX_NONCE} characters");
        return answer::json(StatusCode::BAD_REQUEST, &json!({ "error": error }));
    }
    match attestor.document(facts, nonce, now) {
        Ok(signature) => {
            let document = json!({ "encoding": "pkcs7", "signature": signature });
            answer::json(StatusCode::OK, &document)
        }
        Err(failure) => {
            let failure: &dyn std::error::Error = &failure;
            tracing::error!(error = failure, "attested document cannot be signed");
            let error = json!({ "error": "Internal error" });
            answer::json(StatusCode::INTERNAL_SERVER_ERROR, &error)
        }
    }
}

/// Returns what is signed.
fn content(facts: &Facts, nonce: &str, now: Timestamp) -> Value {
    let time = |time: Timestamp| time.strftime("%m/%d/%y %H:%M:%S -0000").to_string();
    json!({
        "licenseType": facts.compute.license_type,
        "nonce": nonce,
        "plan": facts.compute.plan,
        "sku": facts.image.sku,
        "subscriptionId": facts.subscription_id,
        "timeStamp": { "createdOn": time(now), "expiresOn": time(now + VALID_FOR) },
        "vmId": facts.vm_id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attestor_reads_back_from_pem_and_shows_no_key() {
        let made = Attestor::generate().unwrap();
        let pem = made.to_pem().unwrap();
        let read = Attestor::from_pem(&pem).unwrap();
        assert_eq!(
            (&read.signer, &read.authority),
            (&made.signer, &made.authority)
        );
        assert!(!format!("{made:?}").contains("PRIVATE"));
        assert!(!made.authority_pem().unwrap().contains("PRIVATE"));
    }

    #[test]
    fn pem_without_the_authority_is_refused() {
        let pem = Attestor::generate().unwrap().to_pem().unwrap();
        let (cut, _) = pem.rsplit_once("-----BEGIN").unwrap();
        assert!(matches!(
            Attestor::from_pem(cut),
            Err(CertificateError::NoCertificate(_))
        ));
    }
}
