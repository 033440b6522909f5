//! The machine's certificates with their private keys: PKCS #12 without a password, encrypted to the agent.

use std::str;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use p12_keystore::{Certificate, KeyStore, KeyStoreEntry, PrivateKey, PrivateKeyChain};
use zeroize::Zeroizing;

use super::super::goal_state::{GoalStateError, Present};
use super::transport::Transport;
use crate::certificate::CertifiedKey;

/// OpenSSL reads no longer lines of base64.
const LINE_BYTES: usize = 76;
/// The envelope protects the keys and the password is empty: more rounds would only cost time.
const ROUNDS: u32 = 1;

/// Returns the document. A machine without certificates gets an empty store.
pub(super) fn document(
    present: &Present<'_>,
    transport: &Transport,
) -> Result<String, GoalStateError> {
    let mut store = KeyStore::new();
    for (index, certificate) in present.certificates()?.iter().enumerate() {
        let chain = KeyStoreEntry::PrivateKeyChain(chain(certificate)?);
        store.add_entry(&format!("{index}-{}", certificate.thumbprint()), chain);
    }
    let writer = store.writer("");
    let writer = writer.encryption_iterations(ROUNDS).mac_iterations(ROUNDS);
    let content = Zeroizing::new(writer.write()?);
    let data = STANDARD.encode(transport.seal(&content)?);
    let lines: Vec<_> = data
        .as_bytes()
        .chunks(LINE_BYTES)
        .filter_map(|line| str::from_utf8(line).ok())
        .collect();
    Ok(format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<CertificateFile xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="certificates10.xsd">
  <Version>2010-12-15</Version>
  <Incarnation>{incarnation}</Incarnation>
  <Format>Pkcs7BlobWithPfxContents</Format>
  <Data>{data}
  </Data>
</CertificateFile>
"#,
        incarnation = present.incarnation.number,
        data = lines.join("\n"),
    ))
}

fn chain(certificate: &CertifiedKey) -> Result<PrivateKeyChain, GoalStateError> {
    Ok(PrivateKeyChain::new(
        certificate.fingerprint().as_ref(),
        PrivateKey::from_der(certificate.key())?,
        [Certificate::from_der(certificate.certificate())?],
    ))
}
