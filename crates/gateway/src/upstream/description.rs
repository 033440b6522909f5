//! The headers by which a metadata service learns which machine asks, written over whatever a guest sent.
//!
//! What cannot be told refuses the request: a service that is told less could take the guest for
//! another one.

use std::fmt;

use aws_lc_rs::hmac;
use http::header::{CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue};
use latchkey_protocol::header;

use super::value::{Piece, Value, ValueError};
use crate::backend::Asker;
use crate::machine::MachineId;

/// Describes the machine that asks.
#[derive(Clone, Debug, Default)]
pub struct Description {
    headers: Vec<(HeaderName, Value)>,
    secret: Option<Secret>,
}

/// What the gateway shares with a metadata service, to prove that a header is its own.
#[derive(Clone)]
pub struct Secret(hmac::Key);

impl Secret {
    /// Makes a secret of these bytes.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// Returns the HMAC-SHA256 of a text, in lower-case hexadecimal.
    fn code(&self, text: &str) -> String {
        hex::encode(hmac::sign(&self.0, text.as_bytes()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Why a header cannot be part of a description.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DescriptionHeaderError {
    /// The name is no header's.
    #[error("`{0}` is no header name")]
    Name(String),
    /// The gateway sets or drops the header itself.
    #[error("the gateway sets or drops the header `{0}` itself")]
    Reserved(HeaderName),
    /// The header is in the description already.
    #[error("the header `{0}` is given twice")]
    Repeated(HeaderName),
    /// The value is not of the form.
    #[error(transparent)]
    Value(#[from] ValueError),
}

/// Why a machine cannot be described.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DescriptionError {
    /// It has no tag of this name.
    #[error("machine `{machine}` has no tag `{tag}` for the header `{header}`")]
    NoTag {
        /// The machine.
        machine: MachineId,
        /// The tag.
        tag: String,
        /// The header.
        header: HeaderName,
    },
    /// What is known of it cannot stand in a header.
    #[error(
        "machine `{machine}` cannot be described in the header `{header}`: it takes only printable ASCII"
    )]
    Unprintable {
        /// The machine.
        machine: MachineId,
        /// The header.
        header: HeaderName,
    },
    /// A code is wanted, and there is no secret to make it with.
    #[error("there is no secret for the code in the header `{0}`")]
    NoSecret(HeaderName),
}

impl Description {
    /// Adds a header; with an empty value it is only kept from guests.
    ///
    /// # Errors
    /// When the header cannot be set, is there already, or its value is not of the form.
    pub fn add(&mut self, name: &str, value: &str) -> Result<(), DescriptionHeaderError> {
        let header: HeaderName = name
            .parse()
            .map_err(|_name| DescriptionHeaderError::Name(name.to_owned()))?;
        let is_framing = [HOST, CONTENT_LENGTH].contains(&header);
        if is_framing || header::is_reserved(&header) || header::is_hop_by_hop(&header) {
            return Err(DescriptionHeaderError::Reserved(header));
        }
        if self.headers.iter().any(|(own, _)| *own == header) {
            return Err(DescriptionHeaderError::Repeated(header));
        }
        self.headers.push((header, value.parse()?));
        self.headers
            .sort_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
        Ok(())
    }

    /// Sets the secret that codes are made with.
    #[must_use]
    pub fn with_secret(self, secret: Secret) -> Self {
        Self {
            secret: Some(secret),
            ..self
        }
    }

    /// Returns whether a header holds a code, which takes a secret.
    #[must_use]
    pub fn needs_secret(&self) -> bool {
        let mut pieces = self.headers.iter().flat_map(|(_, value)| &value.pieces);
        pieces.any(|piece| matches!(piece, Piece::Code(_)))
    }

    /// Returns names and values, in the order of the names.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let headers = self.headers.iter();
        headers.map(|(name, value)| (name.as_str(), value.text.as_str()))
    }

    /// Writes the headers over those that a guest sent, in whatever spelling.
    pub(super) fn write(
        &self,
        headers: &mut HeaderMap,
        asker: &Asker<'_>,
    ) -> Result<(), DescriptionError> {
        for (name, value) in &self.headers {
            header::strip_name(headers, name);
            if value.pieces.is_empty() {
                continue;
            }
            let text = self.compose(name, value, asker)?;
            let value =
                HeaderValue::from_str(&text).map_err(|_bytes| DescriptionError::Unprintable {
                    machine: asker.machine.id.clone(),
                    header: name.clone(),
                })?;
            headers.append(name, value);
        }
        Ok(())
    }

    fn compose(
        &self,
        name: &HeaderName,
        value: &Value,
        asker: &Asker<'_>,
    ) -> Result<String, DescriptionError> {
        let no_tag = |tag: &str| DescriptionError::NoTag {
            machine: asker.machine.id.clone(),
            tag: tag.to_owned(),
            header: name.clone(),
        };
        let mut text = String::new();
        for piece in &value.pieces {
            match piece {
                Piece::Text(plain) => text.push_str(plain),
                Piece::Field(field) => text.push_str(&field.of(asker).map_err(no_tag)?),
                Piece::Code(field) => {
                    let secret = self.secret.as_ref();
                    let secret = secret.ok_or_else(|| DescriptionError::NoSecret(name.clone()))?;
                    text.push_str(&secret.code(&field.of(asker).map_err(no_tag)?));
                }
            }
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::tests::machine;

    fn described(
        description: &Description,
        sent: &[(&str, &str)],
    ) -> Result<Vec<String>, DescriptionError> {
        let machine = machine("web", "10.0.0.4", None);
        let asker = Asker {
            machine: &machine,
            source: "::ffff:10.0.0.4".parse().unwrap(),
            now: jiff::Timestamp::UNIX_EPOCH,
        };
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        description.write(&mut headers, &asker)?;
        let lines = headers.iter();
        let lines = lines.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
        let mut lines: Vec<_> = lines.collect();
        lines.sort_unstable();
        Ok(lines)
    }

    #[test]
    fn header_of_a_guest_is_written_over_in_every_spelling() {
        let mut description = Description::default();
        description.add("X-Instance-ID", "{vm_id}").unwrap();
        description.add("X-Forwarded-For", "{address}").unwrap();
        description.add("X-Tenant-ID", "").unwrap();
        let sent = [
            ("x-instance-id", "forged"),
            ("X_Instance_ID", "forged"),
            ("x-instance-id", "again"),
            ("x-tenant-id", "forged"),
            ("x-other", "kept"),
        ];
        let lines = described(&description, &sent).unwrap();
        assert_eq!(
            lines,
            [
                "x-forwarded-for: 10.0.0.4",
                "x-instance-id: 11112222-3333-4444-5555-666677778888",
                "x-other: kept",
            ]
        );
    }

    #[test]
    fn code_is_the_one_that_openssl_makes() {
        let mut description = Description::default();
        description.add("X-Signature", "{hmac:id}").unwrap();
        assert!(description.needs_secret());
        let error = described(&description, &[]).unwrap_err();
        assert!(matches!(error, DescriptionError::NoSecret(_)), "{error}");
        let description = description.with_secret(Secret::new(b"metadata"));
        // printf web | openssl dgst -sha256 -hmac metadata
        let code = "08d6edc7bf8377547f1ef4120273ca1fd534a34e0b6105d08946dc7f81d618b3";
        assert_eq!(
            described(&description, &[]).unwrap(),
            [format!("x-signature: {code}")]
        );
    }

    #[test]
    fn machine_that_cannot_be_described_is_refused() {
        let mut description = Description::default();
        description.add("X-Project", "{tag:project}").unwrap();
        let error = described(&description, &[]).unwrap_err();
        assert!(error.to_string().contains("no tag `project`"), "{error}");
    }

    #[test]
    fn headers_of_the_gateway_are_not_for_operators() {
        let mut description = Description::default();
        for name in [
            "Host",
            "Content-Length",
            "Transfer-Encoding",
            "Connection",
            "x-ms-azure-host-claims",
        ] {
            let error = description.add(name, "x").unwrap_err();
            assert!(
                matches!(error, DescriptionHeaderError::Reserved(_)),
                "{name}"
            );
        }
        assert!(description.add("a b", "x").is_err());
        description.add("X-Name", "{name}").unwrap();
        let error = description.add("x-name", "{id}").unwrap_err();
        assert!(matches!(error, DescriptionHeaderError::Repeated(_)));
    }
}
