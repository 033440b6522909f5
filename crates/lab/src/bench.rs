//! The benchmark: direct, through nginx, through the agent, interleaved in one run on one machine.
//!
//! All three ask the same nginx on the host, which answers two bytes and is not the bottleneck.
//! The agent does all of its work: attribution, strict parsing, decision in Enforce under a
//! profile, signature, audit record. Absolute figures vary with the machine; ratios count.

mod report;
mod stand;
mod usage;
mod wrk;

pub use report::{Report, Sample};
pub use stand::StandError;
pub use usage::{Usage, UsageError};
pub use wrk::{Figures, Load, WrkError};

use stand::Stand;

/// Which way requests take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// Straight to the host.
    Direct,
    /// Through nginx as a plain reverse proxy with pooled upstream connections.
    Nginx,
    /// Through the agent.
    Latchkey,
}

impl Via {
    /// Returns the name in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Nginx => "nginx",
            Self::Latchkey => "latchkey",
        }
    }
}

/// How long the benchmark runs.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How often every load is repeated; medians are taken over the rounds.
    pub rounds: u32,
    /// How long one load lasts, in seconds.
    pub seconds: u32,
}

/// The benchmark could not be run.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// Host, nginx or agent could not be started.
    #[error(transparent)]
    Stand(#[from] StandError),
    /// A load failed.
    #[error("{load} with {connections} connections through {via}")]
    Load {
        /// How connections were used.
        load: &'static str,
        /// How many at a time.
        connections: u32,
        /// Which way.
        via: &'static str,
        /// What went wrong.
        #[source]
        source: WrkError,
    },
    /// A proxy could not be asked what it used.
    #[error(transparent)]
    Usage(#[from] UsageError),
}

/// Every combination of load and number of connections.
const LOADS: [(Load, u32); 4] = [
    (Load::KeepAlive, 1),
    (Load::KeepAlive, 16),
    (Load::Close, 1),
    (Load::Close, 16),
];
const WAYS: [Via; 3] = [Via::Direct, Via::Nginx, Via::Latchkey];

/// Runs the benchmark; `progress` is told about every step.
///
/// # Errors
/// When something cannot be started or a request fails: figures of a broken run do not count.
pub fn run(plan: Plan, mut progress: impl FnMut(&str)) -> Result<Report, BenchError> {
    progress("standing up host, nginx and agent");
    let stand = Stand::start()?;
    for via in WAYS {
        // The first requests open connections and fill caches.
        measure(&stand, Load::KeepAlive, 1, via, 1)?;
    }
    let mut samples = Vec::new();
    for round in 1..=plan.rounds {
        for (load, connections) in LOADS {
            progress(&format!(
                "round {round} of {}: {} with {connections} connections",
                plan.rounds,
                load.as_str()
            ));
            for via in WAYS {
                samples.push(measure(&stand, load, connections, via, plan.seconds)?);
            }
        }
    }
    Ok(Report::of(&samples))
}

fn measure(
    stand: &Stand,
    load: Load,
    connections: u32,
    via: Via,
    seconds: u32,
) -> Result<Sample, BenchError> {
    let pids = stand.proxy_pids(via)?;
    let (guest, url) = stand.target(via)?;
    let before = Usage::of(&pids)?;
    let figures =
        wrk::run(guest, url, load, connections, seconds).map_err(|source| BenchError::Load {
            load: load.as_str(),
            connections,
            via: via.as_str(),
            source,
        })?;
    let after = Usage::of(&pids)?;
    #[expect(clippy::cast_precision_loss, reason = "counts of a short run")]
    let (requests, microseconds, rss_kib) = (
        figures.requests as f64,
        figures.duration_us as f64,
        after.rss_kib as f64,
    );
    Ok(Sample {
        load,
        connections,
        via,
        requests_per_second: requests / (microseconds / 1e6),
        p50_us: figures.p50_us,
        p99_us: figures.p99_us,
        cpu_s_per_10k: (after.cpu_seconds - before.cpu_seconds) / requests * 1e4,
        rss_kib,
    })
}
