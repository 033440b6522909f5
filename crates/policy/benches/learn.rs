//! What learning from a log costs, beside the bare reading of its JSON; in CPU time.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be set up ends")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use latchkey_policy::learn::read::{Assembler, Line, read_line};
use latchkey_policy::learn::{Learner, Options};
use latchkey_record::AuditRecord;

#[path = "decide/cpu_time.rs"]
mod cpu_time;
#[path = "learn/record.rs"]
mod record;

use cpu_time::CpuTime;

const RECORDS: usize = 1000;

fn learn(criterion: &mut Criterion<CpuTime>) {
    let lines: Vec<_> = (0..RECORDS).map(record::record).collect();
    let bytes: usize = lines.iter().map(String::len).sum();
    let mut group = criterion.benchmark_group("learn");
    group.throughput(Throughput::Bytes(bytes.try_into().unwrap()));
    group.bench_function("JSON alone", |bencher| {
        bencher.iter(|| {
            for line in &lines {
                black_box(serde_json::from_str::<AuditRecord>(line).unwrap());
            }
        });
    });
    group.bench_function("learned", |bencher| {
        let mut assembler = Assembler::default();
        let mut learner = Learner::new(Options::default());
        bencher.iter(|| {
            for line in &lines {
                if let Line::Sample(sample, _) = assembler.take(read_line(line.as_bytes())) {
                    learner.push(&sample);
                }
            }
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = learn
}
criterion_main!(benches);
