//! Ends connections that led to an endpoint before it was protected, and tells of those that go on.
//!
//! A redirect is decided when a connection is opened, so one that is open already passes the agent for
//! as long as its client keeps it. In Enforce such connections are destroyed; in Audit, and where
//! nothing is protected, they are left and counted.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use latchkey_intercept::{Destination, Fate, OpenConnection, Preexisting, Sweep, end_preexisting};
use latchkey_protocol::{Endpoint, EndpointTable, Mode};
use latchkey_record::status::PreexistingConnections;
use tokio::sync::watch;
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::sleep;

use crate::counters::Counters;

/// A connect(2) that began just before the redirect has its socket where it can be found by then.
const SETTLING: Duration = Duration::from_secs(1);

/// Of so many connections to an endpoint the log tells whose they are.
const MAX_TOLD: usize = 16;

/// Looks for such connections whenever the kernel follows new modes.
#[derive(Debug)]
pub struct Sweeper {
    /// The cgroup whose processes are intercepted.
    pub cgroup: PathBuf,
    /// What is protected.
    pub endpoints: EndpointTable,
    /// The modes that the kernel follows by now, by endpoint index.
    pub followed: watch::Receiver<Vec<Mode>>,
    /// What was found, by endpoint index.
    pub found: watch::Sender<Vec<PreexistingConnections>>,
    /// What the agent counted.
    pub counters: Arc<Counters>,
}

impl Sweeper {
    /// Looks at once, again after each change, and each time once more a little later, until `stop`
    /// turns true.
    ///
    /// # Errors
    /// When looking panicked.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) -> Result<(), JoinError> {
        loop {
            self.sweep().await?;
            tokio::select! {
                () = sleep(SETTLING) => {}
                _ = stop.wait_for(|stop| *stop) => return Ok(()),
            }
            self.sweep().await?;
            tokio::select! {
                Ok(()) = self.followed.changed() => {}
                _ = stop.wait_for(|stop| *stop) => return Ok(()),
            }
        }
    }

    async fn sweep(&mut self) -> Result<(), JoinError> {
        let modes = self.followed.borrow_and_update().clone();
        let endpoints = self.endpoints.as_slice().iter().zip(modes);
        let destinations: Vec<_> = endpoints
            .map(|(endpoint, mode)| destinations(endpoint, mode))
            .collect();
        let (cgroup, wanted) = (self.cgroup.clone(), destinations.concat());
        let swept = spawn_blocking(move || end_preexisting(&cgroup, &wanted)).await?;
        self.tell(&destinations, swept);
        Ok(())
    }

    /// Puts what was found into log, counters and status.
    fn tell(&self, destinations: &[Vec<Destination>], swept: Sweep) {
        for problem in &swept.problems {
            self.counters.preexisting_errors.add();
            tracing::warn!(
                error = problem as &dyn std::error::Error,
                "connections from before cannot all be found or destroyed"
            );
        }
        let mut found = swept.destinations.into_iter();
        let mut shown = self.found.borrow().clone();
        shown.resize_with(destinations.len(), PreexistingConnections::default);
        let endpoints = self.endpoints.as_slice().iter().zip(destinations);
        for ((endpoint, destinations), shown) in endpoints.zip(&mut shown) {
            let here: Vec<_> = found.by_ref().take(destinations.len()).collect();
            self.tell_of_endpoint(endpoint, &here, shown);
        }
        self.found.send_replace(shown);
    }

    fn tell_of_endpoint(
        &self,
        endpoint: &Endpoint,
        found: &[Preexisting],
        shown: &mut PreexistingConnections,
    ) {
        let (endpoint, before) = (&endpoint.name, shown.left);
        let destroyed: u64 = found.iter().map(|found| found.destroyed).sum();
        if destroyed > 0 {
            tracing::warn!(
                endpoint,
                destroyed,
                "connections from before were destroyed"
            );
        }
        self.counters.preexisting_destroyed.add_up(destroyed);
        shown.destroyed += destroyed;
        shown.left = found
            .iter()
            .map(|found| found.found - found.destroyed)
            .sum();
        if shown.left == before {
            return;
        }
        tracing::info!(
            endpoint,
            left = shown.left,
            "connections from before that go on"
        );
        for open in found.iter().flat_map(|found| &found.left).take(MAX_TOLD) {
            let OpenConnection {
                transport,
                uid,
                inode,
            } = open;
            tracing::info!(endpoint, ?transport, %uid, inode, "a connection from before goes on");
        }
    }
}

/// Returns where connections to an endpoint lead, and what becomes of those from before.
fn destinations(endpoint: &Endpoint, mode: Mode) -> Vec<Destination> {
    let fate = match mode {
        Mode::Enforce => Fate::Destroy,
        Mode::Audit | Mode::Disabled => Fate::Leave,
    };
    let addresses = endpoint.addresses.iter();
    addresses
        .map(|address| Destination {
            address: (*address, endpoint.port).into(),
            fate,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_in_enforce_is_destroyed() {
        let table = EndpointTable::azure(Mode::Enforce);
        let endpoint = &table.as_slice()[0];
        for (mode, fate) in [
            (Mode::Disabled, Fate::Leave),
            (Mode::Audit, Fate::Leave),
            (Mode::Enforce, Fate::Destroy),
        ] {
            let address = "169.254.169.254:80".parse().unwrap();
            let expected = [Destination { address, fate }];
            assert_eq!(destinations(endpoint, mode), expected, "{mode:?}");
        }
    }
}
