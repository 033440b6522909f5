//! Signs content: CMS `SignedData` (RFC 5652 section 5) with the content and the certificates inside.

use aws_lc_rs::error::{KeyRejected, Unspecified};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use cms::cert::{CertificateChoices, IssuerAndSerialNumber};
use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{
    CertificateSet, EncapsulatedContentInfo, SignedData, SignerIdentifier, SignerInfo, SignerInfos,
};
use der::asn1::{Null, OctetString, SetOfVec};
use der::oid::ObjectIdentifier;
use der::oid::db::rfc5911::{ID_DATA, ID_SIGNED_DATA};
use der::oid::db::rfc5912::{ID_SHA_256, SHA_256_WITH_RSA_ENCRYPTION};
use der::{Any, Decode as _, Encode as _};
use x509_cert::Certificate;
use x509_cert::spki::AlgorithmIdentifierOwned;

use crate::certificate::CertifiedKey;

/// Why there is no signed message.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignError {
    #[error("the signing key is not a usable RSA key")]
    Key(#[source] KeyRejected),
    #[error("the content cannot be signed")]
    Sign(#[source] Unspecified),
    #[error("the signed message has no DER form")]
    Encode(#[source] der::Error),
}

/// Signs content with RSA and SHA-256; returns a `ContentInfo` in DER that holds the content, the
/// signer's certificate and those of `authorities`.
pub(crate) fn sign(
    content: &[u8],
    signer: &CertifiedKey,
    authorities: &[&[u8]],
) -> Result<Vec<u8>, SignError> {
    let pair = KeyPair::from_pkcs8(signer.key()).map_err(SignError::Key)?;
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        content,
        &mut signature,
    )
    .map_err(SignError::Sign)?;
    message(content, signature, signer, authorities).map_err(SignError::Encode)
}

fn message(
    content: &[u8],
    signature: Vec<u8>,
    signer: &CertifiedKey,
    authorities: &[&[u8]],
) -> der::Result<Vec<u8>> {
    let own = Certificate::from_der(signer.certificate())?;
    let id = IssuerAndSerialNumber {
        issuer: own.tbs_certificate().issuer().clone(),
        serial_number: own.tbs_certificate().serial_number().clone(),
    };
    let mut certificates = vec![CertificateChoices::Certificate(own)];
    for authority in authorities {
        certificates.push(CertificateChoices::Certificate(Certificate::from_der(
            authority,
        )?));
    }
    // Plain data needs no signed attributes: the signature is over the content itself.
    let signer_info = SignerInfo {
        version: CmsVersion::V1,
        sid: SignerIdentifier::IssuerAndSerialNumber(id),
        digest_alg: algorithm(ID_SHA_256),
        signed_attrs: None,
        signature_algorithm: algorithm(SHA_256_WITH_RSA_ENCRYPTION),
        signature: OctetString::new(signature)?,
        unsigned_attrs: None,
    };
    let signed = SignedData {
        version: CmsVersion::V1,
        digest_algorithms: SetOfVec::try_from(vec![algorithm(ID_SHA_256)])?,
        encap_content_info: EncapsulatedContentInfo {
            econtent_type: ID_DATA,
            econtent: Some(Any::encode_from(&OctetString::new(content)?)?),
        },
        certificates: Some(CertificateSet(SetOfVec::try_from(certificates)?)),
        crls: None,
        signer_infos: SignerInfos(SetOfVec::try_from(vec![signer_info])?),
    };
    let info = ContentInfo {
        content_type: ID_SIGNED_DATA,
        content: Any::encode_from(&signed)?,
    };
    info.to_der()
}

fn algorithm(oid: ObjectIdentifier) -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned {
        oid,
        parameters: Some(Null.into()),
    }
}
