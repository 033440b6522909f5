//! What is planned for a guest: its protection as its machine file tells the host, and whether it has an agent.

use std::time::Duration;

use latchkey_protocol::{EndpointKind, Mode};
use latchkey_record::AgentStatus;
use serde_json::{Value, json};

use super::profile::{self, Profile};
use crate::guest::Guest;

/// How often an agent asks the host: quick enough for a test, and slow beside a request.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// How one endpoint is protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protection {
    /// The mode.
    pub mode: Mode,
    /// Who may ask for what.
    pub profile: Profile,
}

/// What is planned for a guest.
#[derive(Debug, Clone)]
#[must_use = "a plan does nothing until it is given to a system"]
pub struct GuestPlan {
    name: String,
    imds: Protection,
    wireserver: Protection,
    key_incarnation: u32,
    has_agent: bool,
    poll_interval: Duration,
    patience: Option<Duration>,
    connects: Option<(u32, u32)>,
    measures_coverage: bool,
    clock: Option<String>,
    certificates: Vec<String>,
}

impl GuestPlan {
    /// Plans a guest with an agent and the profiles of [`profile`], in this mode at all endpoints.
    pub fn new(name: &str, mode: Mode) -> Self {
        let protection = |profile| Protection { mode, profile };
        Self {
            name: name.to_owned(),
            imds: protection(profile::standard()),
            wireserver: protection(profile::open()),
            key_incarnation: 1,
            has_agent: true,
            poll_interval: POLL_INTERVAL,
            patience: None,
            connects: None,
            measures_coverage: false,
            clock: None,
            certificates: Vec::new(),
        }
    }

    /// As [`GuestPlan::new`], in Audit.
    pub fn audit(name: &str) -> Self {
        Self::new(name, Mode::Audit)
    }

    /// As [`GuestPlan::new`], in Enforce.
    pub fn enforce(name: &str) -> Self {
        Self::new(name, Mode::Enforce)
    }

    /// Leaves the agent out.
    pub fn without_agent(mut self) -> Self {
        self.has_agent = false;
        self
    }

    /// Replaces the profile of the instance metadata service.
    pub fn with_profile(mut self, profile: Profile) -> Self {
        self.imds.profile = profile;
        self
    }

    /// Replaces the profile of the `WireServer` and the `HostGAPlugin`.
    pub fn with_wireserver_profile(mut self, profile: Profile) -> Self {
        self.wireserver.profile = profile;
        self
    }

    /// Puts all endpoints into this mode.
    pub fn with_mode(mut self, mode: Mode) -> Self {
        (self.imds.mode, self.wireserver.mode) = (mode, mode);
        self
    }

    /// Makes the agent ask the host this often.
    pub fn with_poll_interval(mut self, interval: Duration) -> Self {
        self.poll_interval = interval;
        self
    }

    /// Makes the agent wait only so long for a client that sends, and for the host's answer.
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    /// Makes the agent let one cgroup connect only so often per second, and so often at once.
    pub fn with_connects(mut self, per_second: u32, burst: u32) -> Self {
        self.connects = Some((per_second, burst));
        self
    }

    /// Lets the agent measure at its start what it covers, which other tests' counters would show.
    pub fn with_coverage_at_start(mut self) -> Self {
        self.measures_coverage = true;
        self
    }

    /// Puts the agent's wall clock off by so much, as libfaketime writes it, such as `-3y`.
    pub fn with_clock(mut self, offset: &str) -> Self {
        self.clock = Some(offset.to_owned());
        self
    }

    /// Gives the guest a certificate of this name, which the host makes.
    pub fn with_certificate(mut self, name: &str) -> Self {
        self.certificates.push(name.to_owned());
        self
    }

    /// Lets the guest latch one new key.
    pub fn with_next_key(mut self) -> Self {
        self.key_incarnation += 1;
        self
    }

    /// Returns the guest's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns how often the guest may have latched a key, the first one included.
    #[must_use]
    pub fn key_incarnation(&self) -> u32 {
        self.key_incarnation
    }

    /// Returns whether the guest has an agent.
    #[must_use]
    pub fn has_agent(&self) -> bool {
        self.has_agent
    }

    /// Returns how often the agent asks the host.
    pub(super) fn poll_interval(&self) -> Duration {
        self.poll_interval
    }

    /// Returns whether the agent measures at its start what it covers.
    pub(super) fn measures_coverage(&self) -> bool {
        self.measures_coverage
    }

    /// Returns how long the agent waits for clients and for the host, if not as long as usual.
    pub(super) fn patience(&self) -> Option<Duration> {
        self.patience
    }

    /// Returns how often one cgroup may connect per second and at once, if not as often as usual.
    pub(super) fn connects(&self) -> Option<(u32, u32)> {
        self.connects
    }

    /// Returns how far the agent's wall clock is off, if it is.
    pub(super) fn clock(&self) -> Option<&str> {
        self.clock.as_deref()
    }

    /// Returns whether an agent is in the planned modes.
    pub(super) fn modes_are(&self, status: &AgentStatus) -> bool {
        let planned = |name: &str| {
            if name == EndpointKind::Imds.as_str() {
                self.imds.mode
            } else {
                self.wireserver.mode
            }
        };
        let mut endpoints = status.endpoints.iter();
        endpoints.all(|endpoint| endpoint.mode == planned(&endpoint.name))
    }

    /// Returns the content of the guest's machine file.
    pub(super) fn machine(&self, guest: &Guest) -> Value {
        let endpoint = |protection: &Protection| {
            json!({
                "mode": protection.mode,
                "profile": protection.profile.document(),
            })
        };
        let certificates = self.certificates.iter();
        let certificates: Vec<_> = certificates.map(|name| json!({ "name": name })).collect();
        json!({
            "addresses": [guest.address()],
            "interface": guest.interface(),
            "key_incarnation": self.key_incarnation,
            "imds": endpoint(&self.imds),
            "wireserver": endpoint(&self.wireserver),
            "goal_state": {
                "certificates": certificates,
                // An address that nobody has (RFC 5737): agents then upload by way of the host.
                "status_blob": "https://192.0.2.10/status",
            },
            "facts": {
                "computer_name": self.name,
                // Programs look for the interface that has it.
                "network": { "mac": guest.hardware_address().replace(':', "") },
                "identity": {
                    "tenant_id": "11111111-2222-4333-8444-555555555555",
                    "client_id": "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee",
                    "object_id": "99999999-8888-4777-8666-555555555555",
                    "user_assigned": [{
                        "name": "deploy",
                        "client_id": "dddddddd-eeee-4fff-8000-111111111111",
                    }],
                },
            },
        })
    }
}
