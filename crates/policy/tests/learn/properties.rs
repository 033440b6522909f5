//! Properties of every learned profile, on random samples from a small world.

use std::collections::BTreeSet;

use jiff::Timestamp;
use latchkey_policy::learn::read::{Assembler, read_line};
use latchkey_policy::learn::report::State;
use latchkey_policy::learn::{
    CallerSeen, Learned, Learner, Mark, Options, Sample, Script, Source, Verdict, is_sensitive,
};
use latchkey_policy::lint::{Context, Severity};
use latchkey_policy::{RuleSet, lint};
use latchkey_protocol::target::CanonicalTarget;
use latchkey_protocol::{EndpointKind, Flag};
use proptest::prelude::*;

use crate::asked::allows;

fn endpoint() -> impl Strategy<Value = EndpointKind> {
    prop_oneof![
        3 => Just(EndpointKind::Imds),
        1 => Just(EndpointKind::WireServer),
        1 => Just(EndpointKind::HostGa),
    ]
}

fn target() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("/metadata/identity/oauth2/token?resource=a".to_owned()),
        "/metadata/identity/oauth2/token\\?resource=[a-c]&api-version=201[0-9]-02-01",
        Just("/metadata/instance?api-version=2021-02-01".to_owned()),
        "/Metadata/(instance|identity|attested)/[0-9]{1,3}(/x)?/?",
        "/machine/?\\?comp=(goalstate|health|certificates)",
        "/machine/[0-9a-f]{8}-1111-2222-3333-[0-9a-f]{12}/_a\\?comp=config&type=[a-z]&incarnation=[0-9]",
        "/(latest|[0-9]{4}-01-01)/meta-data/(iam|ram|[0-9]{2})/x",
        "/x\\?[ab]=([a-z]{1,2}|%25|%3b|[0-9]{4})&c=[a-z%]{0,3}",
        "/[a-z0-9.;%/]{0,8}(\\?[a-z&=%]{0,6})?",
    ]
}

fn caller() -> impl Strategy<Value = CallerSeen<'static>> {
    let user = prop::option::weighted(
        0.9,
        prop_oneof![Just("root"), Just("alice"), Just(""), Just("undefined")],
    );
    let executable = prop::option::weighted(
        0.9,
        prop_oneof![
            Just("/usr/bin/curl"),
            Just("/usr/sbin/nginx"),
            Just("/opt/app"),
            Just("/usr/bin/python3"),
            Just("/tmp/x"),
            Just("/usr/bin/gone (deleted)"),
            Just("relative/x"),
        ],
    );
    let unit = prop::option::of(prop_oneof![Just("app.service"), Just("session-1.scope")]);
    let script = prop::option::of(prop_oneof![
        Just(Script::Executed("/opt/s.py".into())),
        Just(Script::Guessed("/opt/s.py".into())),
        Just(Script::Executed("s.py".into())),
    ]);
    let flags = prop_oneof![4 => Just(vec![]), 1 => Just(vec![Flag::Traced])];
    let uid = prop::option::weighted(0.7, Just(()));
    (user, executable, unit, script, flags, any::<bool>(), uid).prop_map(
        |(user, executable, unit, script, flags, root, uid)| CallerSeen {
            user: user.map(Into::into),
            uid: uid.map(|()| u32::from(!root)),
            root,
            executable: executable.map(Into::into),
            unit: unit.map(Into::into),
            script,
            flags,
        },
    )
}

fn sample() -> impl Strategy<Value = Sample<'static>> {
    let verdict = prop_oneof![
        8 => Just(Verdict::Forwarded),
        1 => Just(Verdict::Withheld),
        1 => Just(Verdict::Refused),
        1 => Just(Verdict::Failed),
    ];
    let status = prop_oneof![8 => Just(Some(200)), 1 => Just(Some(404)), 1 => Just(None)];
    let method = prop_oneof![4 => Just("GET"), 1 => Just("PUT"), 1 => Just("TRACE")];
    let time = (0i64..2_000_000).prop_map(|second| Timestamp::from_second(second).unwrap());
    (
        endpoint(),
        target(),
        caller(),
        verdict,
        status,
        method,
        time,
        1u64..3,
    )
        .prop_map(
            |(endpoint, target, caller, verdict, status, method, time, count)| Sample {
                time: Some(time),
                endpoint,
                method: method.into(),
                target: target.into(),
                caller,
                verdict,
                status,
                count,
                source: Source::Audit,
            },
        )
}

fn learn(samples: &[Sample<'_>], options: Options) -> Learned {
    let mut learner = Learner::new(options);
    samples.iter().for_each(|sample| learner.push(sample));
    assert!(learner.held() <= Learner::held_at_most());
    learner.finish()
}

fn accepting(learned: &Learned) -> Options {
    let ids = learned.report.entries.iter().map(|entry| entry.id.clone());
    Options {
        accept: ids.collect(),
        ..Options::default()
    }
}

/// Returns whether a sample came through and its caller can be selected, read without the learner.
fn is_usable(sample: &Sample<'_>) -> bool {
    let came_through = matches!(sample.verdict, Verdict::Forwarded | Verdict::Withheld)
        && sample.status == Some(200)
        && sample.method != "TRACE";
    let may_ask = sample.caller.root || sample.endpoint == EndpointKind::Imds;
    let target = CanonicalTarget::parse(&sample.target);
    let caller = as_ruled(sample);
    let is_somebody = matches!(caller.user.as_deref(), Some("root" | "alice"))
        || caller.uid.is_some()
        || caller.executable.is_some()
        || caller.unit.as_deref() == Some("app.service");
    came_through
        && may_ask
        && is_somebody
        && target.is_ok_and(|target| target.path().starts_with('/'))
}

/// Returns the caller as the rules see it: a path that does not lead to the executable is none.
fn as_ruled(sample: &Sample<'_>) -> CallerSeen<'static> {
    let mut caller = sample.caller.clone().into_owned();
    let is_path = |path: &str| path.starts_with('/') && !path.ends_with(" (deleted)");
    caller.executable = caller.executable.filter(|path| is_path(path));
    caller
}

fn allowed(learned: &Learned, sample: &Sample<'_>) -> bool {
    let kind = match sample.endpoint {
        EndpointKind::Imds => EndpointKind::Imds,
        EndpointKind::WireServer | EndpointKind::HostGa => EndpointKind::WireServer,
    };
    learned
        .profiles
        .iter()
        .filter(|own| own.endpoint == kind)
        .any(|own| {
            let line = (&*sample.method, &*sample.target);
            allows(&own.item, sample.endpoint, line, &as_ruled(sample))
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn accepted_profile_compiles_and_allows_every_sample_it_was_learned_from(
        samples in prop::collection::vec(sample(), 1..40),
    ) {
        let first = learn(&samples, Options::default());
        let whole = learn(&samples, accepting(&first));
        prop_assert!(whole.report.unknown_ids.is_empty());
        for own in first.profiles.iter().chain(&whole.profiles) {
            prop_assert!(RuleSet::compile(&own.item).is_ok(), "{:?}", RuleSet::compile(&own.item));
        }
        for sample in samples.iter().filter(|sample| is_usable(sample)) {
            prop_assert!(allowed(&whole, sample), "{sample:?}");
        }
    }

    #[test]
    fn nothing_sensitive_is_given_to_a_caller_who_needs_a_decision(
        samples in prop::collection::vec(sample(), 1..40),
    ) {
        let learned = learn(&samples, Options::default());
        for sample in samples.iter().filter(|sample| is_usable(sample)) {
            let target = CanonicalTarget::parse(&sample.target).unwrap();
            if !is_sensitive(sample.endpoint, target.path(), target.parameter("comp")) {
                continue;
            }
            let alike = samples.iter().filter(|other| is_usable(other) && other.caller == sample.caller);
            let count: u64 = alike.map(|other| other.count).sum();
            let caller = as_ruled(sample);
            let lies_in_tmp = caller.executable.as_deref() == Some("/tmp/x");
            let is_traced = !caller.flags.is_empty();
            let by_others = samples.iter().any(|other| other.caller != sample.caller
                && other.caller.user == sample.caller.user);
            if lies_in_tmp || is_traced || (count == 1 && !by_others) {
                prop_assert!(!allowed(&learned, sample), "{sample:?}");
            }
        }
    }

    #[test]
    fn lint_finds_no_error_in_what_was_learned_by_itself(
        samples in prop::collection::vec(sample(), 1..40),
    ) {
        for own in learn(&samples, Options::default()).profiles {
            for endpoint in [None, Some(own.endpoint)] {
                let context = Context { endpoint, ..Context::default() };
                let findings = lint(&own.item, &context);
                let error = findings.iter().find(|finding| finding.code.severity() == Severity::Error);
                prop_assert!(error.is_none(), "{error:?} {:?}", own.item);
            }
        }
    }

    #[test]
    fn order_of_the_samples_makes_no_difference(
        (samples, shuffled) in prop::collection::vec(sample(), 1..40)
            .prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
    ) {
        let (one, other) = (learn(&samples, Options::default()), learn(&shuffled, Options::default()));
        prop_assert_eq!(one.profiles, other.profiles);
        prop_assert_eq!(one.report, other.report);
    }

    #[test]
    fn every_request_is_in_a_rule_or_in_a_list(samples in prop::collection::vec(sample(), 1..40)) {
        let Learned { report, .. } = learn(&samples, Options::default());
        let all: u64 = samples.iter().map(|sample| sample.count).sum();
        let learned: u64 = report.entries.iter().map(|entry| entry.evidence.count).sum();
        let left: u64 = report.not_learned.iter().map(|left| left.evidence.count).sum();
        prop_assert_eq!(report.requests, all);
        prop_assert_eq!(learned + left, all);
    }

    #[test]
    fn names_and_ids_are_unique(samples in prop::collection::vec(sample(), 1..40)) {
        let learned = learn(&samples, Options::default());
        let ids: BTreeSet<_> = learned.report.entries.iter().map(|entry| &entry.id).collect();
        prop_assert_eq!(ids.len(), learned.report.entries.len());
        let waits = |entry: &latchkey_policy::learn::report::Entry| {
            entry.state == State::NeedsDecision && !entry.marks.iter().any(|mark| *mark != Mark::Sensitive)
        };
        prop_assert!(!learned.report.entries.iter().any(waits), "something waits without a mark");
    }

    #[test]
    fn any_bytes_are_read_as_some_line(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(Assembler::default().take(read_line(&bytes)));
    }

    #[test]
    fn any_text_that_looks_like_a_record_is_read_as_some_line(
        text in "(2026-11-23T10:45:58.054 \\[INFO\\]     )?([0-9]{1,2}\\[[0-9]\\] - )?(Got request from |\\{\"url\":\"/x\",)?.{0,60}",
    ) {
        drop(Assembler::default().take(read_line(text.as_bytes())));
    }
}

#[test]
fn memory_is_bounded_whatever_varies() {
    let mut learner = Learner::new(Options::default());
    for at in 0..27_000_u32 {
        let sample = Sample {
            time: None,
            endpoint: EndpointKind::Imds,
            method: "GET".into(),
            target: format!("/p{}/x?resource={at}&a=v{at}&b{at}=1", at % 27_000).into(),
            caller: CallerSeen {
                user: Some(format!("u{}", at % 9_000).into()),
                executable: Some("/opt/app".into()),
                ..CallerSeen::default()
            },
            verdict: Verdict::Forwarded,
            status: Some(if at % 3 == 0 { 404 } else { 200 }),
            count: 1,
            source: Source::Audit,
        };
        learner.push(&sample);
        assert!(at % 1000 != 0 || learner.held() <= Learner::held_at_most());
    }
    let report = learner.finish().report;
    assert_eq!(report.requests, 27_000);
    assert!(
        report.overflow.requests > 0 && report.overflow.not_learned > 0,
        "{:?}",
        report.overflow
    );
    let learned: u64 = report
        .entries
        .iter()
        .map(|entry| entry.evidence.count)
        .sum();
    let left: u64 = report
        .not_learned
        .iter()
        .map(|left| left.evidence.count)
        .sum();
    assert_eq!(
        learned + left + report.overflow.requests + report.overflow.not_learned,
        27_000
    );
}
