//! Bytes that are no proper request, could be read in two ways, or are only unusual.
//!
//! Sent from inside guests through the real kernel and agent to the real host, and counted there:
//! nothing refused is heard of, nothing that two parsers could read differently is ever signed,
//! and each request has exactly one record, under the name of who sent it.

use std::time::Duration;

use latchkey_lab::GuestPlan;
use latchkey_lab::curl::Curl;
use latchkey_protocol::Reason;
use latchkey_protocol::request::MAX_BODY_BYTES;
use latchkey_record::AuditRecord;
use latchkey_record::audit::Outcome;
use latchkey_record::observation::SignatureFinding;

use crate::malformed;
use crate::raw::{Exchange, exchange};
use crate::world::{INSTANCE, TOKEN, World};

/// Both modes, each in a guest of its own.
fn both_modes() -> World {
    World::start([GuestPlan::enforce("enforce"), GuestPlan::audit("audit")])
}

/// A request of `app` that is allowed, whose connection then closes.
fn allowed(lines: &str) -> String {
    format!("GET {INSTANCE} HTTP/1.1\r\nHost: 169.254.169.254\r\nMetadata: true\r\n{lines}\r\n")
}

/// One record each, in the order of sending, all in the name of the user who sent.
#[track_caller]
fn assert_one_record_each(
    world: &World,
    guest: &str,
    user: &str,
    count: usize,
) -> Vec<AuditRecord> {
    let records = world.system.wait_for_audit(guest, count).unwrap();
    assert_eq!(records.len(), count);
    for record in &records {
        let caller = record.caller.as_ref().unwrap();
        assert_eq!(caller.user.as_deref(), Some(user), "{record:?}");
        assert!(caller.executable.as_deref().unwrap().contains("python3"));
    }
    records
}

#[test]
fn what_is_no_proper_request_is_refused_in_both_modes_and_the_host_hears_nothing() {
    let world = both_modes();
    let cases = malformed::cases();
    let sent: Vec<_> = cases
        .iter()
        .map(|(bytes, _)| Exchange::imds(&**bytes))
        .collect();
    for guest in ["enforce", "audit"] {
        let pid = world.system.agent_pid(guest).unwrap();
        let outcomes = exchange(&world, guest, "app", &sent);
        for ((bytes, reason), outcome) in cases.iter().zip(&outcomes) {
            let shown = malformed::shown(bytes);
            assert_eq!(outcome.statuses(), [reason.status()], "{guest}: {shown}");
            let answer = &outcome.answers[0];
            assert_eq!(answer.reason(), Some(reason.as_str()), "{guest}: {shown}");
            assert_eq!(answer.header("connection"), Some("close"), "{shown}");
            assert_eq!(outcome.end, "closed", "{guest}: {shown}");
        }
        let records = assert_one_record_each(&world, guest, "app", cases.len());
        for ((bytes, reason), record) in cases.iter().zip(&records) {
            let found = (record.outcome, record.reason, record.signed);
            let expected = (Outcome::Refused, Some(*reason), false);
            assert_eq!(found, expected, "{guest}: {}", malformed::shown(bytes));
        }
        assert_eq!(world.observed(guest), []);
        // The agent has survived all of it, and what it sends now is the first that the host hears.
        world.expect(guest, "app", &Curl::imds(INSTANCE), 200);
        assert_eq!(
            world.wait_for_observed(guest, 1)[0].signature,
            SignatureFinding::Valid
        );
        assert_eq!(world.system.agent_pid(guest).unwrap(), pid);
    }
    let counts = cases.len() + 1;
    world.end(&[("enforce", counts), ("audit", counts)]);
}

#[test]
fn host_refuses_the_same_bytes_by_itself() {
    let plans = [GuestPlan::enforce("enforce"), GuestPlan::audit("audit")];
    let world = World::start(plans.map(GuestPlan::without_agent));
    let cases = malformed::cases();
    let sent: Vec<_> = cases
        .iter()
        .map(|(bytes, _)| Exchange::imds(&**bytes))
        .collect();
    for guest in ["enforce", "audit"] {
        let outcomes = exchange(&world, guest, "app", &sent);
        for ((bytes, reason), outcome) in cases.iter().zip(&outcomes) {
            assert_eq!(
                outcome.statuses(),
                [reason.status()],
                "{guest}: {}",
                malformed::shown(bytes)
            );
            assert_eq!(outcome.answers[0].reason(), Some(reason.as_str()));
        }
        let observations = world.wait_for_observed(guest, cases.len());
        for ((_, reason), seen) in cases.iter().zip(&observations) {
            assert_eq!(
                (seen.reason, seen.accepted),
                (Some(*reason), false),
                "{seen:?}"
            );
        }
    }
    world.end_with_strays(&[], cases.len());
}

#[test]
fn what_could_be_read_in_two_ways_is_refused_in_enforce_and_travels_unsigned_in_audit() {
    let world = both_modes();
    let cases = malformed::ambiguous();
    let sent: Vec<_> = cases
        .iter()
        .map(|(bytes, _)| Exchange::imds(&**bytes))
        .collect();
    let outcomes = exchange(&world, "enforce", "app", &sent);
    let records = assert_one_record_each(&world, "enforce", "app", cases.len());
    for (((bytes, reason), outcome), record) in cases.iter().zip(&outcomes).zip(&records) {
        let shown = malformed::shown(bytes);
        assert_eq!(outcome.statuses(), [reason.status()], "{shown}");
        assert_eq!(
            outcome.answers[0].reason(),
            Some(reason.as_str()),
            "{shown}"
        );
        assert_eq!(
            (record.outcome, record.reason),
            (Outcome::Refused, Some(*reason))
        );
    }
    assert_eq!(world.observed("enforce"), []);
    let outcomes = exchange(&world, "audit", "app", &sent);
    let records = assert_one_record_each(&world, "audit", "app", cases.len());
    let observations = world.wait_for_observed("audit", cases.len());
    for (((bytes, reason), outcome), record) in cases.iter().zip(&outcomes).zip(&records) {
        let shown = malformed::shown(bytes);
        assert_eq!(outcome.answers.len(), 1, "{shown}: {outcome:?}");
        let found = (record.outcome, record.would_refuse, record.signed);
        assert_eq!(found, (Outcome::Forwarded, Some(*reason), false), "{shown}");
    }
    for (seen, record) in observations.iter().zip(&records) {
        assert_eq!(
            (seen.signature, seen.accepted),
            (SignatureFinding::Absent, true),
            "{seen:?}"
        );
        assert_eq!(seen.target, record.target, "it travels as received");
    }
    let count = cases.len();
    world.end(&[("enforce", count), ("audit", count)]);
}

#[test]
fn what_is_only_unusual_is_served_and_signed_in_both_modes() {
    let world = both_modes();
    let cases = malformed::unusual();
    let sent: Vec<_> = cases.iter().map(|(exchange, _)| exchange.clone()).collect();
    let is_final = |status: &&u16| **status >= 200;
    let requests: usize = cases
        .iter()
        .map(|(_, statuses)| statuses.iter().filter(is_final).count())
        .sum();
    for guest in ["enforce", "audit"] {
        let outcomes = exchange(&world, guest, "root", &sent);
        for ((sent, statuses), outcome) in cases.iter().zip(&outcomes) {
            assert_eq!(
                outcome.statuses(),
                *statuses,
                "{guest}: {sent:?}: {outcome:?}"
            );
            assert_eq!(outcome.end, "closed", "{guest}: {sent:?}");
        }
        for record in assert_one_record_each(&world, guest, "root", requests) {
            let found = (record.outcome, record.would_refuse, record.signed);
            assert_eq!(found, (Outcome::Forwarded, None, true), "{record:?}");
        }
        for seen in world.wait_for_observed(guest, requests) {
            assert_eq!(
                (seen.signature, seen.is_root),
                (SignatureFinding::Valid, Some(true)),
                "{seen:?}"
            );
        }
    }
    world.end(&[("enforce", requests), ("audit", requests)]);
}

#[test]
fn answer_to_head_has_the_length_and_no_body() {
    let world = World::start([GuestPlan::enforce("vm")]);
    let ask = |method: &str| {
        let text = allowed("Connection: close\r\n").replacen("GET", method, 1);
        exchange(&world, "vm", "app", &[Exchange::imds(text)]).remove(0)
    };
    let (head, get) = (ask("HEAD"), ask("GET"));
    assert_eq!((head.statuses(), get.statuses()), (vec![200], vec![200]));
    let length = |outcome: &crate::raw::Outcome| {
        outcome.answers[0]
            .header("content-length")
            .map(str::to_owned)
    };
    assert_eq!(length(&head), length(&get));
    assert_eq!(length(&get), Some(get.answers[0].body.len().to_string()));
    assert_eq!(head.answers[0].body, "");
    world.end(&[("vm", 2)]);
}

#[test]
fn nothing_behind_a_refused_request_is_served() {
    let world = World::start([GuestPlan::enforce("vm")]);
    let forbidden = allowed("").replacen(INSTANCE, "/metadata/versions", 1);
    let smuggler = format!(
        "POST {INSTANCE} HTTP/1.1\r\nHost: 169.254.169.254\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    );
    let too_large = format!(
        "POST {INSTANCE} HTTP/1.1\r\nHost: 169.254.169.254\r\nContent-Length: {}\r\n\r\n",
        MAX_BODY_BYTES + 1
    );
    let refused = [(forbidden, 403), (smuggler, 400), (too_large, 413)];
    let behind = allowed("").replacen(INSTANCE, TOKEN, 1);
    for (refused, status) in &refused {
        let bytes = format!("{}{refused}{behind}{behind}", allowed(""));
        let outcome = exchange(&world, "vm", "app", &[Exchange::imds(bytes)]).remove(0);
        assert_eq!(outcome.statuses(), [200, *status], "{refused}");
        assert_eq!(outcome.end, "closed");
    }
    let seen = world.wait_for_observed("vm", refused.len());
    assert!(
        seen.iter()
            .all(|seen| seen.target.as_deref() == Some(INSTANCE)),
        "{seen:?}"
    );
    world.end(&[("vm", 2 * refused.len())]);
}

#[test]
fn slow_client_is_let_go_and_keeps_nobody_waiting() {
    let patience = Duration::from_millis(800);
    let world = World::start([GuestPlan::enforce("vm").with_patience(patience)]);
    let drip = Duration::from_millis(100);
    let head = allowed("");
    let body = format!(
        "POST {INSTANCE} HTTP/1.1\r\nHost: 169.254.169.254\r\nContent-Length: 9\r\n\r\nhalf"
    );
    let slow = [
        Exchange::imds(head).byte_by_byte(drip),
        Exchange::imds(body),
    ];
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| exchange(&world, "vm", "app", &slow));
        while !slow.is_finished() {
            world.expect("vm", "www", &Curl::imds(INSTANCE), 200);
        }
        for outcome in slow.join().unwrap() {
            assert_eq!(outcome.statuses(), [408], "{outcome:?}");
            assert_eq!(outcome.answers[0].reason(), Some("request_timeout"));
        }
    });
    let served = world.observed("vm").len();
    let records = world.system.wait_for_audit("vm", served + 2).unwrap();
    let refused = records
        .iter()
        .filter(|record| record.outcome == Outcome::Refused);
    let refused: Vec<_> = refused
        .map(|record| (record.reason, record.caller.as_ref().unwrap().uid))
        .collect();
    assert_eq!(refused, [(Some(Reason::RequestTimeout), 1001); 2]);
    world.end(&[("vm", served + 2)]);
}

#[test]
fn client_that_goes_away_in_the_middle_leaves_one_abandoned_record_and_nothing_at_the_host() {
    let world = World::start([GuestPlan::enforce("vm")]);
    let post = |rest: &str| format!("POST {INSTANCE} HTTP/1.1\r\nHost: 169.254.169.254\r\n{rest}");
    let sent = [
        "GET /metad".to_owned(),
        post("Content-Length: 9\r\n\r\nhalf"),
        post("Transfer-Encoding: chunked\r\n\r\n9\r\nhalf"),
        post("Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"),
    ]
    .map(|bytes| Exchange::imds(bytes).cut());
    for outcome in exchange(&world, "vm", "app", &sent) {
        assert_eq!((outcome.answers.len(), outcome.end.as_str()), (0, "closed"));
    }
    for record in assert_one_record_each(&world, "vm", "app", sent.len()) {
        let found = (record.outcome, record.signed, record.status);
        assert_eq!(found, (Outcome::Abandoned, false, None));
    }
    assert_eq!(world.observed("vm"), []);
    world.end(&[("vm", sent.len())]);
}
