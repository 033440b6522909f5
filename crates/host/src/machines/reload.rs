//! Follows the machine files: looks each second and on request, and never lets a bad file replace a good set.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use latchkey_gateway::Gateway;
use serde::Serialize;
use tokio::sync::{Notify, watch};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, info};

use super::{Fingerprint, InvalidMachines, MachineProblem, Reading, fingerprint, read};

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Why the files that are there now are not in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReloadProblem {
    /// When it was found.
    pub time: Timestamp,
    /// One line for each problem.
    pub problems: Vec<String>,
}

/// Keeps a gateway's machines as the files say.
#[derive(Debug)]
pub struct MachineFollower {
    folder: PathBuf,
    gateway: Arc<Gateway>,
    requests: Arc<Notify>,
    problem: Arc<ArcSwapOption<ReloadProblem>>,
    seen: Fingerprint,
}

impl MachineFollower {
    /// Reads the files for the first time and puts the machines in force.
    ///
    /// # Errors
    /// When the files are no set of machines: there is no good one yet.
    pub async fn start(folder: PathBuf, gateway: Arc<Gateway>) -> Result<Self, InvalidMachines> {
        let Reading {
            outcome,
            fingerprint: seen,
        } = read_off_thread(folder.clone(), &gateway).await?;
        let table = outcome?;
        info!(machines = table.as_slice().len(), folder = %folder.display(), "machines read");
        gateway.set_machines(table);
        Ok(Self {
            folder,
            gateway,
            requests: Arc::default(),
            problem: Arc::default(),
            seen,
        })
    }

    /// Returns what asks for a look at once, even if nothing changed.
    #[must_use]
    pub fn requests(&self) -> Arc<Notify> {
        Arc::clone(&self.requests)
    }

    /// Returns why the present files are not in force, now and later.
    #[must_use]
    pub fn problem(&self) -> Arc<ArcSwapOption<ReloadProblem>> {
        Arc::clone(&self.problem)
    }

    /// Follows the files until `drain` turns true.
    pub async fn run(mut self, mut drain: watch::Receiver<bool>) {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_asked = tokio::select! {
                _ = drain.wait_for(|draining| *draining) => return,
                _ = ticks.tick() => false,
                () = self.requests.notified() => true,
            };
            if is_asked || self.is_changed().await {
                match read_off_thread(self.folder.clone(), &self.gateway).await {
                    Ok(reading) => self.take(reading),
                    Err(invalid) => self.keep_last_good(&invalid),
                }
            }
        }
    }

    /// Compares the files with what was read, where blocking is allowed.
    async fn is_changed(&self) -> bool {
        let (folder, seen) = (self.folder.clone(), self.seen.clone());
        let look = move || fingerprint(&folder, &seen) != seen;
        // A look that panicked is followed by a reading, which says why.
        tokio::task::spawn_blocking(look).await.unwrap_or(true)
    }

    fn take(&mut self, reading: Reading) {
        self.seen = reading.fingerprint;
        match reading.outcome {
            Ok(table) => {
                info!(machines = table.as_slice().len(), "machines changed");
                self.gateway.set_machines(table);
                self.problem.store(None);
            }
            Err(invalid) => self.keep_last_good(&invalid),
        }
    }

    fn keep_last_good(&self, invalid: &InvalidMachines) {
        error!(error = %invalid, "machine files are invalid, the last good ones stay in force");
        let problems = invalid.0.iter().map(ToString::to_string).collect();
        self.problem.store(Some(Arc::new(ReloadProblem {
            time: Timestamp::now(),
            problems,
        })));
    }
}

/// Reads the files, and makes what the machines need, where blocking is allowed.
async fn read_off_thread(
    folder: PathBuf,
    gateway: &Arc<Gateway>,
) -> Result<Reading, InvalidMachines> {
    let gateway = Arc::clone(gateway);
    tokio::task::spawn_blocking(move || read_and_prepare(&folder, &gateway))
        .await
        .map_err(|error| {
            let message = format!("BUG: the reader of machine files ended: {error}");
            InvalidMachines(vec![MachineProblem {
                path: PathBuf::new(),
                place: None,
                message,
            }])
        })
}

fn read_and_prepare(folder: &Path, gateway: &Gateway) -> Reading {
    let reading = read(folder);
    if let Ok(Err(failure)) = reading.outcome.as_ref().map(|table| gateway.prepare(table)) {
        // The machines are good; whoever asks for the certificate will be told.
        let failure: &dyn std::error::Error = &failure;
        error!(error = failure, "certificates of machines cannot be made");
    }
    reading
}
