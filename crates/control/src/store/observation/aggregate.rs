//! What a record is counted under, and whether a filter admits it.
//!
//! One function for all engines, so that they cannot count differently.

use jiff::Timestamp;
use latchkey_protocol::target::CanonicalTarget;
use latchkey_record::audit::Outcome;
use latchkey_record::{AuditRecord, CallerRecord, Observation};
use sha2::{Digest as _, Sha256};

use super::{
    Caller, Filter, Observed, Observer, Record, Sighting, SightingKey, StoredRecord, Verdict,
};

/// The parameters whose values an allowlist tells apart; of others only the names count.
const TELLING: [&str; 3] = ["comp", "resource", "type"];

impl Record {
    /// Returns when it was observed.
    #[must_use]
    pub const fn time(&self) -> Timestamp {
        match &self.observed {
            Observed::Agent(record) => record.time,
            Observed::Gateway(observation) => observation.time,
        }
    }

    /// Returns what the record is counted under.
    #[must_use]
    pub fn sighting_key(&self) -> SightingKey {
        let machine = self.machine.clone().unwrap_or_default();
        match &self.observed {
            Observed::Agent(record) => of_agent(machine, record),
            Observed::Gateway(observation) => of_gateway(machine, observation),
        }
    }
}

fn of_agent(machine: String, record: &AuditRecord) -> SightingKey {
    let (path, query) = parts(record.target.as_deref());
    let verdict = match (record.outcome, record.would_refuse) {
        (Outcome::Refused, _) => Verdict::Refused,
        (_, Some(_)) => Verdict::WouldRefuse,
        (Outcome::Forwarded, None) => Verdict::Allowed,
        (Outcome::Failed | Outcome::Abandoned, None) => Verdict::Unfinished,
    };
    let reason = record.reason.or(record.would_refuse);
    SightingKey {
        machine,
        observer: Observer::Agent,
        endpoint: record.kind,
        caller: record.caller.as_deref().map(caller).unwrap_or_default(),
        method: record.method.clone().unwrap_or_default(),
        path,
        query,
        verdict,
        rule: rule(reason, record.rule.as_deref()),
        mode: record.mode,
    }
}

fn of_gateway(machine: String, observation: &Observation) -> SightingKey {
    let (path, query) = parts(observation.target.as_deref());
    let verdict = match (observation.accepted, observation.reason) {
        (true, Some(_)) => Verdict::WouldRefuse,
        (true, None) => Verdict::Allowed,
        (false, Some(_)) => Verdict::Refused,
        (false, None) => Verdict::Unfinished,
    };
    SightingKey {
        machine,
        observer: Observer::Gateway,
        endpoint: Some(observation.endpoint),
        caller: Caller {
            root: observation.is_root,
            ..Caller::default()
        },
        method: observation.method.clone().unwrap_or_default(),
        path,
        query,
        verdict,
        rule: rule(observation.reason, None),
        mode: observation.mode,
    }
}

fn rule(reason: Option<latchkey_protocol::Reason>, rule: Option<&str>) -> String {
    reason.map_or_else(
        || rule.unwrap_or_default().to_owned(),
        |reason| reason.as_str().to_owned(),
    )
}

/// Returns canonical path and query shape; of a target that has none, the path as received.
fn parts(target: Option<&str>) -> (String, String) {
    let Some(target) = target else {
        return (String::new(), String::new());
    };
    match CanonicalTarget::parse(target) {
        Ok(canonical) => (canonical.path().to_owned(), shape(canonical.parameters())),
        Err(_reason) => {
            let path = target.split('?').next().unwrap_or_default();
            (path.to_owned(), String::new())
        }
    }
}

fn shape(parameters: &[(String, String)]) -> String {
    let named = |(name, value): &(String, String)| {
        if TELLING.contains(&name.as_str()) {
            format!("{name}={value}")
        } else {
            name.clone()
        }
    };
    let mut parts: Vec<_> = parameters.iter().map(named).collect();
    parts.sort_unstable();
    parts.join("&")
}

fn caller(record: &CallerRecord) -> Caller {
    Caller {
        user: record.user.clone(),
        uid: Some(record.euid),
        gid: Some(record.egid),
        groups: record.groups.iter().cloned().collect(),
        executable: record.executable.clone(),
        process: record.executable.is_none().then(|| record.comm.clone()),
        script: record.script.clone(),
        unit: record.unit.clone(),
        container: record
            .container
            .as_ref()
            .map(|container| container.id.clone()),
        exe_sha256: record.exe_sha256.clone(),
        root: Some(record.root),
    }
}

impl SightingKey {
    /// Returns SHA-256 of the key in hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> String {
        // A key is a struct of texts and numbers; such have a JSON form.
        let text = serde_json::to_vec(self).unwrap_or_default();
        hex::encode(Sha256::digest(text))
    }
}

impl Filter {
    fn admits_key(&self, key: &SightingKey) -> bool {
        let is_machine = |machines: &Vec<String>| machines.contains(&key.machine);
        self.machines.as_ref().is_none_or(is_machine)
            && self
                .observer
                .is_none_or(|observer| observer == key.observer)
            && self.endpoint.is_none_or(|kind| Some(kind) == key.endpoint)
            && self.verdict.is_none_or(|verdict| verdict == key.verdict)
            && self
                .path
                .as_deref()
                .is_none_or(|path| key.path.starts_with(path))
            && self
                .caller
                .as_deref()
                .is_none_or(|text| key.caller.is(text))
    }

    /// Returns whether a record is one of those.
    #[must_use]
    pub fn admits_record(&self, stored: &StoredRecord) -> bool {
        let time = stored.record.time();
        self.admits_key(&stored.record.sighting_key())
            && self.since.is_none_or(|since| time >= since)
            && self.until.is_none_or(|until| time < until)
    }

    /// Returns whether an aggregate is one of those.
    #[must_use]
    pub fn admits_sighting(&self, sighting: &Sighting) -> bool {
        self.admits_key(&sighting.key)
            && self.since.is_none_or(|since| sighting.last_seen >= since)
            && self.until.is_none_or(|until| sighting.first_seen < until)
            && self
                .new_since
                .is_none_or(|since| sighting.first_seen >= since)
    }
}

impl Caller {
    fn is(&self, text: &str) -> bool {
        [
            &self.user,
            &self.executable,
            &self.script,
            &self.unit,
            &self.container,
        ]
        .into_iter()
        .any(|own| own.as_deref() == Some(text))
    }
}
