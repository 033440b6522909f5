//! Records for the tests of this command.

use std::sync::Arc;

use jiff::Timestamp;
use latchkey_protocol::{EndpointKind, Mode};
use latchkey_record::audit::{AUDIT_VERSION, Outcome};
use latchkey_record::{AuditRecord, CallerRecord};

/// Returns the time so many seconds after some moment.
pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// Returns the record of a request of this user that was allowed and forwarded.
pub(super) fn record(sequence: u64, user: &str, second: i64) -> AuditRecord {
    let caller = CallerRecord {
        pid: 7,
        user: Some(user.to_owned()),
        executable: Some("/usr/bin/curl".to_owned()),
        comm: "curl".to_owned(),
        ..CallerRecord::default()
    };
    AuditRecord {
        version: AUDIT_VERSION,
        sequence,
        run: "run".to_owned(),
        time: at(second),
        duration_us: 1,
        endpoint: Some(Arc::from("imds")),
        kind: Some(EndpointKind::Imds),
        destination: Some(Arc::from("169.254.169.254:80")),
        method: Some("GET".to_owned()),
        target: Some("/metadata/instance".to_owned()),
        caller: Some(Arc::new(caller)),
        mode: Some(Mode::Enforce),
        rules: Some("1".to_owned()),
        rule: Some("privilege `p` for identity `i`".to_owned()),
        outcome: Outcome::Forwarded,
        reason: None,
        would_refuse: None,
        signed: true,
        status: Some(200),
    }
}
