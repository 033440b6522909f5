//! Learns access control profiles from requests that were recorded, whatever recorded them.
//!
//! A [`Learner`] is fed with [`Sample`]s and keeps counts, not requests: memory is bounded by the
//! limits in `tally.rs` and `usage.rs`, whatever arrives, and what a limit keeps out is counted. The
//! same samples give the same profile in any order. Nothing becomes a rule that did not come through fine, and
//! nothing that yields tokens or certificates becomes one for a caller in doubt: it is listed as in
//! need of a decision, and [`Options::accept`] takes that decision.

use std::collections::BTreeSet;

use latchkey_protocol::EndpointKind;
use latchkey_protocol::authorization::AuthorizationItem;

mod bounded;
mod caller;
mod ephemeral;
mod evidence;
mod grant;
mod hold;
mod mark;
mod name;
mod parameter;
mod place;
mod profile;
pub mod read;
pub mod report;
mod sample;
mod shape;
mod tally;
mod usage;

pub use crate::sensitive::is_sensitive;
pub use caller::is_interpreter;
pub use mark::Mark;
pub use report::Report;
pub use sample::{CallerSample, CallerSeen, Sample, Script, Source, Verdict};

use shape::Shapes;
use tally::Tally;

/// What is asked of a [`Learner`].
#[derive(Clone, Debug)]
pub struct Options {
    /// The mode of the profiles, `Audit` or `Enforce`.
    pub mode: String,
    /// The ids of what needs a decision and gets a rule.
    pub accept: BTreeSet<String>,
    /// What was seen less often needs a decision.
    pub min_count: u64,
    /// Answers of the host that count as fine besides 200 to 399.
    pub fine_statuses: BTreeSet<u16>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mode: "Audit".to_owned(),
            accept: BTreeSet::new(),
            min_count: 1,
            fine_statuses: BTreeSet::new(),
        }
    }
}

/// A profile that was learned. That of the WireServer holds for the HostGAPlugin too, as the agent
/// applies it to both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Whose profile it is: `Imds` or `WireServer`.
    pub endpoint: EndpointKind,
    /// The profile.
    pub item: AuthorizationItem,
}

/// What was learned: the profiles of the endpoints that requests were seen at, and all that there is
/// to say about them.
#[derive(Clone, Debug)]
pub struct Learned {
    /// At most one for each endpoint that has rules of its own.
    pub profiles: Vec<Profile>,
    /// Evidence, generalisations, what needs a decision, and what became nothing.
    pub report: Report,
}

/// Turns samples into profiles.
#[derive(Debug)]
pub struct Learner {
    options: Options,
    shapes: Shapes,
    tally: Tally,
}

impl Learner {
    /// Returns a learner that has seen nothing.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            options,
            shapes: Shapes::default(),
            tally: Tally::default(),
        }
    }

    /// Counts one sample.
    pub fn push(&mut self, sample: &Sample<'_>) {
        let caller = self.tally.caller(&sample.caller);
        let kind = sample.endpoint;
        match shape::fault(sample, &self.options.fine_statuses) {
            Some(why) => {
                let target = self.shapes.path_shown(kind, &sample.target);
                self.tally.leave(sample, &caller, &target, why);
            }
            None => match self.shapes.read(kind, &sample.target) {
                Ok(shape) => self.tally.add(sample, caller, &shape),
                Err(why) => {
                    let target = shape::shown(&sample.target);
                    self.tally.leave(sample, &caller, &target, why);
                }
            },
        }
    }

    /// Counts a caller of whom no request was recorded.
    pub fn push_caller(&mut self, sample: &CallerSample<'_>) {
        self.tally.add_caller(sample);
    }

    /// Returns how many entries are held, which the limits bound.
    #[must_use]
    pub fn held(&self) -> usize {
        self.tally.held() + self.shapes.held()
    }

    /// Returns the most entries that are ever held.
    #[must_use]
    pub const fn held_at_most() -> usize {
        Tally::HELD_AT_MOST + Shapes::HELD_AT_MOST
    }

    /// Makes the profiles.
    #[must_use]
    pub fn finish(self) -> Learned {
        let grants = grant::Grants::of(&self.tally, &self.options);
        profile::written(&grants, &self.tally, &self.options)
    }
}

#[cfg(test)]
mod tests;
