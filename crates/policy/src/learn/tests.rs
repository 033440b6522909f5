//! What becomes of parameters, units and doubtful grants.

use super::*;
use crate::learn::report::State;

fn sample<'a>(target: &'a str, executable: &'a str, unit: Option<&'a str>) -> Sample<'a> {
    Sample {
        time: None,
        endpoint: EndpointKind::Imds,
        method: "GET".into(),
        target: target.into(),
        caller: CallerSeen {
            user: Some("app".into()),
            executable: Some(executable.into()),
            unit: unit.map(Into::into),
            ..CallerSeen::default()
        },
        verdict: Verdict::Forwarded,
        status: Some(200),
        count: 2,
        source: Source::Audit,
    }
}

fn learn(samples: &[Sample<'_>]) -> Learned {
    let mut learner = Learner::new(Options::default());
    samples.iter().for_each(|sample| learner.push(sample));
    learner.finish()
}

const TOKEN: &str = "/metadata/identity/oauth2/token?resource=a";

#[test]
fn parameter_that_nothing_is_known_about_is_open_once_it_has_many_values() {
    let targets: Vec<_> = (0..9u8)
        .map(|at| format!("/x?mode={}", char::from(b'a' + at)))
        .collect();
    let samples: Vec<_> = targets
        .iter()
        .map(|target| sample(target, "/opt/a", None))
        .collect();
    let few = learn(&samples[..8]);
    assert_eq!(few.report.entries.len(), 8);
    let many = learn(&samples);
    let [entry] = many.report.entries.as_slice() else {
        panic!("{:?}", many.report.entries)
    };
    assert!(entry.privilege.query_parameters.is_none());
    assert_eq!(entry.open.first().unwrap().parameter, "mode");
}

#[test]
fn unit_with_one_program_names_it_and_one_with_several_does_not() {
    let unit = Some("app.service");
    let one = learn(&[sample("/x", "/opt/a", unit)]);
    let identity = &one.report.entries.first().unwrap().identity;
    assert_eq!(identity.exe_path.as_deref(), Some("/opt/a"));
    let two = learn(&[
        sample("/x", "/opt/a", unit),
        sample("/x", "/usr/bin/bash", unit),
    ]);
    let [entry] = two.report.entries.as_slice() else {
        panic!("{:?}", two.report.entries)
    };
    assert_eq!(entry.identity.systemd_unit.as_deref(), unit);
    assert_eq!(entry.identity.exe_path, None);
}

#[test]
fn rule_that_would_hold_for_a_caller_in_doubt_waits_with_it() {
    let mut traced = sample(TOKEN, "/opt/a", None);
    traced.caller.flags = vec![latchkey_protocol::Flag::Traced];
    // The unit's rule would hold for what ran from elsewhere in it.
    let unit = Some("app.service");
    let all = [
        sample(TOKEN, "/opt/a", unit),
        sample(TOKEN, "/opt/b", unit),
        sample(TOKEN, "/tmp/x", unit),
    ];
    let learned = learn(&all);
    let marked = learned
        .report
        .entries
        .iter()
        .filter(|entry| entry.marks.contains(&Mark::CoversUndecided));
    assert_eq!(marked.count(), 1);
    assert!(
        learned
            .report
            .entries
            .iter()
            .all(|entry| entry.state == State::NeedsDecision)
    );
    let learned = learn(&[sample(TOKEN, "/opt/a", None), traced]);
    assert!(
        learned
            .report
            .entries
            .iter()
            .all(|entry| entry.state == State::NeedsDecision)
    );
}

fn state(learned: &Learned, path: &str) -> Vec<State> {
    let entries = learned.report.entries.iter();
    let own = entries.filter(|entry| entry.privilege.path == path);
    own.map(|entry| entry.state).collect()
}

#[test]
fn token_rule_of_a_unit_waits_if_anything_doubtful_was_seen_in_it() {
    let unit = Some("app.service");
    let python = "/usr/bin/python3";
    let token = sample(TOKEN, python, unit);
    let path = "/metadata/identity/oauth2/token";
    assert_eq!(
        state(&learn(std::slice::from_ref(&token)), path),
        [State::Learned],
        "nothing doubtful"
    );
    let other = sample("/metadata/instance", "/tmp/x", unit);
    let mut refused = other.clone();
    refused.verdict = Verdict::Refused;
    let mut script = sample("/metadata/instance", python, unit);
    script.caller.script = Some(Script::Executed("/tmp/evil.py".into()));
    for doubtful in [other, refused, script] {
        let learned = learn(&[token.clone(), doubtful]);
        assert_eq!(state(&learned, path), [State::NeedsDecision]);
    }
    // What is not sensitive is not kept from the unit, and another unit is another matter.
    let elsewhere = sample("/metadata/instance", "/tmp/x", Some("other.service"));
    let harmless = sample("/metadata/instance", python, unit);
    let learned = learn(&[token, harmless, elsewhere]);
    assert_eq!(state(&learned, path), [State::Learned]);
}

#[test]
fn callers_whom_everybody_could_be_are_given_no_tokens() {
    for (user, executable) in [
        (None, "/opt/app"),
        (Some(""), "/opt/app"),
        (Some("undefined"), "/usr/bin/curl"),
        (Some("root"), "/usr/bin/curl"),
        (Some("root"), "/usr/bin/socat"),
        (Some("root"), "/usr/bin/python3.11-dbg"),
    ] {
        let mut asked = sample(TOKEN, executable, None);
        asked.caller.user = user.map(Into::into);
        let learned = learn(&[asked]);
        assert_eq!(
            state(&learned, "/metadata/identity/oauth2/token"),
            [State::NeedsDecision],
            "{user:?} {executable}"
        );
    }
}

#[test]
fn unit_without_a_users_name_keeps_its_executables_apart() {
    let unit = Some("app.service");
    let mut samples = [sample(TOKEN, "/opt/a", unit), sample(TOKEN, "/opt/b", unit)];
    for sample in &mut samples {
        sample.caller.user = None;
        sample.caller.uid = Some(999);
    }
    let learned = learn(&samples);
    let paths = learned.report.entries.iter();
    let paths: Vec<_> = paths
        .map(|entry| entry.identity.exe_path.as_deref())
        .collect();
    assert_eq!(paths, [Some("/opt/a"), Some("/opt/b")]);
}

#[test]
fn method_that_was_seen_once_where_tokens_are_needs_a_decision_of_its_own() {
    let mut often = sample(TOKEN, "/opt/a", None);
    often.count = 100;
    let mut once = sample(TOKEN, "/opt/a", None);
    (once.method, once.count) = ("POST".into(), 1);
    let alone = learn(&[often.clone()]);
    let learned = learn(&[often, once.clone()]);
    let rules: Vec<_> = learned.report.entries.iter().collect();
    let methods = |state: State| {
        let own = rules.iter().filter(|entry| entry.state == state);
        let methods = own.flat_map(|entry| entry.privilege.methods.clone().unwrap_or_default());
        methods.collect::<Vec<_>>()
    };
    assert_eq!(methods(State::Learned), ["GET"]);
    assert_eq!(methods(State::NeedsDecision), ["POST"]);
    let id = |learned: &Learned| learned.report.entries.first().unwrap().id.clone();
    assert_eq!(id(&learned), id(&alone), "the rule keeps its id");
    let mut get = once.clone();
    get.method = "GET".into();
    assert_eq!(
        state(&learn(&[get, once]), "/metadata/identity/oauth2/token"),
        [State::NeedsDecision],
        "two methods that were seen once are not seen often"
    );
}

#[test]
fn path_that_begins_with_an_id_or_is_another_endpoints_needs_a_decision() {
    for (target, mark) in [
        ("/0b1f6f4e-0000-4000-8000-000000000000/x", Mark::IdInPath),
        ("/machine/plugins", Mark::ForeignPath),
    ] {
        let learned = learn(&[sample(target, "/opt/a", None)]);
        let entry = learned.report.entries.first().unwrap();
        assert_eq!(entry.state, State::NeedsDecision, "{target}");
        assert!(entry.marks.contains(&mark), "{target}");
    }
}

#[test]
fn parameters_that_were_told_apart_no_more_are_named_as_open() {
    let targets: Vec<_> = (0..60u8).map(|at| format!("/x?mode=v{at}a")).collect();
    let samples: Vec<_> = targets
        .iter()
        .map(|target| sample(target, "/opt/a", None))
        .collect();
    let learned = learn(&samples);
    let [entry] = learned.report.entries.as_slice() else {
        panic!("{:?}", learned.report.entries)
    };
    assert!(entry.privilege.query_parameters.is_none());
    assert_eq!(entry.open.first().unwrap().parameter, "mode");
}

#[test]
fn what_could_be_a_secret_stands_in_no_profile_and_no_report() {
    let target = "/metadata/instance?access_token=eyJhbGci.eyJzdWI.c2ln&password=correct-horse-battery&sig=AbCdEfGhIjKlMnOpQr";
    let learned = learn(&[sample(target, "/opt/a", None)]);
    let text = format!("{learned:?}");
    assert!(
        !text.contains("correct-horse-battery") && !text.to_lowercase().contains("eyjzdwi"),
        "{text}"
    );
}

#[test]
fn long_values_are_bounded_by_their_bytes() {
    let value = "q".repeat(400);
    let targets = (0..2_500).flat_map(|at| {
        let value = &value;
        (0..8).map(move |part| format!("/p{at:04}?resource={part}{value}"))
    });
    let targets: Vec<_> = targets.collect();
    let samples: Vec<_> = targets
        .iter()
        .map(|target| sample(target, "/opt/a", None))
        .collect();
    let learned = learn(&samples);
    let report = &learned.report;
    let kept: u64 = report
        .entries
        .iter()
        .map(|entry| entry.evidence.count)
        .sum();
    assert!(report.entries.len() < 19_000, "{}", report.entries.len());
    assert_eq!(kept + report.overflow.requests, 40_000);
}

#[test]
fn path_above_tokens_is_never_opened_by_an_id_below_it() {
    let learned = learn(&[sample("/metadata/12", "/opt/a", None)]);
    let entry = learned.report.entries.first().unwrap();
    assert_eq!(entry.privilege.path, "/metadata");
    assert_eq!(entry.state, State::NeedsDecision);
    assert!(entry.marks.contains(&Mark::ReachesFurther));
}

#[test]
fn table_keeps_the_same_entries_in_any_order() {
    let targets: Vec<_> = (0..17_000).map(|at| format!("/p{at}")).collect();
    let mut samples: Vec<_> = targets
        .iter()
        .map(|target| sample(target, "/opt/a", None))
        .collect();
    let one = learn(&samples);
    samples.reverse();
    let other = learn(&samples);
    assert_eq!(one.report, other.report);
    assert!(one.report.overflow.requests > 0);
}
