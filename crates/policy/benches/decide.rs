//! What a decision and a compilation cost, beside a straightforward linear matcher on the same rules; in CPU time.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark that cannot be set up ends"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use jiff::Timestamp;
use latchkey_policy::{
    EndpointPolicy, KeyState, KnownIdentities, Question, RuleSet, Subject, Verdict, decide,
};
use latchkey_protocol::EndpointKind;
use latchkey_protocol::request::Meaning;

#[path = "decide/cpu_time.rs"]
mod cpu_time;
#[path = "decide/linear.rs"]
mod linear;
#[path = "decide/profile.rs"]
mod profile;

use cpu_time::CpuTime;
use linear::Linear;

const SIZES: [usize; 4] = [10, 100, 1_000, 10_000];
const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn policy(count: usize) -> EndpointPolicy {
    let rules = RuleSet::compile(&profile::item(count)).unwrap();
    EndpointPolicy::in_force(EndpointKind::Imds, Arc::new(rules))
}

/// One decision about a request that is there already: a hit on the last privilege, and a miss.
fn decision(criterion: &mut Criterion<CpuTime>) {
    for count in SIZES {
        let (policy, linear) = (policy(count), Linear::new(&profile::item(count)));
        let request = profile::request(count);
        let last = format!("user{}", count - 1);
        for (case, user, verdict) in [
            ("hit on the last", last.as_str(), Verdict::Allow),
            ("miss", "nobody", Verdict::Deny),
        ] {
            let caller = profile::caller(user);
            let mut group = criterion.benchmark_group(case);
            group.bench_function(BenchmarkId::new("compiled", count), |bencher| {
                let decided = |request| {
                    let decision = decide(request, &caller, &policy, KeyState::Held, NOW);
                    assert!(decision.verdict() == verdict);
                    decision
                };
                bencher.iter_batched(|| request.clone(), decided, BatchSize::SmallInput);
            });
            let Meaning::Canonical(target) = request.meaning() else {
                panic!("the target is canonical")
            };
            let attributes = caller.attributes.as_ref().unwrap();
            group.bench_function(BenchmarkId::new("linear", count), |bencher| {
                bencher.iter(|| {
                    let allows = linear.allows(black_box(target), black_box(attributes));
                    assert!(allows == (verdict == Verdict::Allow));
                });
            });
            group.finish();
        }
    }
}

/// One decision about a record, by a caller who is known already.
fn simulation(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("record of a known caller");
    for count in SIZES {
        let (policy, request) = (policy(count), profile::request(count));
        let caller = profile::caller(&format!("user{}", count - 1));
        let known = KnownIdentities::default();
        let subject = Subject::new(&caller, &policy, &known);
        group.bench_function(BenchmarkId::new("compiled", count), |bencher| {
            let question = Question::from(&request);
            bencher.iter(|| subject.judge(black_box(&question), KeyState::Held, NOW));
        });
    }
    group.finish();
}

fn compilation(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("compile");
    for count in SIZES {
        let item = profile::item(count);
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter(|| RuleSet::compile(black_box(&item)).unwrap());
        });
    }
    group.finish();
}

fn short() -> Criterion<CpuTime> {
    Criterion::default()
        .with_measurement(CpuTime)
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
}

criterion_group! {
    name = benches;
    config = short();
    targets = decision, simulation, compilation
}
criterion_main!(benches);
