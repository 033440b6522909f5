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
