//! What candidates and the rules in force answer, and what a record has to hold to be asked about.

use latchkey_protocol::{Attributes, Elevation};
use latchkey_record::audit::Outcome;
use latchkey_record::{AuditRecord, CallerRecord};

use super::*;

fn item(mode: &str, user: &str) -> AuthorizationItem {
    let text = format!(
        r#"{{"defaultAccess":"Deny","mode":"{mode}","id":"1","rules":{{
            "privileges":[{{"name":"p","path":"/a"}}],"roles":[{{"name":"r","privileges":["p"]}}],
            "identities":[{{"name":"i","userName":"{user}"}}],
            "roleAssignments":[{{"role":"r","identities":["i"]}}]}}}}"#
    );
    serde_json::from_str(&text).unwrap()
}

fn profiles(item: &AuthorizationItem) -> Profiles {
    let mut profiles = Profiles::default();
    profiles.insert(EndpointKind::Imds, item).unwrap();
    profiles
}

fn question(user: &str) -> Question {
    Question {
        endpoint: EndpointKind::Imds,
        method: "GET".to_owned(),
        target: b"/a/b".to_vec(),
        caller: Caller {
            elevation: Elevation::Unprivileged,
            attributes: Ok(Attributes {
                user_name: Some(user.to_owned()),
                ..Attributes::default()
            }),
        },
        objection: None,
    }
}

fn answered(profiles: Profiles, question: &Question) -> Option<(Verdict, Option<Reason>)> {
    let mut simulator = Simulator::new(profiles, Profiles::default());
    let judged = simulator.judge(question, Timestamp::UNIX_EPOCH);
    let answer = judged.candidate?;
    Some((answer.verdict, answer.reason))
}

#[test]
fn candidate_and_current_answer_the_same_question() {
    let (candidate, current) = (item("Enforce", "alice"), item("Enforce", "bob"));
    let mut simulator = Simulator::new(profiles(&candidate), profiles(&current));
    for (user, change) in [
        ("alice", Some(Change::NewAllow)),
        ("bob", Some(Change::NewDeny)),
        ("carol", None),
    ] {
        let judged = simulator.judge(&question(user), Timestamp::UNIX_EPOCH);
        let (after, before) = (&judged.candidate, &judged.current);
        let (after, before) = (after.as_ref().unwrap(), before.as_ref().unwrap());
        assert_eq!(Change::between(before.verdict, after.verdict), change);
    }
}

#[test]
fn endpoint_without_a_profile_has_no_answer() {
    for endpoint in [EndpointKind::WireServer, EndpointKind::HostGa] {
        let question = Question {
            endpoint,
            ..question("alice")
        };
        let imds = profiles(&item("Enforce", "alice"));
        assert_eq!(answered(imds, &question), None);
    }
    let mut wire = Profiles::default();
    wire.insert(EndpointKind::WireServer, &item("Enforce", "alice"))
        .unwrap();
    let question = Question {
        endpoint: EndpointKind::HostGa,
        ..question("alice")
    };
    assert!(answered(wire, &question).is_some());
}

#[test]
fn what_was_wrong_with_headers_is_wrong_again_under_its_own_name() {
    let question = Question {
        objection: Some(Reason::RepeatedHeader),
        ..question("alice")
    };
    for (mode, verdict) in [("Enforce", Verdict::Deny), ("Audit", Verdict::Audit)] {
        let answer = answered(profiles(&item(mode, "alice")), &question);
        assert_eq!(answer, Some((verdict, Some(Reason::RepeatedHeader))));
    }
}

fn record() -> AuditRecord {
    let caller = r#"{"pid":1,"startTimeNs":1,"uid":0,"gid":0,"euid":7,"egid":8,"root":false,
        "user":"alice","groups":["g"],"executable":"/x","comm":"x","cgroup":1,
        "script":"relative","flags":["traced"],"unknownFlags":["preloaded"]}"#;
    let caller: CallerRecord = serde_json::from_str(caller).unwrap();
    let text = format!(
        r#"{{"version":1,"sequence":1,"run":"r","time":"2026-01-01T00:00:00Z","durationUs":1,
        "endpoint":"imds","kind":"imds","destination":"d","method":"GET","target":"/a",
        "caller":{},"mode":"Enforce","rules":"1","rule":"default","outcome":"forwarded",
        "reason":null,"wouldRefuse":null,"signed":true,"status":200}}"#,
        serde_json::to_string(&caller).unwrap()
    );
    serde_json::from_str(&text).unwrap()
}

#[test]
fn recorded_caller_is_the_one_that_rules_saw() {
    let recorded = Recorded::try_from(record()).unwrap();
    let attributes = recorded.question.caller.attributes.unwrap();
    assert_eq!((attributes.uid, attributes.gid), (Some(7), Some(8)));
    assert_eq!(attributes.script_path, None);
    let flags = attributes.flags;
    assert_eq!(flags.unknown().count(), 1);
    assert_eq!(flags.set().count(), 1);
}

#[test]
fn recorded_verdict_is_what_the_rules_said_and_nothing_else() {
    type Change = fn(&mut AuditRecord);
    let cases: [(Change, Option<Verdict>); 8] = [
        (|_| {}, Some(Verdict::Allow)),
        (
            |r| r.would_refuse = Some(Reason::NoMatchingRule),
            Some(Verdict::Audit),
        ),
        (|r| r.would_refuse = Some(Reason::RulesPending), None),
        (
            |r| (r.outcome, r.reason) = (Outcome::Refused, Some(Reason::CallerNotAssigned)),
            Some(Verdict::Deny),
        ),
        (
            |r| (r.outcome, r.reason) = (Outcome::Refused, Some(Reason::AuditQueueFull)),
            None,
        ),
        (
            |r| (r.outcome, r.reason) = (Outcome::Failed, Some(Reason::UpstreamTimeout)),
            Some(Verdict::Allow),
        ),
        (|r| r.outcome = Outcome::Abandoned, Some(Verdict::Allow)),
        (|r| (r.outcome, r.rule) = (Outcome::Abandoned, None), None),
    ];
    for (at, (change, expected)) in cases.into_iter().enumerate() {
        let mut record = record();
        change(&mut record);
        assert_eq!(
            Recorded::try_from(record).unwrap().verdict,
            expected,
            "{at}"
        );
    }
}

#[test]
fn record_that_lacks_something_says_what() {
    type Change = fn(&mut AuditRecord);
    let cases: [(Change, RecordedError); 5] = [
        (|r| r.caller = None, RecordedError::NoCaller),
        (|r| r.kind = None, RecordedError::NoEndpoint),
        (|r| r.target = None, RecordedError::NoRequest),
        (|r| r.version = 2, RecordedError::OtherVersion(2)),
        (
            |r| r.target = Some("/".repeat(1024)),
            RecordedError::ShortenedTarget,
        ),
    ];
    for (change, expected) in cases {
        let mut record = record();
        change(&mut record);
        assert_eq!(Recorded::try_from(record), Err(expected));
    }
}

#[test]
fn tally_tells_callers_apart_up_to_a_bound() {
    let deny = Answer {
        verdict: Verdict::Deny,
        reason: Some(Reason::NoMatchingRule),
        rule: None,
    };
    let mut tally = Tally::default();
    for at in 0..5000 {
        let caller = format!("u{}", at % 4500);
        tally.add((EndpointKind::Imds, &caller), &deny, None, String::new);
    }
    assert_eq!(tally.groups.len(), 4096);
    assert_eq!(tally.requests(), 5000);
    let grouped: u64 = tally.groups.values().map(|group| group.requests).sum();
    assert_eq!(grouped + tally.ungrouped, 5000);
    assert_eq!(tally.groups["u0"].findings.len(), 1);
}
