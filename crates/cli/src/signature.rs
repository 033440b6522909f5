//! `latchkey signature`: the string to sign and the signature of a request, to debug a client or a host.
//!
//! The key is never written.

use std::path::{Path, PathBuf};

use clap::Args;
use latchkey_protocol::key::{KeyError, KeyId, KeyIdError};
use latchkey_protocol::signature::SignError;
use latchkey_protocol::{Reason, SigningKey};
use serde::Serialize;

use crate::arguments::Format;
use crate::document;
use crate::exit::Exit;
use crate::problem::{self, Problem};
use crate::terminal;

mod request;

use request::RequestError;
pub(crate) use request::SigningRequest;

/// The key id in the answer where neither the request nor the command line names one.
const NO_KEY_ID: &str = "00000000-0000-0000-0000-000000000001";

/// Prints what of a request is signed, and its signature.
///
/// Exit codes: 0 signed; 1 a file cannot be read; 2 the request cannot be signed, or the host could
/// read it in two ways; 3 the request or the key is invalid; 64 the command line is wrong.
#[derive(Debug, Args)]
#[command(after_help = "The request:
  {\"method\", \"url\", \"headers\": [[NAME, VALUE], ...], \"body_hex\", \"key_guid\"}

Examples:
  latchkey signature --request request.json --key-file key.hex
  latchkey signature --request - --key-hex 4A40 --format json < request.json

Other processes can read --key-hex in the process list: use it for test keys alone.")]
pub(crate) struct Signature {
    /// The request.
    #[arg(long, value_name = "FILE")]
    request: PathBuf,
    #[command(flatten)]
    key: KeySource,
    /// The key's id, a GUID; by default the one that the request names.
    #[arg(long, value_name = "GUID")]
    key_id: Option<String>,
    /// How the answer is written.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Where the key comes from.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct KeySource {
    /// The key in hexadecimal digits.
    #[arg(long, value_name = "HEX")]
    key_hex: Option<String>,
    /// A file that holds the key in hexadecimal digits.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

impl std::fmt::Debug for KeySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeySource").finish_non_exhaustive()
    }
}

/// The answer.
#[derive(Serialize)]
struct Signed {
    string_to_sign_hex: String,
    signature: String,
    authorization: String,
    /// Why the agent would not sign this request, though the scheme can.
    #[serde(skip_serializing_if = "Option::is_none")]
    ambiguous: Option<Reason>,
    #[serde(skip)]
    string_to_sign: Vec<u8>,
}

/// Why there is no signature.
#[derive(Debug, thiserror::Error)]
enum SignatureError {
    #[error("the key: {0}")]
    Key(#[from] KeyError),
    #[error("the key id: {0}")]
    KeyId(#[from] KeyIdError),
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error(transparent)]
    Sign(#[from] SignError),
}

impl SignatureError {
    /// Returns a stable word, and how the program ends.
    const fn code(&self) -> (&'static str, Exit) {
        match self {
            Self::Key(_) => ("invalid_key", Exit::Refused),
            Self::KeyId(_) => ("invalid_key_id", Exit::Invalid),
            Self::Request(error) => error.code(),
            Self::Sign(SignError::NonAsciiHeader) => ("non_ascii_header", Exit::Refused),
        }
    }
}

pub(crate) fn run(arguments: &Signature) -> Exit {
    let name = document::name(&arguments.request);
    let (text, request) = match read(&arguments.request, &name, arguments.format) {
        Ok(read) => read,
        Err(exit) => return exit,
    };
    let key = match arguments.key.read() {
        Ok(key) => key,
        Err(exit) => return exit,
    };
    match sign(&request, &key, arguments.key_id.as_deref()) {
        Ok(signed) => written(&signed, arguments.format),
        Err(error) => {
            let (code, exit) = error.code();
            let found = Problem::error(code, error.to_string());
            let (name, found) = match &error {
                SignatureError::Key(_) => (arguments.key.name(), found),
                SignatureError::Request(error) => {
                    let word = format!("\"{}\"", error.word());
                    (name, found.at_first(&text, &word))
                }
                SignatureError::KeyId(_) | SignatureError::Sign(_) => (name, found),
            };
            match problem::show(&name, &text, &[found], arguments.format) {
                Exit::Invalid => exit,
                failed => failed,
            }
        }
    }
}

fn read(path: &Path, name: &str, format: Format) -> Result<(String, SigningRequest), Exit> {
    let text = document::read(path)?;
    match serde_json::from_str(&text) {
        Ok(request) => Ok((text, request)),
        Err(error) => {
            let problems = [document::json_problem(&text, &error)];
            Err(problem::show(name, &text, &problems, format))
        }
    }
}

impl KeySource {
    /// Returns what the key is called in messages.
    fn name(&self) -> String {
        let file = self.key_file.as_deref();
        file.map_or_else(|| "--key-hex".to_owned(), document::name)
    }

    fn read(&self) -> Result<String, Exit> {
        match (&self.key_hex, &self.key_file) {
            (Some(digits), _) => Ok(digits.clone()),
            (None, Some(file)) => Ok(document::read(file)?.trim().to_owned()),
            (None, None) => Err(Exit::Usage),
        }
    }
}

fn sign(
    request: &SigningRequest,
    key: &str,
    key_id: Option<&str>,
) -> Result<Signed, SignatureError> {
    let parts = request.parts()?;
    let signable = parts.signable();
    let mut string_to_sign = Vec::new();
    signable.write_to(|piece| string_to_sign.extend_from_slice(piece))?;
    let id = key_id.or(request.key_guid.as_deref()).unwrap_or(NO_KEY_ID);
    let authorization = SigningKey::from_hex(KeyId::parse(id)?, key)?.sign(&signable)?;
    let header = authorization.header_value();
    Ok(Signed {
        string_to_sign_hex: hex::encode(&string_to_sign),
        signature: hex::encode(authorization.mac),
        authorization: header.to_str().unwrap_or_default().to_owned(),
        ambiguous: parts.ambiguity(),
        string_to_sign,
    })
}

/// Writes the answer; what is ambiguous is shown as the scheme signs it, and refused all the same.
fn written(signed: &Signed, format: Format) -> Exit {
    let exit = match signed.ambiguous {
        None => Exit::Success,
        Some(reason) => {
            terminal::complain(&format!(
                "the host could read this request in two ways, so the agent does not sign it: {reason}: {}",
                reason.title()
            ));
            Exit::Refused
        }
    };
    if format == Format::Json {
        return terminal::print_json(signed, exit);
    }
    let text = format!(
        "string to sign: {}\nsignature: {}\nauthorization: {}\n",
        signed.string_to_sign.escape_ascii(),
        signed.signature,
        signed.authorization,
    );
    terminal::print(&text, exit)
}
