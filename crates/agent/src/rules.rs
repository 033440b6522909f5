//! The rules in force: one immutable snapshot for all endpoints, replaced whole, never by something worse.
//!
//! A profile that does not compile changes nothing at its endpoint: the last good one stays,
//! and the status says why. Modes are remembered on disk, so that a restart begins as strict
//! as it ended.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use latchkey_policy::{EndpointPolicy, InvalidProfile, RuleSet, content_hash};
use latchkey_protocol::status::SecureChannel;
use latchkey_protocol::{Endpoint, EndpointTable, Mode};
use tokio::sync::watch;

use crate::clock::HostClock;
use crate::failure::with_causes;
use crate::file::{self, FileError};
use crate::local_rules::{Joined, LocalRuleFiles, LocalRulesError};

const MODES_FILE: &str = "modes.json";
const MAX_MODES_BYTES: u64 = 64 * 1024;
const LOCAL_RULES_FOLDER: &str = "rules";

/// The policies of all endpoints, by endpoint index.
pub type Policies = Arc<[EndpointPolicy]>;

/// Gives out the policies in force, and the time that they are judged by.
#[derive(Clone, Debug)]
pub struct PolicyReader {
    policies: watch::Receiver<Policies>,
    clock: Arc<HostClock>,
}

impl PolicyReader {
    /// Returns the snapshot that holds now; a request uses one to its end.
    #[must_use]
    pub fn current(&self) -> Policies {
        Arc::clone(&self.policies.borrow())
    }

    /// Returns the present time by the host's clock.
    ///
    /// SECURITY: by the guest's own a machine whose clock is behind would stay in Audit.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Returns the modes of all endpoints as they are now, by endpoint index.
    #[must_use]
    pub fn modes(&self) -> Vec<Mode> {
        let (policies, now) = (self.current(), self.now());
        policies.iter().map(|policy| policy.mode(now)).collect()
    }

    /// Waits until the policies change; `false` when they never will again.
    pub async fn changed(&mut self) -> bool {
        self.policies.changed().await.is_ok()
    }
}

/// Puts new policies into force.
#[derive(Debug)]
pub struct PolicyKeeper {
    endpoints: EndpointTable,
    problems: Vec<Option<String>>,
    modes_file: PathBuf,
    remembered: BTreeMap<String, Mode>,
    local: LocalRuleFiles,
    published: watch::Sender<Policies>,
    clock: Arc<HostClock>,
}

impl PolicyKeeper {
    /// Starts with the modes of the last run, or else the configured ones, and no rules; endpoints
    /// without the protocol have the default rules for good.
    ///
    /// # Errors
    /// When the remembered modes cannot be read.
    pub fn open(
        endpoints: EndpointTable,
        state_dir: &std::path::Path,
        clock: Arc<HostClock>,
    ) -> Result<(Self, PolicyReader), FileError> {
        let modes_file = state_dir.join(MODES_FILE);
        let remembered = read_modes(&modes_file)?;
        let first = |endpoint: &Endpoint| {
            if endpoint.msp {
                let mode = remembered
                    .get(&endpoint.name)
                    .copied()
                    .unwrap_or(endpoint.initial_mode);
                EndpointPolicy::pending(endpoint.kind, mode)
            } else {
                let rules = RuleSet::default_rules(endpoint.initial_mode);
                EndpointPolicy::in_force(endpoint.kind, Arc::new(rules))
            }
        };
        let policies: Policies = endpoints.as_slice().iter().map(first).collect();
        let problems = vec![None; endpoints.as_slice().len()];
        let (published, reader) = watch::channel(policies);
        let keeper = Self {
            endpoints,
            problems,
            modes_file,
            remembered,
            local: LocalRuleFiles::of(state_dir.join(LOCAL_RULES_FOLDER)),
            published,
            clock: Arc::clone(&clock),
        };
        let policies = reader;
        Ok((keeper, PolicyReader { policies, clock }))
    }

    /// Reads local rule files of this folder instead of `rules` in the state folder.
    pub fn read_local_rules_of(&mut self, folder: PathBuf) {
        self.local = LocalRuleFiles::of(folder);
    }

    /// Puts into force what the host says.
    pub fn apply(&mut self, channel: &SecureChannel) {
        let before = Arc::clone(&self.published.borrow());
        let mut after = Vec::with_capacity(before.len());
        for ((endpoint, policy), problem) in self
            .endpoints
            .as_slice()
            .iter()
            .zip(before.iter())
            .zip(&mut self.problems)
        {
            if !endpoint.msp {
                after.push(policy.clone());
                continue;
            }
            match compile(endpoint, policy, channel, &mut self.local) {
                Ok((policy, local)) => {
                    let local = local.map(|error| with_causes(&error));
                    if let Some(error) = local.as_ref().filter(|_| local != *problem) {
                        tracing::error!(endpoint = endpoint.name, error, "local rules are refused");
                    }
                    *problem = local;
                    after.push(policy);
                }
                Err(invalid) => {
                    tracing::error!(
                        endpoint = endpoint.name,
                        error = &invalid as &dyn std::error::Error,
                        "new rules are refused, the last good ones stay"
                    );
                    *problem = Some(invalid.to_string());
                    let sent = channel.endpoint(endpoint.kind).mode;
                    let remembered = self.remembered.get(&endpoint.name);
                    let strictest = remembered.map_or(sent, |mode| sent.max(*mode));
                    after.push(refused(endpoint, policy, strictest));
                }
            }
        }
        self.publish(after);
    }

    fn publish(&mut self, policies: Vec<EndpointPolicy>) {
        let now = self.clock.now();
        let modes = self.endpoints.as_slice().iter().zip(&policies);
        let modes: BTreeMap<_, _> = modes
            .map(|(endpoint, policy)| (endpoint.name.clone(), policy.mode(now)))
            .collect();
        self.published.send_if_modified(|current| {
            let is_same = current.iter().zip(&policies).all(|(a, b)| same(a, b, now));
            if !is_same {
                *current = policies.into();
            }
            !is_same
        });
        self.remember(modes);
    }

    /// Remembers as Enforce what was in Audit until now.
    ///
    /// SECURITY: Audit ends without an answer of the host too, and a restart must not bring it back.
    pub fn remember_ended_audits(&mut self) {
        let now = self.clock.now();
        let policies = Arc::clone(&self.published.borrow());
        let mut modes = self.remembered.clone();
        for (endpoint, policy) in self.endpoints.as_slice().iter().zip(&*policies) {
            if let (Some(mode), Some(_)) = (modes.get_mut(&endpoint.name), policy.rules()) {
                *mode = policy.mode(now);
            }
        }
        self.remember(modes);
    }

    fn remember(&mut self, modes: BTreeMap<String, Mode>) {
        if modes == self.remembered {
            return;
        }
        match write_modes(&self.modes_file, &modes) {
            Ok(()) => self.remembered = modes,
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "modes cannot be remembered"
            ),
        }
    }

    /// Returns why the newest rules of each endpoint are not in force, by endpoint index.
    #[must_use]
    pub fn problems(&self) -> &[Option<String>] {
        &self.problems
    }
}

/// Returns what is to be in force, and why a local rule file is no part of it.
fn compile(
    endpoint: &Endpoint,
    present: &EndpointPolicy,
    channel: &SecureChannel,
    local: &mut LocalRuleFiles,
) -> Result<(EndpointPolicy, Option<LocalRulesError>), InvalidProfile> {
    let wanted = channel.endpoint(endpoint.kind);
    let Some(item) = &wanted.item else {
        let rules = RuleSet::default_rules(wanted.mode);
        let policy = EndpointPolicy::in_force(endpoint.kind, Arc::new(rules));
        return Ok((policy, None));
    };
    let Joined { item, problem } = local.join(endpoint.kind, item)?;
    let policy = match present.rules() {
        Some(rules) if rules.content_hash() == content_hash(&item) => present.clone(),
        _ => EndpointPolicy::in_force(endpoint.kind, Arc::new(RuleSet::compile(&item)?)),
    };
    Ok((policy, problem))
}

/// What holds when the newest profile is refused: what held before; without rules, the strictest of
/// its mode and the remembered one, since what cannot be understood loosens nothing.
fn refused(endpoint: &Endpoint, present: &EndpointPolicy, strictest: Mode) -> EndpointPolicy {
    match present.rules() {
        Some(_) => present.clone(),
        None => EndpointPolicy::pending(endpoint.kind, strictest),
    }
}

fn same(a: &EndpointPolicy, b: &EndpointPolicy, now: Timestamp) -> bool {
    let hash =
        |policy: &EndpointPolicy| policy.rules().map(|rules| rules.content_hash().to_owned());
    a.mode(now) == b.mode(now) && hash(a) == hash(b)
}

/// SECURITY: a file that cannot be understood is as good as none, and the configured modes hold.
fn read_modes(path: &std::path::Path) -> Result<BTreeMap<String, Mode>, FileError> {
    let Some(text) = file::read_private(path, MAX_MODES_BYTES)? else {
        return Ok(BTreeMap::new());
    };
    Ok(serde_json::from_slice(&text).unwrap_or_else(|error| {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "remembered modes are unreadable, the configured ones hold"
        );
        BTreeMap::new()
    }))
}

fn write_modes(path: &std::path::Path, modes: &BTreeMap<String, Mode>) -> Result<(), FileError> {
    // A map of names always serialises.
    let text = serde_json::to_vec_pretty(modes).unwrap_or_default();
    file::replace(path, &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(mode: &str, default_access: &str) -> SecureChannel {
        let text = serde_json::json!({
            "authorizationScheme": "Azure-HMAC-SHA256", "keyDeliveryMethod": "http", "version": "2.0",
            "secureChannelEnabled": true,
            "authorizationRules": {"imds": {"defaultAccess": default_access, "mode": mode, "id": "i"}},
        });
        SecureChannel::parse(text.to_string().as_bytes()).unwrap()
    }

    fn keeper_by(folder: &std::path::Path, clock: Arc<HostClock>) -> (PolicyKeeper, PolicyReader) {
        PolicyKeeper::open(EndpointTable::azure(Mode::Enforce), folder, clock).unwrap()
    }

    fn keeper(folder: &std::path::Path) -> (PolicyKeeper, PolicyReader) {
        keeper_by(folder, Arc::default())
    }

    #[test]
    fn bad_profile_never_replaces_a_good_one_and_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let (mut keeper, reader) = keeper(folder.path());
        keeper.apply(&channel("Audit", "Deny"));
        keeper.apply(&channel("Disabled", "perhaps"));
        assert_eq!(reader.modes()[0], Mode::Audit);
        assert!(keeper.problems()[0].as_ref().unwrap().contains("invalid"));
        keeper.apply(&channel("Disabled", "Deny"));
        assert_eq!(reader.modes()[0], Mode::Disabled);
        assert_eq!(keeper.problems()[0], None);
    }

    #[test]
    fn parameter_that_is_named_twice_holds_up_its_own_endpoint_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (mut keeper, reader) = keeper(folder.path());
        keeper.apply(&channel("Audit", "Deny"));
        let twice = r#"{
            "authorizationScheme": "Azure-HMAC-SHA256", "keyDeliveryMethod": "http",
            "version": "2.0", "secureChannelEnabled": true,
            "authorizationRules": {
                "imds": {"defaultAccess": "Allow", "mode": "Disabled", "id": "i", "rules": {
                    "privileges": [{"name": "p", "path": "/m", "queryParameters": {"a": "1", "a": "2"}}],
                    "roles": [], "identities": [], "roleAssignments": []}},
                "wireserver": {"defaultAccess": "Deny", "mode": "Enforce", "id": "w"}}}"#;
        keeper.apply(&SecureChannel::parse(twice.as_bytes()).unwrap());
        assert_eq!(reader.modes(), [Mode::Audit, Mode::Enforce, Mode::Enforce]);
        let problem = keeper.problems()[0].as_ref().unwrap();
        assert!(
            problem.contains("/rules/privileges/0/queryParameters/a"),
            "{problem}"
        );
    }

    #[test]
    fn bad_first_profile_leaves_the_endpoint_without_rules() {
        let folder = tempfile::tempdir().unwrap();
        let (mut keeper, reader) = keeper(folder.path());
        keeper.apply(&channel("Enforce", "perhaps"));
        assert!(reader.current()[0].rules().is_none());
        assert_eq!(reader.modes()[0], Mode::Enforce);
    }

    #[test]
    fn bad_first_profile_after_a_restart_lowers_no_remembered_mode() {
        let folder = tempfile::tempdir().unwrap();
        let (mut first, _) = keeper(folder.path());
        first.apply(&channel("Audit", "Deny"));
        for (mode, found) in [
            ("Disabled", Mode::Audit),
            ("Enforce", Mode::Enforce),
            ("Audit", Mode::Enforce),
        ] {
            let (mut next, reader) = keeper(folder.path());
            next.apply(&channel(mode, "perhaps"));
            assert_eq!(reader.modes()[0], found, "{mode}");
            assert_eq!(read_modes(&next.modes_file).unwrap()["imds"], found);
        }
    }

    #[test]
    fn restart_begins_in_the_modes_of_the_last_run() {
        let folder = tempfile::tempdir().unwrap();
        let (mut first, _) = keeper(folder.path());
        first.apply(&channel("Audit", "Allow"));
        let (_second, reader) = keeper(folder.path());
        assert_eq!(
            reader.modes(),
            [Mode::Audit, Mode::Disabled, Mode::Disabled]
        );
        std::fs::write(folder.path().join(MODES_FILE), "{").unwrap();
        let (_third, reader) = keeper(folder.path());
        assert_eq!(reader.modes()[0], Mode::Enforce);
    }

    #[test]
    fn unchanged_rules_are_not_published_again() {
        let folder = tempfile::tempdir().unwrap();
        let (mut keeper, mut reader) = keeper(folder.path());
        keeper.apply(&channel("Audit", "Allow"));
        reader.policies.mark_unchanged();
        keeper.apply(&channel("Audit", "Allow"));
        assert!(!reader.policies.has_changed().unwrap());
        keeper.apply(&channel("Audit", "Deny"));
        assert!(reader.policies.has_changed().unwrap());
    }

    #[test]
    fn audit_that_ends_is_enforce_by_the_hosts_clock_and_remembered_so() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(HostClock::new());
        let (mut keeper, reader) = keeper_by(folder.path(), Arc::clone(&clock));
        let mut channel = channel("Audit", "Allow");
        let item = channel.imds.item.as_mut().unwrap();
        item.audit_until = Some("2031-01-01T00:00:00Z".to_owned());
        clock.synchronise(&date("Tue, 31 Dec 2030 23:00:00 GMT"));
        keeper.apply(&channel);
        assert_eq!(reader.modes()[0], Mode::Audit);
        clock.synchronise(&date("Wed, 01 Jan 2031 00:00:00 GMT"));
        assert_eq!(reader.modes()[0], Mode::Enforce);
        keeper.apply(&channel);
        let (_next, reader) = keeper_by(folder.path(), clock);
        assert_eq!(reader.modes()[0], Mode::Enforce);
    }

    #[test]
    fn audit_that_ends_without_an_answer_is_remembered_as_enforce() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(HostClock::new());
        let (mut keeper, _) = keeper_by(folder.path(), Arc::clone(&clock));
        let mut channel = channel("Audit", "Allow");
        let item = channel.imds.item.as_mut().unwrap();
        item.audit_until = Some("2031-01-01T00:00:00Z".to_owned());
        clock.synchronise(&date("Tue, 31 Dec 2030 23:00:00 GMT"));
        keeper.apply(&channel);
        let restarted = || keeper_by(folder.path(), Arc::clone(&clock)).1.modes();
        keeper.remember_ended_audits();
        assert_eq!(restarted()[0], Mode::Audit);
        clock.synchronise(&date("Wed, 01 Jan 2031 00:00:00 GMT"));
        keeper.remember_ended_audits();
        assert_eq!(restarted(), [Mode::Enforce, Mode::Disabled, Mode::Disabled]);
    }

    #[test]
    fn modes_are_not_remembered_before_the_host_has_said_any() {
        let folder = tempfile::tempdir().unwrap();
        let (mut keeper, _) = keeper(folder.path());
        keeper.remember_ended_audits();
        assert!(!folder.path().join(MODES_FILE).exists());
    }

    #[test]
    fn audit_that_has_ended_stays_ended_when_the_hosts_date_goes_back() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(HostClock::new());
        let (mut keeper, reader) = keeper_by(folder.path(), Arc::clone(&clock));
        let mut channel = channel("Audit", "Deny");
        let item = channel.imds.item.as_mut().unwrap();
        item.audit_until = Some("2031-01-01T00:00:00Z".to_owned());
        clock.synchronise(&date("Wed, 01 Jan 2031 00:00:00 GMT"));
        keeper.apply(&channel);
        clock.synchronise(&date("Mon, 01 Jan 1990 00:00:00 GMT"));
        assert_eq!(reader.modes()[0], Mode::Enforce);
        keeper.apply(&channel);
        assert_eq!(
            read_modes(&keeper.modes_file).unwrap()["imds"],
            Mode::Enforce
        );
    }

    fn date(text: &str) -> http::HeaderMap {
        [(http::header::DATE, text.parse().unwrap())]
            .into_iter()
            .collect()
    }
}
