//! Keeps key and rules up to date: asks the host again and again, with jitter, patience and back-off.
//!
//! A round that fails changes nothing: key and rules of the last good round stay in use. A
//! key is used only once it lies on disk and the host has accepted the proof of it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use latchkey_protocol::KeyId;
use latchkey_protocol::latch::IssuedKey;
use latchkey_protocol::status::SecureChannel;
use latchkey_record::status::ChannelStatus;
use tokio::sync::{Notify, watch};

use super::KeyHolder;
use super::channel::{ChannelClient, ChannelError};
use super::store::{KeyFolder, KeyFolderError};
use crate::counters::Counters;
use crate::failure::with_causes;
use crate::rules::PolicyKeeper;

/// The first wait after a failure; doubled each time.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// A wait differs from its nominal length by up to a tenth, so that machines do not ask in step.
const JITTER_PARTS: u32 = 10;

/// Why a round changed nothing, or not all that it should.
#[derive(Debug, thiserror::Error)]
pub enum RoundError {
    /// A call failed.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// The key folder failed.
    #[error(transparent)]
    Folder(#[from] KeyFolderError),
}

/// What the status file shows of the keeper's work.
#[derive(Clone, Debug, Default)]
pub struct ChannelReport(Arc<Mutex<(ChannelStatus, Vec<Option<String>>)>>);

impl ChannelReport {
    /// Returns the channel's state and each endpoint's problem.
    #[must_use]
    pub fn read(&self) -> (ChannelStatus, Vec<Option<String>>) {
        self.0
            .lock()
            .map(|report| report.clone())
            .unwrap_or_else(|poisoned| poisoned.into_inner().clone())
    }

    fn write(&self, change: impl FnOnce(&mut (ChannelStatus, Vec<Option<String>>))) {
        if let Ok(mut report) = self.0.lock() {
            change(&mut report);
        }
    }
}

/// Asks the host for the state of the secure channel and follows it.
#[derive(Debug)]
pub struct KeyKeeper {
    /// Makes the calls.
    pub client: ChannelClient,
    /// Where keys lie.
    pub folder: KeyFolder,
    /// Where the key in use stands.
    pub holder: KeyHolder,
    /// What puts rules into force.
    pub policies: PolicyKeeper,
    /// What is shown to operators.
    pub report: ChannelReport,
    /// What is counted.
    pub counters: Arc<Counters>,
    /// The time between rounds that succeed.
    pub interval: Duration,
}

impl KeyKeeper {
    /// Makes rounds until `stop` turns true; `wake` starts the next one at once.
    pub async fn run(mut self, wake: Arc<Notify>, mut stop: watch::Receiver<bool>) {
        let mut failures = 0;
        let mut told = Vec::new();
        loop {
            let result = tokio::select! {
                result = self.round(&mut told) => result,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            failures = match result {
                Ok(()) => {
                    self.report.write(|(status, _)| status.problem = None);
                    0
                }
                Err(error) => {
                    self.note_failure(&error, failures);
                    failures + 1
                }
            };
            self.note_round();
            self.policies.remember_ended_audits();
            let wait = with_jitter(next_wait(self.interval, failures));
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = wake.notified() => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// Makes one round; `told` is what the last status had that is unusual.
    async fn round(&mut self, told: &mut Vec<String>) -> Result<(), RoundError> {
        let channel = self.client.status().await?;
        for warning in untold(&channel.warnings, told) {
            tracing::warn!(warning, "the host's status is unusual");
        }
        told.clone_from(&channel.warnings);
        self.report.write(|(status, _)| {
            status.state = Some(channel.state.clone());
            status.last_answer = Some(Timestamp::now());
        });
        self.policies.apply(&channel);
        if channel.is_enabled() {
            self.follow_key(&channel).await
        } else {
            self.holder.replace(None);
            Ok(())
        }
    }

    /// Makes the latched key the one in use: the one held, the one on disk, or a new one.
    async fn follow_key(&self, channel: &SecureChannel) -> Result<(), RoundError> {
        if let Some(latched) = &channel.key {
            if self
                .holder
                .current()
                .is_some_and(|held| held.key.id() == latched)
            {
                return Ok(());
            }
            if let Some(found) = self.recover(latched) {
                tracing::info!(key = %latched, "key recovered from its file");
                return self.take(found);
            }
        }
        let issued = self.client.acquire().await?;
        self.forget_unproved();
        self.folder.save(&issued)?;
        self.client.attest(&issued.key).await?;
        tracing::info!(key = %issued.key.id(), incarnation = issued.incarnation, "key latched");
        self.counters.keys_latched.add();
        self.take(issued)
    }

    /// A key file that cannot be trusted is as good as none: a new key is asked for.
    fn recover(&self, latched: &KeyId) -> Option<IssuedKey> {
        match self.folder.load(latched) {
            Ok(found) => found,
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "key file is not used"
                );
                None
            }
        }
    }

    fn take(&self, key: IssuedKey) -> Result<(), RoundError> {
        let id = key.key.id().clone();
        self.holder.replace(Some(key));
        Ok(self.folder.keep_only(Some(&id))?)
    }

    /// Removes keys whose proof failed: a host that accepts none must not fill the folder.
    fn forget_unproved(&self) {
        let held = self.holder.current();
        let held = held.as_ref().map(|held| held.key.id());
        if let Err(error) = self.folder.keep_only(held) {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "old key files stay"
            );
        }
    }

    fn note_failure(&self, error: &RoundError, failures_before: u32) {
        self.counters.channel_errors.add();
        let error = error as &dyn std::error::Error;
        if failures_before == 0 {
            tracing::warn!(error, "secure channel round failed");
        } else {
            tracing::debug!(error, failures_before, "secure channel round failed again");
        }
        self.report
            .write(|(status, _)| status.problem = Some(with_causes(error)));
    }

    fn note_round(&self) {
        let key = self.holder.current();
        self.report.write(|(status, problems)| {
            status.key = key.as_ref().map(|key| key.key.id().to_string());
            status.incarnation = key.as_ref().and_then(|key| key.incarnation);
            *problems = self.policies.problems().to_vec();
        });
    }
}

/// Returns the warnings that the last status had not, so that the log has each once while it lasts.
fn untold<'a>(warnings: &'a [String], told: &'a [String]) -> impl Iterator<Item = &'a String> {
    warnings.iter().filter(|warning| !told.contains(warning))
}

/// After a failure the waits grow from a second to the interval.
fn next_wait(interval: Duration, failures: u32) -> Duration {
    match failures {
        0 => interval,
        _ => FIRST_RETRY
            .saturating_mul(1 << (failures - 1).min(16))
            .min(interval),
    }
}

fn with_jitter(wait: Duration) -> Duration {
    let spread = wait / JITTER_PARTS;
    // Without random bytes the wait is the nominal one.
    let random = getrandom::u32().unwrap_or(u32::MAX / 2);
    wait - spread + (spread * 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_with_failures_up_to_the_interval() {
        let interval = Duration::from_secs(15);
        let waits: Vec<_> = (0..7)
            .map(|failures| next_wait(interval, failures).as_secs())
            .collect();
        assert_eq!(waits, [15, 1, 2, 4, 8, 15, 15]);
        assert_eq!(next_wait(interval, u32::MAX), interval);
    }

    #[test]
    fn warning_is_told_once_while_it_lasts_and_again_when_it_comes_back() {
        let status = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let rounds: [Vec<String>; 5] =
            [&["a"][..], &["a"], &["a", "b"], &["b"], &["a", "b"]].map(status);
        let mut told = Vec::new();
        let heard = rounds.map(|warnings| {
            let new: Vec<_> = untold(&warnings, &told).cloned().collect();
            told = warnings;
            new.concat()
        });
        assert_eq!(heard, ["a", "", "b", "", "a"]);
    }

    #[test]
    fn jitter_stays_within_a_tenth() {
        for _ in 0..100 {
            let wait = with_jitter(Duration::from_secs(10)).as_millis();
            assert!((9_000..=11_000).contains(&wait), "{wait}");
        }
    }
}
