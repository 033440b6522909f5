//! How many recorded requests a second of one core judges anew, under a profile with 100 privileges.
//!
//! All requests differ in path and query, and come from callers that come again, half of whom have
//! privileges. Making the questions, which is parsing, is not counted; so few are made at once that
//! they lie in the cache as what was just parsed does. Nothing is known of a request that came before,
//! so they can come again. A straightforward linear matcher reads and matches the same targets beside.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark that cannot be set up ends"
)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use jiff::Timestamp;
use latchkey_policy::simulate::{Profiles, Question, Simulator, Tally};
use latchkey_protocol::EndpointKind;
use latchkey_protocol::target::CanonicalTarget;

#[path = "decide/cpu_time.rs"]
mod cpu_time;
#[path = "decide/linear.rs"]
mod linear;
#[expect(dead_code, reason = "the requests are other ones")]
#[path = "decide/profile.rs"]
mod profile;

use cpu_time::CpuTime;
use linear::Linear;

const PRIVILEGES: usize = 100;
const REQUESTS: usize = 1000;
const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// A request for the part that a privilege covers, or for one beside it.
fn question(at: usize) -> Question {
    let part = at % (2 * PRIVILEGES);
    let target = match part % 2 {
        0 => format!("/metadata/part{part}/item{part}/{at}?api-version=2021-02-01&part={at}"),
        _ => format!(
            "/metadata/identity/oauth2/token/{at}\
             ?api-version=2018-02-01&resource=https%3A%2F%2Fr{part}%2F&client_id={at}"
        ),
    };
    Question {
        endpoint: EndpointKind::Imds,
        method: "GET".to_owned(),
        target: target.into_bytes(),
        caller: profile::caller(&format!("user{part}")),
        objection: None,
    }
}

fn simulate(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("simulate");
    group.throughput(Throughput::Elements(REQUESTS.try_into().unwrap()));
    group.sample_size(20);
    let questions: Vec<_> = (0..REQUESTS).map(question).collect();
    let item = profile::item(PRIVILEGES);
    let simulator = || {
        let mut profiles = Profiles::default();
        profiles.insert(EndpointKind::Imds, &item).unwrap();
        Simulator::new(profiles, Profiles::default())
    };
    group.bench_function("judged", |bencher| {
        let mut simulator = simulator();
        bencher.iter(|| {
            for question in &questions {
                black_box(simulator.judge(question, NOW));
            }
        });
    });
    group.bench_function("judged and counted", |bencher| {
        let (mut simulator, mut tally) = (simulator(), Tally::default());
        bencher.iter(|| {
            for question in &questions {
                let judged = simulator.judge(question, NOW);
                let who = (question.endpoint, &*judged.caller);
                tally.add(who, &judged.candidate.unwrap(), None, String::new);
            }
        });
    });
    group.bench_function("linear", |bencher| {
        let linear = Linear::new(&item);
        bencher.iter(|| {
            for question in &questions {
                let target = CanonicalTarget::parse(str::from_utf8(&question.target).unwrap());
                let attributes = question.caller.attributes.as_ref().unwrap();
                black_box(linear.allows(&target.unwrap(), attributes));
            }
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = simulate
}
criterion_main!(benches);
