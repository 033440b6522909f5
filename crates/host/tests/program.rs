//! The program itself on loopback addresses of its own: start, latch, restart, reload, command line.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use latchkey_gateway::clock::http_date;
use latchkey_protocol::head::{Parsed, parse};
use latchkey_protocol::header::{HOST_AUTHORIZATION, HOST_CLAIMS, HOST_DATE};
use latchkey_protocol::latch::{IssuedKey, KEY_REQUEST_BODY, attestation_path};
use latchkey_protocol::signature::Signable;
use latchkey_protocol::{Claims, Elevation, SigningKey};
use latchkey_record::Observation;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

#[path = "program/inbox.rs"]
mod inbox;
#[path = "program/upstream.rs"]
mod upstream;

const PROGRAM: &str = env!("CARGO_BIN_EXE_latchkey-host");
const PATIENCE: Duration = Duration::from_secs(20);

/// Files and addresses of one host program.
struct Site {
    folder: TempDir,
    address: Ipv4Addr,
}

impl Site {
    /// A site on a loopback address that no other test has.
    fn new(number: u8) -> Self {
        let [.., high, low] = std::process::id().to_be_bytes();
        let site = Self {
            folder: TempDir::new().unwrap(),
            address: Ipv4Addr::new(127, high.max(1), low, number),
        };
        std::fs::create_dir(site.path("machines")).unwrap();
        let text = format!(
            "state_dir = {:?}\nmachines_dir = {:?}\n[admin]\nlisten = \"{2}:9420\"\n\
             [endpoints.imds]\naddresses = [\"{2}\"]\nport = 8080\n\
             [endpoints.wireserver]\naddresses = [\"{2}\"]\nport = 8081\n\
             [endpoints.hostga]\naddresses = [\"{2}\"]\nport = 8082\n",
            site.path("state"),
            site.path("machines"),
            site.address,
        );
        std::fs::write(site.path("host.toml"), text).unwrap();
        site.write_machine(1);
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write_machine(&self, incarnation: u32) {
        let text = format!(
            "addresses = [\"127.0.0.1\", \"{}\"]\nkey_incarnation = {incarnation}\n\
             imds = {{ mode = \"Enforce\" }}\nwireserver = {{ mode = \"Enforce\" }}\n",
            self.address
        );
        let fresh = self.path("machines/.fresh");
        std::fs::write(&fresh, text).unwrap();
        std::fs::rename(fresh, self.path("machines/web.toml")).unwrap();
    }

    async fn start(&self) -> Child {
        let mut command = Command::new(PROGRAM);
        command
            .arg("--config")
            .arg(self.path("host.toml"))
            .kill_on_drop(true);
        let child = command.stderr(Stdio::inherit()).spawn().unwrap();
        until("the program is healthy", async || {
            self.get(9420, "/healthz").await.is_ok()
        })
        .await;
        child
    }

    async fn get(&self, port: u16, target: &str) -> std::io::Result<(u16, String)> {
        self.ask(port, &format!("GET {target}"), "", None).await
    }

    async fn status(&self) -> Value {
        serde_json::from_str(&self.get(9420, "/status").await.unwrap().1).unwrap()
    }

    async fn channel(&self) -> Value {
        serde_json::from_str(&self.get(8081, "/secure-channel/status").await.unwrap().1).unwrap()
    }

    async fn ask(
        &self,
        port: u16,
        line: &str,
        body: &str,
        signer: Option<&SigningKey>,
    ) -> std::io::Result<(u16, String)> {
        let mut head = format!(
            "{line} HTTP/1.1\r\nHost: {}:{port}\r\nMetadata: true\r\nConnection: close\r\nContent-Length: {}\r\n",
            self.address,
            body.len()
        );
        if let Some(key) = signer {
            sign(&mut head, body, key);
        }
        let mut stream = TcpStream::connect(SocketAddr::from((self.address, port))).await?;
        stream
            .write_all(format!("{head}\r\n{body}").as_bytes())
            .await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        Ok((
            head.split(' ').nth(1).unwrap().parse().unwrap(),
            body.to_owned(),
        ))
    }

    async fn latch(&self) -> SigningKey {
        let (_, document) = self
            .ask(8081, "POST /secure-channel/key", KEY_REQUEST_BODY, None)
            .await
            .unwrap();
        let key = IssuedKey::parse(document.as_bytes()).unwrap().key;
        let line = format!("POST {}", attestation_path(key.id()));
        assert_eq!(self.ask(8081, &line, "", Some(&key)).await.unwrap().0, 200);
        key
    }
}

fn sign(head: &mut String, body: &str, key: &SigningKey) {
    let claims = Claims {
        elevation: Elevation::Root,
    }
    .header_value();
    let date = http_date(Timestamp::now());
    head.push_str(&format!(
        "{HOST_DATE}: {date}\r\n{HOST_CLAIMS}: {claims}\r\n"
    ));
    let Ok(Parsed::Complete(parsed, _)) = parse(format!("{head}\r\n").as_bytes()) else {
        panic!("{head}")
    };
    let signable = Signable {
        method: &parsed.method,
        target: &parsed.target,
        headers: &parsed.headers,
        body: body.as_bytes(),
    };
    let value = key.sign(&signable).unwrap().header_value();
    head.push_str(&format!(
        "{HOST_AUTHORIZATION}: {}\r\n",
        value.to_str().unwrap()
    ));
}

async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn signal(child: &Child, signal: Signal) {
    let id = i32::try_from(child.id().unwrap()).unwrap();
    kill(Pid::from_raw(id), signal).unwrap();
}

async fn stop(mut child: Child) {
    signal(&child, Signal::SIGTERM);
    let status = tokio::time::timeout(PATIENCE, child.wait())
        .await
        .unwrap()
        .unwrap();
    assert!(status.success(), "{status}");
}

fn observations(site: &Site) -> Vec<Observation> {
    let text = std::fs::read_to_string(site.path("state/observations.jsonl")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn latched_key_survives_a_restart_and_every_request_is_observed() {
    let site = Site::new(1);
    let child = site.start().await;
    let unsigned = site.get(8080, "/metadata/versions").await.unwrap();
    assert_eq!(unsigned.0, 401, "{unsigned:?}");
    let key = site.latch().await;
    stop(child).await;
    assert_eq!(
        observations(&site).len(),
        3,
        "the unsigned one and the two of the channel"
    );
    let child = site.start().await;
    assert_eq!(site.channel().await["keyGuid"], key.id().as_str());
    let signed = site
        .ask(8080, "GET /metadata/versions", "", Some(&key))
        .await
        .unwrap();
    assert_eq!(signed.0, 200, "{signed:?}");
    let status = site.status().await;
    assert_eq!(status["machines"][0]["key"]["id"], key.id().as_str());
    assert!(
        !status.to_string().contains(&*key.expose_hex()),
        "the status holds no key"
    );
    stop(child).await;
    let log = std::fs::read_to_string(site.path("state/observations.jsonl")).unwrap();
    assert!(observations(&site).last().unwrap().accepted && !log.contains(&*key.expose_hex()));
}

#[tokio::test]
async fn change_of_a_machine_takes_effect_and_a_bad_file_does_not() {
    let site = Site::new(2);
    let child = site.start().await;
    let key = site.latch().await;
    std::fs::write(site.path("machines/bad.toml"), "addresses = 1\n").unwrap();
    until("the bad file is reported", async || {
        !site.status().await["reloadProblem"].is_null()
    })
    .await;
    assert_eq!(
        site.channel().await["keyGuid"],
        key.id().as_str(),
        "the last good set is in force"
    );
    std::fs::remove_file(site.path("machines/bad.toml")).unwrap();
    until("the problem is gone", async || {
        site.status().await["reloadProblem"].is_null()
    })
    .await;
    site.write_machine(2);
    signal(&child, Signal::SIGHUP);
    until("the rotation is asked for", async || {
        site.channel().await["keyGuid"].is_null()
    })
    .await;
    let next = site.latch().await;
    assert_eq!(site.channel().await["keyGuid"], next.id().as_str());
    stop(child).await;
}

#[tokio::test]
async fn authority_of_attested_documents_is_published_without_a_key() {
    let site = Site::new(6);
    let child = site.start().await;
    let (status, pem) = site.get(9420, "/attestation-ca.pem").await.unwrap();
    assert_eq!(status, 200);
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----"), "{pem}");
    assert!(!pem.contains("PRIVATE"), "{pem}");
    stop(child).await;
}

#[tokio::test]
async fn token_documents_are_served_to_whoever_verifies() {
    let site = Site::new(3);
    let child = site.start().await;
    let (_, text) = site
        .get(9420, "/.well-known/openid-configuration")
        .await
        .unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        document["jwks_uri"],
        format!("http://{}:9420/jwks", site.address)
    );
    let (_, keys) = site.get(9420, "/jwks").await.unwrap();
    let keys: Value = serde_json::from_str(&keys).unwrap();
    assert_eq!(
        (&keys["keys"][0]["kty"], &keys["keys"][0]["alg"]),
        (&"RSA".into(), &"RS256".into())
    );
    assert_eq!(site.get(9420, "/inbox").await.unwrap().1, "[]");
    stop(child).await;
}

#[tokio::test]
async fn client_that_never_finishes_its_request_does_not_keep_the_program_from_ending() {
    let site = Site::new(5);
    let child = site.start().await;
    let mut slow = TcpStream::connect(SocketAddr::from((site.address, 9420)))
        .await
        .unwrap();
    slow.write_all(b"GET /status HTTP/1.1\r\n").await.unwrap();
    until("the request has begun", async || {
        site.get(9420, "/healthz").await.is_ok()
    })
    .await;
    site.get(8080, "/metadata/versions").await.unwrap();
    stop(child).await;
    drop(slow);
    assert_eq!(observations(&site).len(), 1, "none is lost at the end");
}

async fn run(arguments: &[&str]) -> Output {
    Command::new(PROGRAM)
        .args(arguments)
        .output()
        .await
        .unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
async fn command_line_says_what_is_wrong_and_where() {
    let site = Site::new(4);
    let config = site.path("host.toml");
    let good = run(&["--config", text(&config), "--check-config"]).await;
    assert!(good.status.success(), "{good:?}");
    std::fs::write(site.path("machines/bad.toml"), "addresses = 1\n").unwrap();
    let bad_machine = run(&["--config", text(&config), "--check-config"]).await;
    assert_eq!(bad_machine.status.code(), Some(3));
    assert!(
        String::from_utf8(bad_machine.stderr)
            .unwrap()
            .contains("bad.toml")
    );
    let text_of_config = "nonsense = 1\n[admin]\nlisten = \"x\"\n[limits]\nhead_seconds = 0\n\
                          idle_seconds = \"long\"\n[endpoints.imds]\nport = 81\n";
    std::fs::write(&config, text_of_config).unwrap();
    let bad_config = run(&["--config", text(&config), "--check-config"]).await;
    assert_eq!(bad_config.status.code(), Some(3));
    let said = String::from_utf8(bad_config.stderr).unwrap();
    for place in ["1:1", "3:10", "5:16", "6:16", "7:1"] {
        let place = format!("\n{}:{place}: ", text(&config));
        assert!(said.contains(&place), "{place} in {said}");
    }
    assert_eq!(
        run(&["--config", "/no/such/file"]).await.status.code(),
        Some(1)
    );
    assert_eq!(run(&["--nonsense"]).await.status.code(), Some(64));
    assert!(run(&["--help"]).await.status.success() && run(&["--version"]).await.status.success());
    std::fs::write(&config, "").unwrap();
    let printed = run(&["--config", text(&config), "--print-config"]).await;
    assert!(
        String::from_utf8(printed.stdout)
            .unwrap()
            .contains("169.254.169.254")
    );
}
