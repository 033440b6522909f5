//! Measures once after the start what the kernel programs cover, beside everything else: neither the
//! service nor the heartbeat waits for it, and the end of the agent ends it too.

use std::ops::ControlFlow;
use std::path::PathBuf;

use jiff::Timestamp;
use latchkey_intercept::InterceptMode;
use latchkey_intercept::coverage::{
    ChildProgram, Coverage, CoverageError, Outcome, Probe, Verdict, measure,
};
use latchkey_protocol::Mode;
use latchkey_record::coverage::{self as form, COVERAGE_VERSION};
use tokio::sync::watch;

/// The measurement at the start of an agent.
#[derive(Debug)]
pub struct FirstMeasurement {
    /// Where links and maps are pinned.
    pub pin_dir: PathBuf,
    /// The cgroup whose processes are intercepted; nothing for the root.
    pub cgroup: Option<PathBuf>,
    /// Where the result is put.
    pub result: watch::Sender<Option<form::Coverage>>,
}

impl FirstMeasurement {
    /// Measures, then waits until `stop` turns true, which also ends a measurement under way.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let probe = Probe {
            pin_dir: self.pin_dir,
            cgroup: self.cgroup,
            child: ChildProgram::default(),
        };
        let stopped = stop.clone();
        let measured = tokio::task::spawn_blocking(move || {
            measure(&probe, &mut |_| match *stopped.borrow() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            })
        });
        match measured.await {
            Ok(Ok(coverage)) => {
                report(&coverage);
                self.result.send_replace(Some(as_record(&coverage)));
            }
            Ok(Err(CoverageError::Stopped)) => {}
            Ok(Err(error)) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the coverage cannot be measured"
            ),
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "BUG: the measurement of the coverage panicked"
            ),
        }
        // Without anybody to tell it, the agent stops too.
        drop(stop.wait_for(|stop| *stop).await);
    }
}

/// Logs what should not be so.
fn report(coverage: &Coverage) {
    for endpoint in &coverage.endpoints {
        for outcome in endpoint.outcomes.iter().filter(|each| each.is_finding) {
            let (way, note) = (outcome.way.id(), outcome.note.as_str());
            let (endpoint, verdict) = (endpoint.endpoint, outcome.verdict.as_str());
            tracing::warn!(%endpoint, way, verdict, note, "a way round the agent");
        }
    }
    for outcome in coverage.machine.iter().filter(|each| each.is_finding) {
        let (way, note) = (outcome.way.id(), outcome.note.as_str());
        tracing::warn!(
            way,
            verdict = outcome.verdict.as_str(),
            note,
            "a way round the agent"
        );
    }
    tracing::info!(findings = coverage.findings(), "the coverage is measured");
}

/// Returns a measurement in the form that leaves the process, with the time of now.
#[must_use]
pub fn as_record(coverage: &Coverage) -> form::Coverage {
    let endpoints = coverage.endpoints.iter();
    form::Coverage {
        version: COVERAGE_VERSION,
        time: Timestamp::now(),
        kernel: coverage.kernel.clone(),
        findings: u64::try_from(coverage.findings()).unwrap_or(u64::MAX),
        endpoints: endpoints
            .map(|found| form::EndpointCoverage {
                endpoint: found.endpoint.to_string(),
                mode: match found.mode {
                    InterceptMode::Audit => Mode::Audit,
                    InterceptMode::Enforce => Mode::Enforce,
                },
                ways: found.outcomes.iter().map(way).collect(),
            })
            .collect(),
        machine: coverage.machine.iter().map(way).collect(),
    }
}

fn way(outcome: &Outcome) -> form::WayCoverage {
    form::WayCoverage {
        way: outcome.way.id().to_owned(),
        says: outcome.way.says().to_owned(),
        verdict: match outcome.verdict {
            Verdict::Brokered => form::Verdict::Brokered,
            Verdict::Refused => form::Verdict::Refused,
            Verdict::LetThrough => form::Verdict::LetThrough,
            Verdict::Open => form::Verdict::Open,
            Verdict::Untouched => form::Verdict::Untouched,
            Verdict::NotTestable => form::Verdict::NotTestable,
        },
        note: Some(outcome.note.clone()).filter(|note| !note.is_empty()),
        finding: outcome.is_finding,
    }
}
