//! The `openssl` program: the very one that the deployed agents read encrypted documents with.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::host::Ask;

/// What agents write before the base64 of a CMS message.
const MIME: &str = "MIME-Version:1.0\nContent-Disposition: attachment; filename=\"p7m\"\n\
    Content-Type: application/x-pkcs7-mime; name=\"p7m\"\nContent-Transfer-Encoding: base64\n\n";

/// Runs the program and returns what it wrote to standard output.
pub(crate) fn openssl(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("openssl: {error}: run scripts/deps.sh test"));
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    output.stdout
}

/// Returns the same as text.
pub(crate) fn openssl_text(arguments: &[&str], input: &[u8]) -> String {
    String::from_utf8(openssl(arguments, input)).unwrap()
}

/// The key that an agent makes to have documents encrypted to it.
pub(crate) struct TransportKey(TempDir);

impl TransportKey {
    pub(crate) fn new() -> Self {
        Self::with_key("rsa:2048", &[])
    }

    /// A key that no document can be encrypted to.
    pub(crate) fn elliptic() -> Self {
        Self::with_key("ec", &["-pkeyopt", "ec_paramgen_curve:P-256"])
    }

    fn with_key(kind: &str, options: &[&str]) -> Self {
        let own = Self(TempDir::new().unwrap());
        let (key, certificate) = (own.path("key.pem"), own.path("certificate.pem"));
        let mut arguments = vec!["req", "-x509", "-nodes", "-subj", "/CN=LinuxTransport"];
        arguments.extend(["-days", "730", "-newkey", kind]);
        arguments.extend(options);
        arguments.extend(["-keyout", &key, "-out", &certificate]);
        openssl(&arguments, b"");
        own
    }

    fn path(&self, name: &str) -> String {
        let path: PathBuf = self.0.path().join(name);
        path.to_str().unwrap().to_owned()
    }

    /// Returns the certificate as agents send it: base64 without the lines of PEM.
    pub(crate) fn header(&self) -> String {
        let pem = std::fs::read_to_string(self.path("certificate.pem")).unwrap();
        pem.lines().filter(|line| !line.contains("----")).collect()
    }

    /// Returns a request for a document that is encrypted to this key.
    pub(crate) fn ask(&self, target: &str, cipher: &str) -> Ask {
        Ask::wire(&format!("GET {target}"))
            .with("x-ms-version", "2012-11-30")
            .with("x-ms-cipher-name", cipher)
            .with("x-ms-guest-agent-public-x509-cert", &self.header())
    }

    /// Decrypts base64 in lines, as agents do.
    pub(crate) fn decrypt(&self, data: &str) -> Vec<u8> {
        let (key, certificate) = (self.path("key.pem"), self.path("certificate.pem"));
        let arguments = ["cms", "-decrypt", "-inkey", &key, "-recip", &certificate];
        openssl(&arguments, format!("{MIME}{data}").as_bytes())
    }

    /// Decrypts DER without the certificate, as agents do with passwords.
    pub(crate) fn decrypt_der(&self, message: &[u8]) -> Vec<u8> {
        let key = self.path("key.pem");
        openssl(
            &["cms", "-decrypt", "-inform", "DER", "-inkey", &key],
            message,
        )
    }
}
