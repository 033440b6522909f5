//! A lab with the real programs in it: the host program, and the agent in those guests that have one.
//!
//! What the programs say about themselves is read from the files that operators read. Nothing
//! waits without a limit, and a program that ends too early is an error that shows its log.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::guest::Guest;
use crate::lab::{Lab, LabBuilder, LabError};

pub mod profile;

mod agent;
mod agents;
mod error;
mod host;
mod hosting;
mod lines;
mod plan;

use agent::AgentSeat;
use host::{HostSeat, Upstream};

pub use error::SystemError;
pub use hosting::is_channel_call;
pub use plan::{GuestPlan, Protection};
pub use profile::{Identity, Profile};

/// How long any one step of a program may take, also on a slow and busy machine.
pub const LIMIT: Duration = Duration::from_secs(30);

/// What a system will have in it.
#[derive(Debug, Clone, Default)]
#[must_use = "a builder does nothing until `start`"]
pub struct SystemBuilder {
    plans: Vec<GuestPlan>,
    imds_upstream: Option<Upstream>,
}

impl SystemBuilder {
    /// Adds a guest.
    pub fn guest(mut self, plan: GuestPlan) -> Self {
        self.plans.push(plan);
        self
    }

    /// Puts a metadata service behind the host's IMDS endpoint, told who asks in these headers.
    pub fn imds_upstream(mut self, url: &str, headers: &[(&str, &str)]) -> Self {
        self.imds_upstream = Some(Upstream::new(url, headers));
        self
    }

    /// Stands the lab up, starts host and agents, and waits until all of them serve.
    ///
    /// # Errors
    /// The lab does not stand, or a program did not get ready. Nothing is left behind then.
    pub fn start(self) -> Result<System, SystemError> {
        let mut system = self.start_host()?;
        let names: Vec<String> = system.agents.keys().cloned().collect();
        for name in &names {
            system.start_agent(name)?;
        }
        for name in &names {
            system.wait_until_served(name)?;
        }
        Ok(system)
    }

    /// Stands the lab up with its host, and no agent started yet.
    ///
    /// # Errors
    /// As [`SystemBuilder::start`].
    pub fn start_host(self) -> Result<System, SystemError> {
        let lab = self
            .plans
            .iter()
            .fold(Lab::builder(), |builder: LabBuilder, plan| {
                builder.guest(plan.name())
            })
            .start()?;
        let mut plans = BTreeMap::new();
        let mut agents = BTreeMap::new();
        for plan in self.plans {
            if plan.has_agent() {
                let seat = AgentSeat::furnish(lab.guest(plan.name())?, &plan)?;
                agents.insert(plan.name().to_owned(), seat);
            }
            plans.insert(plan.name().to_owned(), plan);
        }
        let host = HostSeat::furnish(&lab, self.imds_upstream.as_ref())?;
        let mut system = System {
            agents,
            host,
            plans,
            lab,
        };
        for plan in system.plans.values() {
            system.host.write_machine(&system.lab, plan)?;
        }
        system.host.start(&system.lab)?;
        Ok(system)
    }
}

/// A running host with its guests. Dropping it ends everything and leaves nothing behind.
#[derive(Debug)]
pub struct System {
    // Dropped in this order: the lab takes away what the programs run in.
    agents: BTreeMap<String, AgentSeat>,
    host: HostSeat,
    plans: BTreeMap<String, GuestPlan>,
    lab: Lab,
}

impl System {
    /// Begins to describe a system.
    pub fn builder() -> SystemBuilder {
        SystemBuilder::default()
    }

    /// Returns the lab that the system runs in.
    #[must_use]
    pub fn lab(&self) -> &Lab {
        &self.lab
    }

    /// Returns the guest of this name.
    ///
    /// # Errors
    /// There is none.
    pub fn guest(&self, name: &str) -> Result<&Guest, SystemError> {
        Ok(self.lab.guest(name)?)
    }

    /// Ends the system and tells what could not be removed.
    ///
    /// # Errors
    /// Something is left behind.
    pub fn stop(self) -> Result<(), SystemError> {
        let Self {
            agents, host, lab, ..
        } = self;
        drop(agents);
        drop(host);
        Ok(lab.stop()?)
    }

    fn plan(&self, guest: &str) -> Result<&GuestPlan, SystemError> {
        let found = self.plans.get(guest);
        found.ok_or_else(|| LabError::NoSuchGuest(guest.to_owned()).into())
    }
}
