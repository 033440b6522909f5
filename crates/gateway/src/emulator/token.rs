//! Issues identity tokens: RS256 JSON web tokens under a local key, and the documents by which others verify them.
//!
//! The private key enters as PEM and never leaves again.

use std::fmt;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::facts::Identity;

/// How long a token is valid, in seconds.
pub const TOKEN_SECONDS: i64 = 24 * 60 * 60;

/// Issues tokens in the name of one issuer.
pub struct TokenIssuer {
    issuer: String,
    key: EncodingKey,
    public: Jwk,
    header: Header,
}

impl fmt::Debug for TokenIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenIssuer")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

/// Why tokens cannot be issued. Never holds any part of the key.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// No key could be made.
    #[error("no RSA key could be generated")]
    Generate(#[source] aws_lc_rs::error::Unspecified),
    /// The text is no RSA key in PEM.
    #[error("the token key is not an RSA private key in PEM")]
    Key(#[source] jsonwebtoken::errors::Error),
    /// The key signs nothing.
    #[error("the token cannot be signed")]
    Sign(#[source] jsonwebtoken::errors::Error),
}

/// A token as the identity endpoint answers it: all members are text.
#[derive(Clone, Serialize)]
pub struct IssuedToken {
    access_token: String,
    client_id: Uuid,
    expires_in: String,
    expires_on: String,
    ext_expires_in: String,
    not_before: String,
    resource: String,
    token_type: &'static str,
}

impl fmt::Debug for IssuedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedToken")
            .field("resource", &self.resource)
            .finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct TokenClaims<'a> {
    aud: &'a str,
    iss: &'a str,
    iat: i64,
    nbf: i64,
    exp: i64,
    appid: Uuid,
    appidacr: &'static str,
    idp: &'a str,
    idtyp: &'static str,
    oid: Uuid,
    sub: Uuid,
    tid: Uuid,
    ver: &'static str,
    xms_mirid: &'a str,
}

/// Generates a token key: RSA of 2048 bits, PKCS #8 in PEM.
///
/// # Errors
/// When the system gives no random bytes.
pub fn generate_key() -> Result<Zeroizing<String>, TokenError> {
    let pair = KeyPair::generate(KeySize::Rsa2048).map_err(TokenError::Generate)?;
    let der: Pkcs8V1Der<'_> = pair.as_der().map_err(TokenError::Generate)?;
    let text = Zeroizing::new(STANDARD.encode(der.as_ref()));
    let mut pem = Zeroizing::new(String::from("-----BEGIN PRIVATE KEY-----\n"));
    for (index, character) in text.chars().enumerate() {
        if index > 0 && index % 64 == 0 {
            pem.push('\n');
        }
        pem.push(character);
    }
    pem.push_str("\n-----END PRIVATE KEY-----\n");
    Ok(pem)
}

impl TokenIssuer {
    /// Makes an issuer with a key that [`generate_key`] made; `issuer` is the URL below which its
    /// documents are served.
    ///
    /// # Errors
    /// When the text is no such key.
    pub fn new(issuer: &str, pem: &str) -> Result<Self, TokenError> {
        let key = EncodingKey::from_rsa_pem(pem.as_bytes()).map_err(TokenError::Key)?;
        let mut public = Jwk::from_encoding_key(&key, Algorithm::RS256).map_err(TokenError::Key)?;
        let id = public
            .thumbprint(ThumbprintHash::SHA256)
            .map_err(TokenError::Key)?;
        public.common.key_id = Some(id.clone());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(id);
        Ok(Self {
            issuer: issuer.trim_end_matches('/').to_owned(),
            key,
            public,
            header,
        })
    }

    /// Issues a token of an identity for a resource.
    ///
    /// # Errors
    /// When the key signs nothing.
    pub fn issue(
        &self,
        tenant_id: Uuid,
        identity: &Identity,
        resource: &str,
        now: Timestamp,
    ) -> Result<IssuedToken, TokenError> {
        let (issued, expires) = (now.as_second(), now.as_second() + TOKEN_SECONDS);
        let claims = TokenClaims {
            aud: resource,
            iss: &self.issuer,
            iat: issued,
            nbf: issued,
            exp: expires,
            appid: identity.client_id,
            appidacr: "2",
            idp: &self.issuer,
            idtyp: "app",
            oid: identity.object_id,
            sub: identity.object_id,
            tid: tenant_id,
            ver: "1.0",
            xms_mirid: &identity.resource_id,
        };
        let token =
            jsonwebtoken::encode(&self.header, &claims, &self.key).map_err(TokenError::Sign)?;
        Ok(IssuedToken {
            access_token: token,
            client_id: identity.client_id,
            expires_in: TOKEN_SECONDS.to_string(),
            expires_on: expires.to_string(),
            ext_expires_in: TOKEN_SECONDS.to_string(),
            not_before: issued.to_string(),
            resource: resource.to_owned(),
            token_type: "Bearer",
        })
    }

    /// Returns the set of public keys that verify the tokens.
    #[must_use]
    pub fn key_set(&self) -> JwkSet {
        JwkSet {
            keys: vec![self.public.clone()],
        }
    }

    /// Returns the discovery document of the issuer.
    #[must_use]
    pub fn configuration(&self) -> Value {
        json!({
            "issuer": self.issuer,
            "jwks_uri": format!("{}/jwks", self.issuer),
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["token"],
            "subject_types_supported": ["public"],
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};

    use super::*;
    use crate::facts::tests::identities;

    pub(crate) fn issuer() -> TokenIssuer {
        TokenIssuer::new("http://127.0.0.1:9420", &generate_key().unwrap()).unwrap()
    }

    #[test]
    fn tokens_verify_against_the_published_keys() {
        let (issuer, identities) = (issuer(), identities());
        let identity = identities.system.unwrap();
        let resource = "https://Vault.example";
        let token = issuer
            .issue(identities.tenant_id, &identity, resource, Timestamp::now())
            .unwrap();
        let kid = decode_header(&token.access_token).unwrap().kid.unwrap();
        let published = serde_json::to_string(&issuer.key_set()).unwrap();
        let keys: JwkSet = serde_json::from_str(&published).unwrap();
        let key = DecodingKey::from_jwk(keys.find(&kid).unwrap()).unwrap();
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_audience(&[resource]);
        validation.set_issuer(&["http://127.0.0.1:9420"]);
        let claims = decode::<Value>(&token.access_token, &key, &validation)
            .unwrap()
            .claims;
        assert_eq!(claims["appid"], identity.client_id.to_string());
        assert_eq!(claims["sub"], claims["oid"]);
        assert_eq!(claims["tid"], identities.tenant_id.to_string());
        assert_eq!(claims["xms_mirid"], "/vm");
        assert!(!published.contains("\"d\""), "private parts stay private");
    }

    #[test]
    fn answer_has_the_members_of_the_real_service_as_text() {
        let identity = identities().system.unwrap();
        let now = Timestamp::from_second(1_767_683_289).unwrap();
        let token = issuer().issue(Uuid::nil(), &identity, "r", now).unwrap();
        let answer = serde_json::to_value(&token).unwrap();
        for member in [
            "access_token",
            "client_id",
            "expires_in",
            "expires_on",
            "ext_expires_in",
            "not_before",
            "resource",
            "token_type",
        ] {
            assert!(answer[member].is_string(), "{member}");
        }
        assert_eq!(
            answer["expires_on"],
            (1_767_683_289 + TOKEN_SECONDS).to_string()
        );
        assert!(!format!("{token:?}").contains(&token.access_token));
    }

    #[test]
    fn text_that_is_no_key_is_refused() {
        assert!(TokenIssuer::new("http://x", "-----BEGIN PRIVATE KEY-----\n").is_err());
    }
}
