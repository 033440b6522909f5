//! The status file: what an operator needs to know, rewritten whole every few seconds.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use latchkey_protocol::{EndpointTable, Mode};
use latchkey_record::protection::Tier;
use latchkey_record::status::{EndpointStatus, PreexistingConnections, STATUS_VERSION};
use latchkey_record::{AgentStatus, Coverage, ProtectionStatus};
use tokio::sync::watch;

use crate::audit_end;
use crate::counters::Counters;
use crate::file;
use crate::keys::KeyHolder;
use crate::keys::keeper::ChannelReport;
use crate::rules::PolicyReader;

/// Gathers the agent's state.
#[derive(Debug)]
pub struct StatusWriter {
    /// Where it is written.
    pub path: PathBuf,
    /// How often.
    pub interval: Duration,
    /// When the agent started.
    pub started: Timestamp,
    /// What is protected.
    pub endpoints: EndpointTable,
    /// What is in force.
    pub policies: PolicyReader,
    /// What signs.
    pub keys: KeyHolder,
    /// What the key keeper says.
    pub report: ChannelReport,
    /// What the agent counted.
    pub counters: Arc<Counters>,
    /// What the kernel programs counted.
    pub kernel: watch::Receiver<Vec<(String, u64)>>,
    /// Connections from before, by endpoint index.
    pub preexisting: watch::Receiver<Vec<PreexistingConnections>>,
    /// What the watchdog says.
    pub protection: watch::Receiver<ProtectionStatus>,
    /// What the kernel programs cover, once it was measured.
    pub coverage: watch::Receiver<Option<Coverage>>,
}

impl StatusWriter {
    /// Writes until `stop` turns true, and once more then.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut policies = self.policies.clone();
        loop {
            self.write();
            tokio::select! {
                () = tokio::time::sleep(self.interval) => {}
                true = policies.changed() => {}
                _ = stop.wait_for(|stop| *stop) => break,
            }
        }
        self.write();
    }

    fn write(&self) {
        // Plain data always serialises.
        let text = serde_json::to_vec_pretty(&self.gather()).unwrap_or_default();
        if let Err(error) = file::replace(&self.path, &text) {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "status cannot be written"
            );
        }
    }

    /// Returns the agent's state as it is now.
    #[must_use]
    pub fn gather(&self) -> AgentStatus {
        let (channel, problems) = self.report.read();
        let (policies, now) = (self.policies.current(), self.policies.now());
        let is_key_held = self.keys.current().is_some();
        let protection = self.protection.borrow().clone();
        let coverage = self.coverage.borrow().clone();
        let has_way_round = coverage.as_ref().is_some_and(|found| found.findings > 0);
        let mut healthy = channel.problem.is_none() && is_whole(&protection) && !has_way_round;
        let mut endpoints = Vec::with_capacity(policies.len());
        for (index, (endpoint, policy)) in self
            .endpoints
            .as_slice()
            .iter()
            .zip(policies.iter())
            .enumerate()
        {
            let problem = problems.get(index).cloned().flatten();
            let is_served = match policy.mode(now) {
                Mode::Disabled => true,
                Mode::Audit | Mode::Enforce => {
                    policy.rules().is_some() && (is_key_held || !endpoint.msp)
                }
            };
            healthy = healthy && is_served && problem.is_none();
            endpoints.push(EndpointStatus {
                name: endpoint.name.clone(),
                mode: policy.mode(now),
                audit_ends: audit_end::soon(policy, now),
                rules: policy
                    .rules()
                    .and_then(|rules| rules.id())
                    .map(str::to_owned),
                rules_hash: policy.rules().map(|rules| rules.content_hash().to_owned()),
                problem,
                preexisting: self.preexisting.borrow().get(index).cloned(),
            });
        }
        AgentStatus {
            version: STATUS_VERSION,
            agent: env!("CARGO_PKG_VERSION").to_owned(),
            time: Timestamp::now(),
            started: self.started,
            healthy,
            channel,
            endpoints,
            protection: Some(protection),
            kernel: self.kernel.borrow().clone(),
            counters: self.counters.snapshot(),
            coverage,
        }
    }
}

/// Returns whether everything stands that this kernel can have, and nobody's change of it.
fn is_whole(protection: &ProtectionStatus) -> bool {
    protection.tier != Tier::Broken && protection.alarms.iter().all(|alarm| alarm.restored)
}
