//! The program before a metadata service that nobody here wrote: Python's file server.

use std::fs::Permissions;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use crate::{PATIENCE, Site, observations, run, stop, text};

/// A file server, and where it listens.
async fn serve_files(site: &Site) -> (Child, String) {
    let files = site.path("files");
    std::fs::create_dir_all(files.join("latest")).unwrap();
    std::fs::write(files.join("latest/meta-data"), "of the service\n").unwrap();
    let mut server = Command::new("python3")
        .args(["-u", "-m", "http.server", "0", "--bind", "127.0.0.1"])
        .arg("--directory")
        .arg(&files)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
    // Serving HTTP on 127.0.0.1 port 40123 (http://127.0.0.1:40123/) ...
    let line = line.unwrap().unwrap().unwrap();
    let (_, url) = line.split_once('(').unwrap();
    let url = url.split_once("/)").unwrap().0.to_owned();
    (server, url)
}

fn put_before(site: &Site, upstream: &str) {
    let config = std::fs::read_to_string(site.path("host.toml")).unwrap();
    let port = "port = 8080\n";
    let with = format!("{port}upstream = \"{upstream}\"\n");
    std::fs::write(site.path("host.toml"), config.replace(port, &with)).unwrap();
}

#[tokio::test]
async fn signed_requests_reach_the_service_and_unsigned_ones_do_not() {
    let site = Site::new(21);
    let (mut server, url) = serve_files(&site).await;
    put_before(&site, &url);
    let child = site.start().await;
    let key = site.latch().await;
    let ask = async |line: &str| site.ask(8080, line, "", Some(&key)).await.unwrap();
    assert_eq!(site.get(8080, "/latest/meta-data").await.unwrap().0, 401);
    let answer = ask("GET /latest/meta-data").await;
    assert_eq!(answer, (200, "of the service\n".to_owned()));
    assert_eq!(ask("HEAD /latest/meta-data").await, (200, String::new()));
    assert_eq!(ask("GET /latest").await.0, 301, "redirects are passed");
    assert_eq!(ask("GET /nothing").await.0, 404);
    assert_eq!(ask("POST /latest").await.0, 501, "it takes no posts");
    server.kill().await.unwrap();
    let (status, problem) = ask("GET /latest/meta-data").await;
    assert_eq!(status, 502);
    assert!(problem.contains("upstream_unreachable"), "{problem}");
    assert_eq!(site.status().await["counters"]["upstreamFailures"], 1);
    stop(child).await;
    let last = observations(&site).pop().unwrap();
    assert_eq!((last.accepted, last.status), (false, 502));
}

/// Takes one request, answers with half of what it announces, and closes.
async fn break_off(listener: TcpListener) -> String {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut received = Vec::new();
    while !received.ends_with(b"\r\n\r\n") {
        assert_ne!(stream.read_buf(&mut received).await.unwrap(), 0);
    }
    let half = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf";
    stream.write_all(half).await.unwrap();
    String::from_utf8(received).unwrap()
}

#[tokio::test]
async fn service_learns_who_asks_and_an_answer_that_breaks_off_is_a_reset() {
    let site = Site::new(23);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let headers = "\"\nupstream_headers = { X-Instance-ID = \"{vm_id}\", \
                   X-Instance-ID-Signature = \"{hmac:vm_id}\" }\n\
                   upstream_secret_file = \"";
    let secret = site.path("secret");
    let url = format!("http://{}", listener.local_addr().unwrap());
    put_before(&site, &format!("{url}{headers}{}", text(&secret)));
    keep(&secret, "deadbeef2eb84d8d\n", 0o640);
    let machine = std::fs::read_to_string(site.path("machines/web.toml")).unwrap();
    let facts = "[facts]\nvm_id = \"32d0524b-314d-4594-b3a3-607e3f2354f8\"\n";
    std::fs::write(site.path("machines/web.toml"), machine + facts).unwrap();
    let child = site.start().await;
    let key = site.latch().await;
    let serving = tokio::spawn(break_off(listener));
    let answer = site.ask(8080, "GET /latest", "", Some(&key)).await;
    assert_eq!(answer.unwrap_err().kind(), ErrorKind::ConnectionReset);
    let received = serving.await.unwrap();
    for line in [
        "x-instance-id: 32d0524b-314d-4594-b3a3-607e3f2354f8\r\n",
        "x-instance-id-signature: \
         6bcbe3885ae7efc49cef35b438efe29c95501f4a720a0c53ed000d8fcf04a605\r\n",
    ] {
        assert!(received.contains(line), "{received}");
    }
    stop(child).await;
}

/// Writes a secret with these permissions.
fn keep(path: &Path, secret: &str, mode: u32) {
    std::fs::write(path, secret).unwrap();
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Starts the program and returns why it does not go on.
async fn refusal(site: &Site) -> String {
    let config = site.path("host.toml");
    let ended = tokio::time::timeout(PATIENCE, run(&["--config", text(&config)])).await;
    let ended = ended.unwrap();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    String::from_utf8(ended.stderr).unwrap()
}

#[tokio::test]
async fn program_does_not_start_without_the_secret_that_it_shares() {
    let site = Site::new(24);
    let secret = site.path("secret");
    put_before(
        &site,
        &format!(
            "http://127.0.0.1:1\"\nupstream_secret_file = \"{}",
            text(&secret)
        ),
    );
    let said = refusal(&site).await;
    assert!(said.contains("cannot read the shared secret"), "{said}");
    keep(&secret, "\n", 0o600);
    let said = refusal(&site).await;
    assert!(said.contains("is empty"), "{said}");
    keep(&secret, "known to all", 0o604);
    let said = refusal(&site).await;
    assert!(said.contains("everybody may use it"), "{said}");
    assert!(!said.contains("known to all"), "{said}");
    std::fs::remove_file(&secret).unwrap();
    mkfifo(&secret, Mode::S_IRUSR).unwrap();
    let said = refusal(&site).await;
    assert!(said.contains("not a regular file"), "{said}");
}

#[tokio::test]
async fn program_that_would_ask_itself_does_not_start() {
    let site = Site::new(22);
    put_before(&site, &format!("http://{}:8081", site.address));
    let said = refusal(&site).await;
    assert!(said.contains("own endpoint `wireserver`"), "{said}");
}
