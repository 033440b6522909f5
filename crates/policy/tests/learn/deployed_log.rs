//! A log of the deployed agent's form, made for this test, with what a generator trips over: random ids
//! in paths, lists of groups, values that differ each time, endpoints mixed, records that break off,
//! quotes, line ends, one name at two paths, callers to be suspicious of, and a sampled request.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use latchkey_policy::learn::read::{Assembler, Line, read_line};
use latchkey_policy::learn::report::State;
use latchkey_policy::learn::{CallerSeen, Learned, Learner, Mark, Options, Sample};
use latchkey_protocol::EndpointKind;
use latchkey_protocol::authorization::AuthorizationItem;
use serde_json::{Value, json};

use crate::asked::allows;

const LOG: &[u8] = include_bytes!("../../testdata/learn/ProxyAgent.Connection.log");

/// What the log was read as.
#[derive(Default)]
struct Read {
    samples: Vec<Sample<'static>>,
    other: BTreeMap<String, usize>,
}

fn read() -> Read {
    let mut read = Read::default();
    let mut assembler = Assembler::default();
    for line in LOG.split(|byte| *byte == b'\n') {
        let kind = match assembler.take(read_line(line)) {
            Line::Sample(sample, _) => {
                read.samples.push(sample.into_owned());
                continue;
            }
            Line::Unread(why) => why.says().to_owned(),
            other @ (Line::Blank | Line::Duplicate | Line::Note) => format!("{other:?}"),
            other @ (Line::Caller(_) | Line::Trace(_)) => panic!("{other:?}"),
        };
        *read.other.entry(kind).or_default() += 1;
    }
    read
}

pub(crate) fn learned(options: Options) -> Learned {
    let mut learner = Learner::new(options);
    read()
        .samples
        .iter()
        .for_each(|sample| learner.push(sample));
    learner.finish()
}

pub(crate) fn profile(learned: &Learned, endpoint: EndpointKind) -> &AuthorizationItem {
    let found = learned.profiles.iter().find(|own| own.endpoint == endpoint);
    &found.unwrap().item
}

pub(crate) fn caller(user: &'static str, executable: &'static str) -> CallerSeen<'static> {
    CallerSeen {
        user: Some(user.into()),
        executable: Some(executable.into()),
        root: user == "root",
        ..CallerSeen::default()
    }
}

#[test]
fn every_line_is_a_request_or_counted() {
    let read = read();
    assert_eq!(read.samples.len(), 49);
    let counts: Vec<_> = read
        .other
        .iter()
        .map(|(kind, count)| (kind.as_str(), *count))
        .collect();
    assert_eq!(
        counts,
        [
            ("Blank", 2),
            ("Duplicate", 1),
            ("JSON of another kind", 1),
            ("JSON that breaks off or has other types", 2),
            ("Note", 13),
            ("a request to no known endpoint", 1),
            ("no record in it", 1),
            ("not UTF-8", 1),
        ]
    );
    let lines = LOG.split(|byte| *byte == b'\n').count();
    assert_eq!(
        lines,
        read.samples.len() + read.other.values().sum::<usize>()
    );
}

/// Set `LATCHKEY_BLESS` to write the golden file anew.
#[test]
fn log_gives_the_profiles_and_the_report_that_were_read_and_found_right() {
    let learned = learned(Options::default());
    let profiles: Value = learned
        .profiles
        .iter()
        .map(|own| (own.endpoint.to_string(), json!(own.item)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let golden = json!({ "profiles": profiles, "report": learned.report });
    let text = serde_json::to_string_pretty(&golden).unwrap() + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/learn/learned.json");
    if std::env::var_os("LATCHKEY_BLESS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn learned_profiles_allow_what_was_seen_and_refuse_its_neighbours() {
    let learned = learned(Options::default());
    let imds = profile(&learned, EndpointKind::Imds);
    let wire_server = profile(&learned, EndpointKind::WireServer);
    let app = caller("svc-app", "/opt/app/bin/app");
    let root = caller("root", "/usr/sbin/azure-guestd");
    let asked = |target: &str, caller: &CallerSeen<'_>| {
        allows(imds, EndpointKind::Imds, ("GET", target), caller)
    };
    let wire = |method, target: &str, caller: &CallerSeen<'_>| {
        allows(
            wire_server,
            EndpointKind::WireServer,
            (method, target),
            caller,
        )
    };
    let token = "/metadata/identity/oauth2/token?api-version=";
    for target in [
        "2018-02-01&resource=https://vault.azure.net",
        "2027-01-01&resource=https%3A%2F%2Fstorage.azure.com%2F",
    ] {
        assert!(asked(&format!("{token}{target}"), &app), "{target}");
    }
    assert!(asked(
        "/metadata/instance?api-version=2030-01-01&trace=0000000000000001",
        &app
    ));
    for target in [
        "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://management.azure.com",
        "/metadata/identity/oauth2/token?api-version=2018-02-01",
        "/metadata/attested/document?api-version=2018-02-01",
        "/metadata/instancex",
        "/",
    ] {
        assert!(!asked(target, &app), "{target}");
    }
    // The same file name at another path is another caller.
    let other = caller("svc-app", "/opt/other/app");
    assert!(asked(
        "/metadata/instance/network?api-version=2021-02-01",
        &other
    ));
    assert!(!asked(
        &format!("{token}2018-02-01&resource=https://vault.azure.net"),
        &other
    ));
    // A container of tomorrow, an operation that was seen, and one that was not.
    let tomorrow = "/machine/99999999-5d3a-4b3d-9c7b-000000000009/_vm_9?incarnation=9&comp=";
    assert!(wire("GET", &format!("{tomorrow}certificates"), &root));
    assert!(wire(
        "GET",
        &format!("{tomorrow}config&type=sharedConfig"),
        &root
    ));
    assert!(!wire(
        "GET",
        &format!("{tomorrow}config&type=fullConfig"),
        &root
    ));
    assert!(!wire("GET", "/machine/?comp=package", &root));
    assert!(wire("GET", "/machine/?comp=goalstate", &root));
    assert!(allows(
        wire_server,
        EndpointKind::HostGa,
        ("PUT", "/status"),
        &root
    ));
    assert!(!wire(
        "GET",
        "/machine/?comp=goalstate",
        &caller("root", "/tmp/azure-guestd")
    ));
}

#[test]
fn tokens_for_callers_in_doubt_wait_for_a_decision() {
    let options = Options::default();
    let learned_first = learned(options.clone());
    let waiting: Vec<_> = learned_first
        .report
        .entries
        .iter()
        .filter(|entry| entry.state == State::NeedsDecision)
        .collect();
    let marks = |executable: &str| {
        let entry = waiting.iter().find(|entry| {
            entry.identity.exe_path.as_deref() == Some(executable)
                && entry.marks.contains(&Mark::Sensitive)
        });
        entry.unwrap().marks.clone()
    };
    assert!(marks("/usr/bin/curl").contains(&Mark::SeenOnce));
    assert!(marks("/tmp/.x/helper").contains(&Mark::WorldWritable));
    let target = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://management.azure.com";
    let helper = caller("bob", "/tmp/.x/helper");
    let ask = |learned: &Learned| {
        allows(
            profile(learned, EndpointKind::Imds),
            EndpointKind::Imds,
            ("GET", target),
            &helper,
        )
    };
    assert!(!ask(&learned_first));
    let id = waiting
        .iter()
        .find(|entry| entry.identity.exe_path.as_deref() == Some("/tmp/.x/helper"));
    let accepting = Options {
        accept: [id.unwrap().id.clone()].into(),
        ..options
    };
    assert!(ask(&learned(accepting)));
}
