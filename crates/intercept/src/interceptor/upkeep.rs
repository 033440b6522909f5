//! Compares what is attached, pinned and written with what was, and brings it back.

use std::sync::Arc;

use super::Interceptor;
use crate::error::InterceptError;
use crate::feature::Feature;
use crate::finding::{Finding, Problem};
use crate::held::HeldLink;
use crate::hook::HOOKS;
use crate::survey::Surveyor;

/// A program, and whether it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramState {
    /// Its name.
    pub name: &'static str,
    /// The hook that it belongs to.
    pub hook: &'static str,
    /// The kernel version that brought the newest thing that it uses, and that thing.
    pub kernel: &'static str,
    /// Whether it runs at its hook.
    pub is_attached: bool,
    /// What the running kernel lacks for it, if that is why it does not run.
    pub missing: Option<String>,
}

impl Interceptor {
    /// Compares what is attached, pinned and written with what this agent attached, pinned and
    /// wrote; a few system calls for each link and map.
    #[must_use]
    pub fn check(&self) -> Vec<Finding> {
        let mut findings = self.hold.check();
        findings.extend(self.presence.check());
        findings.extend(self.check_endpoints());
        findings
    }

    fn check_endpoints(&self) -> Option<Finding> {
        let wanted = self.protected.as_ref()?;
        let problem = match self.endpoints.hold(wanted) {
            Ok(true) => return None,
            Ok(false) => Problem::EndpointsChanged,
            Err(_) => Problem::Unchecked,
        };
        Some(Finding::new(problem, "map_endpoints"))
    }

    /// Brings everything back to what this agent attached, pinned and wrote: first the maps, then
    /// the claim and the endpoints, then the links in their order. What cannot be restored keeps
    /// nothing else from it; [`Self::check`] tells what is left.
    ///
    /// # Errors
    ///
    /// [`InterceptError::ClaimedByAnother`] before anything changes; otherwise the first step that
    /// failed.
    pub fn restore(&mut self) -> Result<(), InterceptError> {
        if let Some(rival) = self.presence.rival()? {
            return Err(InterceptError::ClaimedByAnother(rival));
        }
        let maps = self.hold.restore_maps();
        let presence = self.presence.restore();
        let endpoints = self.protected.take().map_or(Ok(()), |wanted| {
            let written = self.endpoints.replace(&wanted);
            self.protected = Some(wanted);
            written
        });
        let links = self.hold.restore_links();
        maps.and(presence).and(endpoints).and(links)
    }

    /// Returns what looks for programs of others around ours.
    #[must_use]
    pub fn surveyor(&self) -> Surveyor {
        let links = self.hold.links.iter();
        Surveyor {
            cgroup: Arc::clone(&self.hold.cgroup),
            own: links.map(HeldLink::program_id).collect(),
        }
    }

    /// Returns the tracing programs, by what they are for.
    fn optional_programs(&self) -> impl Iterator<Item = ProgramState> {
        Feature::ALL.iter().map(|feature| {
            let mut lacking = self.missing.iter();
            let missing = lacking.find(|missing| missing.feature == *feature);
            let runs = |name| {
                self.hold
                    .links
                    .iter()
                    .any(|link| link.name() == name && link.is_attached())
            };
            ProgramState {
                name: feature.as_str(),
                hook: feature.hook(),
                kernel: feature.kernel(),
                is_attached: missing.is_none() && feature.links().iter().all(|name| runs(*name)),
                missing: missing.map(|missing| missing.error.to_string()),
            }
        })
    }

    /// Returns every program of this version, and whether it runs.
    #[must_use]
    pub fn programs(&self) -> Vec<ProgramState> {
        let held = |program| self.hold.links.iter().find(|link| link.name() == program);
        let states = HOOKS.iter().map(|hook| ProgramState {
            name: hook.program,
            hook: hook.name(),
            kernel: hook.kernel,
            is_attached: held(hook.program).is_some_and(HeldLink::is_attached),
            missing: None,
        });
        states.chain(self.optional_programs()).collect()
    }
}
