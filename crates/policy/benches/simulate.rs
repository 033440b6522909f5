//! How many requests a second one core judges anew, under a profile with 100 privileges: requests that
//! repeat, as in a log, and requests that are all different.
//!
//! Reading the records is not counted; making the question is.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use jiff::Timestamp;
use latchkey_policy::simulate::{Profiles, Question, Simulator};
use latchkey_protocol::authorization::AuthorizationItem;
use latchkey_protocol::{Attributes, Caller, Elevation, EndpointKind};

const PRIVILEGES: usize = 100;
const REQUESTS: usize = 100_000;

fn item() -> AuthorizationItem {
    let list = |entry: &dyn Fn(usize) -> String| {
        let entries: Vec<_> = (0..PRIVILEGES).map(entry).collect();
        entries.join(",")
    };
    let text = format!(
        r#"{{"defaultAccess":"Deny","mode":"Enforce","id":"1","rules":{{
        "privileges":[{}],"roles":[{}],"identities":[{}],"roleAssignments":[{}]}}}}"#,
        list(&|at| format!(r#"{{"name":"p{at}","path":"/metadata/part{at}"}}"#)),
        list(&|at| format!(r#"{{"name":"r{at}","privileges":["p{at}"]}}"#)),
        list(&|at| format!(r#"{{"name":"i{at}","userName":"user{at}","exePath":"/opt/{at}"}}"#)),
        list(&|at| format!(r#"{{"role":"r{at}","identities":["i{at}"]}}"#)),
    );
    serde_json::from_str(&text).unwrap_or_default()
}

/// Whether a target comes again.
#[derive(Clone, Copy)]
enum Targets {
    Distinct,
    Repeated,
}

/// A request as a log has them: half of them hit a privilege.
fn question(at: usize, targets: Targets) -> Question {
    let part = at % (2 * PRIVILEGES);
    let tail = match targets {
        Targets::Distinct => at,
        Targets::Repeated => 0,
    };
    Question {
        endpoint: EndpointKind::Imds,
        method: "GET".to_owned(),
        target: format!("/metadata/part{part}/{tail}?api-version=2021-02-01").into_bytes(),
        caller: Caller {
            elevation: Elevation::Unprivileged,
            attributes: Ok(Attributes {
                user_name: Some(format!("user{part}")),
                group_names: vec!["users".to_owned(), "adm".to_owned()],
                executable: Some(format!("/opt/{part}")),
                ..Attributes::default()
            }),
        },
        objection: None,
    }
}

fn simulate(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("simulate");
    group.throughput(Throughput::Elements(
        REQUESTS.try_into().unwrap_or(u64::MAX),
    ));
    group.sample_size(10);
    for (name, targets) in [
        ("repeated", Targets::Repeated),
        ("distinct", Targets::Distinct),
    ] {
        let mut profiles = Profiles::default();
        if profiles.insert(EndpointKind::Imds, &item()).is_err() {
            continue;
        }
        let mut simulator = Simulator::new(profiles, None);
        let mut next = 0;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for _ in 0..REQUESTS {
                    next += 1;
                    let question = question(next, targets);
                    black_box(simulator.judge(question, Timestamp::UNIX_EPOCH));
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, simulate);
criterion_main!(benches);
