//! `latchkey-host emulator inbox`: what clients posted, as the running host tells it.

use std::process::{Output, Stdio};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::Command;

use crate::{PATIENCE, PROGRAM, Site, run, stop, text};

async fn inbox(site: &Site, arguments: &[&str]) -> Output {
    let config = site.path("host.toml");
    let command = ["--config", text(&config), "emulator", "inbox"];
    run(&[&command, arguments].concat()).await
}

fn said(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn complaint(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// Posts a report as the site's machine, as the deployed agent does.
async fn post(site: &Site, body: &str) {
    let line = "POST /machine/?comp=telemetrydata";
    let answer = site.ask(8081, line, body, None).await.unwrap();
    assert_eq!(answer.0, 200, "{answer:?}");
}

async fn put_log(site: &Site, body: &str) {
    let answer = site.ask(8082, "PUT /vmAgentLog", body, None).await.unwrap();
    assert_eq!(answer.0, 200, "{answer:?}");
}

#[tokio::test]
async fn posts_are_listed_with_their_numbers_and_each_can_be_shown() {
    let site = Site::new(31);
    let child = site.start().await;
    post(&site, "<Telemetry/>\u{1b}[2J").await;
    put_log(&site, &"x".repeat(5000)).await;
    let list = inbox(&site, &[]).await;
    assert!(list.status.success(), "{list:?}");
    let lines: Vec<_> = said(&list).lines().collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[0].starts_with("NUMBER  TIME "), "{lines:?}");
    let words: Vec<_> = lines[1].split_whitespace().collect();
    assert_eq!((words[0], &words[2..4]), ("1", &["web", "wireserver"][..]));
    assert!(lines[1].ends_with("16  POST /machine/?comp=telemetrydata"));
    let shown = inbox(&site, &["show", "1"]).await;
    assert!(shown.status.success(), "{shown:?}");
    assert!(
        said(&shown).ends_with("\n\n<Telemetry/>\\u{1b}[2J\n"),
        "{shown:?}"
    );
    let cut = inbox(&site, &["show", "2"]).await;
    assert!(said(&cut).contains("bytes:   5000, only the beginning is kept\n"));
    let missing = inbox(&site, &["show", "3"]).await;
    assert_eq!(missing.status.code(), Some(1));
    assert_eq!(
        complaint(&missing),
        "latchkey-host: post 3 is not in the inbox, which holds 1 to 2\n"
    );
    stop(child).await;
}

#[tokio::test]
async fn posts_are_filtered_and_told_as_json() {
    let site = Site::new(32);
    let child = site.start().await;
    post(&site, "a").await;
    put_log(&site, "b").await;
    let line = "POST /metadata/scheduledevents?api-version=2020-07-01";
    let approval = r#"{"StartRequests":[]}"#;
    let key = site.latch().await;
    let answer = site.ask(8080, line, approval, Some(&key)).await.unwrap();
    assert_eq!(answer.0, 200, "{answer:?}");
    let url = format!("http://{}:9420", site.address);
    let of = async |arguments: &[&str]| {
        let command = ["emulator", "inbox", "--admin", &url, "--format", "json"];
        let output = run(&[&command, arguments].concat()).await;
        assert!(output.status.success(), "{output:?}");
        let posts = said(&output).lines();
        let posts = posts.map(|line| serde_json::from_str::<Value>(line).unwrap());
        posts
            .map(|post| post["number"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(of(&[]).await, [1, 2, 3]);
    assert_eq!(of(&["--machine", "web"]).await, [1, 2, 3]);
    assert_eq!(of(&["--machine", "db"]).await, [0; 0]);
    assert_eq!(of(&["--endpoint", "hostga"]).await, [2]);
    assert_eq!(of(&["--endpoint", "imds"]).await, [3]);
    assert_eq!(of(&["show", "2"]).await, [2]);
    stop(child).await;
}

#[tokio::test]
async fn posts_are_followed_as_they_come_until_nobody_reads() {
    let site = Site::new(33);
    let child = site.start().await;
    post(&site, "first").await;
    let mut command = Command::new(PROGRAM);
    command.args([
        "emulator", "inbox", "--follow", "--format", "json", "--config",
    ]);
    command.arg(site.path("host.toml")).kill_on_drop(true);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut following = command.spawn().unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    let mut next = async || {
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
        let post: Value = serde_json::from_str(&line.unwrap().unwrap().unwrap()).unwrap();
        post["body"]["text"].as_str().unwrap().to_owned()
    };
    assert_eq!(next().await, "first");
    post(&site, "second").await;
    assert_eq!(next().await, "second");
    drop(lines);
    post(&site, "third").await;
    let ended = tokio::time::timeout(PATIENCE, following.wait()).await;
    let ended = ended.unwrap().unwrap();
    let mut complaint = String::new();
    let mut stderr = following.stderr.take().unwrap();
    stderr.read_to_string(&mut complaint).await.unwrap();
    assert!(
        ended.success() && complaint.is_empty(),
        "{ended}: {complaint}"
    );
    stop(child).await;
}

#[tokio::test]
async fn host_that_does_not_run_and_a_command_that_makes_no_sense_are_said() {
    let site = Site::new(34);
    let output = inbox(&site, &[]).await;
    assert_eq!(output.status.code(), Some(1));
    let expected = format!(
        "latchkey-host: latchkey-host does not answer at http://{}:9420: is it running,",
        site.address
    );
    assert!(complaint(&output).starts_with(&expected), "{output:?}");
    assert_eq!(said(&output), "", "no heading of nothing");
    let child = site.start().await;
    let elsewhere = format!("http://{}:8081", site.address);
    let foreign = run(&["emulator", "inbox", "--admin", &elsewhere]).await;
    assert_eq!(foreign.status.code(), Some(1));
    assert!(
        complaint(&foreign).contains("no admin interface"),
        "{foreign:?}"
    );
    for arguments in [
        &["emulator"][..],
        &["emulator", "inbox", "--admin", "ftp://x"],
        &["emulator", "inbox", "--endpoint", "dns"],
        &["emulator", "inbox", "--admin", "http://x", "--config", "/x"],
        &["emulator", "inbox", "show", "0"],
        &["--check-config", "emulator", "inbox"],
        &["--print-config", "emulator", "inbox"],
    ] {
        let output = run(arguments).await;
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {output:?}");
    }
    let missing = run(&["emulator", "inbox", "--config", "/no/such/file"]).await;
    assert_eq!(missing.status.code(), Some(1));
    stop(child).await;
}
