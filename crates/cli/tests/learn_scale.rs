//! How much memory and time `latchkey learn` takes for a long audit trail, made here and piped to it.
//!
//! `LATCHKEY_LEARN_RECORDS=10000000` with a release build is the measurement of docs/guide/learn.md; by
//! default there are few records, and the bound on memory is the same.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests; a failure is the test's"
)]

use std::io::{BufWriter, Write as _};
use std::process::{Command, Stdio};
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use serde_json::Value;

#[path = "../../policy/benches/learn/record.rs"]
mod record;

use record::record;

const DEFAULT_RECORDS: usize = 50_000;

/// How many different records there are: more than any cache holds.
const DIFFERENT: usize = 40_000;

/// What 10 million records may take.
const MAX_KIB: i64 = 256 * 1024;

/// Returns a record of the deployed agent.
fn deployed(at: usize, target: &str) -> String {
    format!(
        "{{\"id\":{at},\"method\":\"GET\",\"url\":\"{target}\",\"ip\":\"169.254.169.254\",\"port\":80,\
         \"userName\":\"u\",\"userGroups\":[],\"processFullPath\":\"/opt/app\",\"processCmdLine\":\"x\",\
         \"runAsElevated\":false,\"responseStatus\":\"200 OK\"}}\n"
    )
}

/// Learns from records, and returns the answer.
fn learned(records: impl Iterator<Item = String>) -> Value {
    let mut child = Command::new(env!("CARGO_BIN_EXE_latchkey"))
        .args(["learn", "--format", "json", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = BufWriter::with_capacity(1 << 20, child.stdin.take().unwrap());
    for record in records {
        input.write_all(record.as_bytes()).unwrap();
    }
    drop(input.into_inner().unwrap());
    let output = child.wait_with_output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

/// SECURITY: whoever can ask writes paths and values; a rule for each must not take the machine down.
#[test]
fn memory_is_bounded_whatever_is_asked_for() {
    let value = "q".repeat(560);
    let records = (0..20_000).map(|at| {
        let (path, part) = (at / 32, at % 32);
        deployed(at, &format!("/m/p{path:05}?resource={part}-{value}"))
    });
    let answer = learned(records);
    let peak = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss();
    eprintln!(
        "{peak} KiB, {} entries",
        answer["entries"].as_array().unwrap().len()
    );
    assert_eq!(answer["requests"], 20_000);
    assert!(answer["overflow"]["requests"].as_u64() > Some(0));
    assert!(peak < MAX_KIB, "{peak} KiB");
}

#[test]
fn time_grows_with_the_rules_that_wait_and_not_with_their_square() {
    let seconds = || {
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
        let times = [usage.user_time(), usage.system_time()];
        times
            .map(|time| time.num_microseconds())
            .iter()
            .sum::<i64>()
    };
    let records = |paths: usize| {
        (0..paths * 20).map(|at| {
            let (path, part) = (at / 20, at % 20);
            let above = if part % 2 == 0 {
                "m"
            } else {
                "metadata/identity"
            };
            deployed(at, &format!("/{above}/p{path:05}?resource={part}"))
        })
    };
    let before = seconds();
    learned(records(85));
    let few = seconds() - before;
    let before = seconds();
    learned(records(850));
    let many = seconds() - before;
    eprintln!("{few} µs of processor time, {many} µs for ten times as many");
    assert!(many < 25 * few, "{few} µs, {many} µs");
}

#[test]
fn long_trail_is_learned_in_bounded_memory() {
    let records = std::env::var("LATCHKEY_LEARN_RECORDS")
        .map_or(DEFAULT_RECORDS, |text| text.parse().unwrap());
    let different: Vec<String> = (0..DIFFERENT).map(record).collect();
    let unnumbered = different
        .iter()
        .map(|record| record.split_once(",\"run\":").unwrap().1);
    let unnumbered: Vec<_> = unnumbered.collect();
    let mut child = Command::new(env!("CARGO_BIN_EXE_latchkey"))
        .args(["learn", "--format", "json", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let began = Instant::now();
    let mut input = BufWriter::with_capacity(1 << 20, child.stdin.take().unwrap());
    for at in 0..records {
        // A number that comes again would be a record that is read twice.
        let rest = unnumbered[at % DIFFERENT];
        write!(input, "{{\"version\":1,\"sequence\":{at},\"run\":{rest}").unwrap();
    }
    drop(input.into_inner().unwrap());
    let output = child.wait_with_output().unwrap();
    let seconds = began.elapsed().as_secs_f64();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let peak = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss();
    let bytes = answer["input"]["bytes"].as_f64().unwrap();
    eprintln!(
        "{records} records, {:.0} MB in {seconds:.1} s: {:.0} MB/s, {} KiB at most",
        bytes / 1e6,
        bytes / 1e6 / seconds,
        peak
    );
    assert_eq!(
        answer["input"]["requests"].as_u64(),
        u64::try_from(records).ok()
    );
    assert_eq!(answer["requests"], answer["input"]["requests"]);
    assert!(peak < MAX_KIB, "{peak} KiB");
}

/// One record that does not end, in each form of input.
#[test]
fn record_without_an_end_is_learned_in_bounded_memory() {
    for start in [
        "[\"",
        "{\n\"message\": \"",
        "{\"tables\":[{\"columns\":[\"",
        "{\"tables\":[{\"rows\":[[\"",
        "RawData,Computer\nx",
        "RawData,Computer\n\"",
        "RawData,",
    ] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_latchkey"))
            .args(["learn", "--format", "json", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(start.as_bytes()).unwrap();
        let part = vec![b'a'; 1 << 20];
        // The program may end before it has read all.
        let written = (0..300).take_while(|_| input.write_all(&part).is_ok());
        let written = written.count();
        drop(input);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{start}");
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        let unread = &answer["input"]["unread"][0];
        assert_eq!(unread["why"], "longer than 1 MiB", "{start}: {answer}");
        assert_eq!(answer["input"]["brokenOff"], serde_json::json!(["-"]));
        assert!(written > 0);
    }
    let peak = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss();
    assert!(peak < MAX_KIB / 4, "{peak} KiB");
}
