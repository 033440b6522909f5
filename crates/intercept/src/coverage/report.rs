//! What was found: a verdict for each way, and whether it is one that should not be.

use std::fmt;
use std::net::SocketAddr;

use super::message::{Answer, Seen};
use super::way::Way;
use crate::endpoint::InterceptMode;

/// What becomes of a connection or packet on one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It arrives at the agent with the caller's identity.
    Brokered,
    /// The kernel refuses it.
    Refused,
    /// It passes because the endpoint is in Audit, and is counted.
    LetThrough,
    /// It passes and nothing noticed.
    Open,
    /// It passes, as it should: it is for another service of the same address.
    Untouched,
    /// It could not be tried here.
    NotTestable,
}

impl Verdict {
    /// Returns the stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Brokered => "brokered",
            Self::Refused => "refused",
            Self::LetThrough => "let_through",
            Self::Open => "open",
            Self::Untouched => "untouched",
            Self::NotTestable => "not_testable",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What one way led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The way.
    pub way: Way,
    /// What became of it.
    pub verdict: Verdict,
    /// Why, or what is missing to try it; empty when there is nothing to add.
    pub note: String,
    /// Whether this should not be so.
    pub is_finding: bool,
}

/// What the ways to one endpoint led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointCoverage {
    /// The address and port.
    pub endpoint: SocketAddr,
    /// Its mode in the kernel's map.
    pub mode: InterceptMode,
    /// One outcome for each way that leads there.
    pub outcomes: Vec<Outcome>,
}

/// What the programs cover on this kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// The kernel's release, as `uname -r` shows it.
    pub kernel: String,
    /// The protected endpoints.
    pub endpoints: Vec<EndpointCoverage>,
    /// What holds for the machine as a whole.
    pub machine: Vec<Outcome>,
}

impl Coverage {
    /// Returns how many outcomes should not be so.
    #[must_use]
    pub fn findings(&self) -> usize {
        let of_endpoints = self.endpoints.iter().flat_map(|found| &found.outcomes);
        let outcomes = of_endpoints.chain(&self.machine);
        outcomes.filter(|outcome| outcome.is_finding).count()
    }
}

/// Judges what was seen; `is_counted` says that the programs counted something that they let pass.
pub(super) fn judge(
    way: Way,
    mode: InterceptMode,
    answer: Answer,
    is_counted: impl FnOnce() -> bool,
) -> Outcome {
    let verdict = match answer.seen {
        Seen::Listener => Verdict::Brokered,
        Seen::Refused => Verdict::Refused,
        Seen::Impossible => Verdict::NotTestable,
        Seen::Passed if way.is_to_pass() => Verdict::Untouched,
        Seen::Passed if mode == InterceptMode::Audit && is_counted() => Verdict::LetThrough,
        Seen::Passed => Verdict::Open,
    };
    let residual = way.residual().filter(|_| verdict == Verdict::Open);
    let is_open = verdict == Verdict::Open && mode == InterceptMode::Enforce;
    // A guard that takes name resolution away breaks the machine in either mode.
    let is_overdone = way.is_to_pass() && verdict == Verdict::Refused;
    Outcome {
        way,
        verdict,
        note: residual.map_or(answer.note, str::to_owned),
        is_finding: (is_open && residual.is_none()) || is_overdone,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(way: Way, mode: InterceptMode, seen: Seen, is_counted: bool) -> (Verdict, bool) {
        let answer = Answer {
            seen,
            note: String::new(),
        };
        let outcome = judge(way, mode, answer, || is_counted);
        (outcome.verdict, outcome.is_finding)
    }

    #[test]
    fn what_passes_in_enforce_is_open_and_a_finding() {
        let found = verdict(Way::Tcp4, InterceptMode::Enforce, Seen::Passed, true);
        assert_eq!(found, (Verdict::Open, true));
    }

    #[test]
    fn what_passes_in_audit_is_let_through_if_it_was_counted_and_open_if_not() {
        let found = |is_counted| {
            let mode = InterceptMode::Audit;
            verdict(Way::RawIpv4, mode, Seen::Passed, is_counted)
        };
        assert_eq!(found(true), (Verdict::LetThrough, false));
        assert_eq!(found(false), (Verdict::Open, false));
    }

    #[test]
    fn way_that_nothing_in_the_guest_can_close_is_open_and_no_finding() {
        let found = verdict(
            Way::PacketBypass,
            InterceptMode::Enforce,
            Seen::Passed,
            false,
        );
        assert_eq!(found, (Verdict::Open, false));
    }

    #[test]
    fn another_port_is_untouched_and_a_finding_if_it_is_refused() {
        for mode in [InterceptMode::Audit, InterceptMode::Enforce] {
            let found = |seen| verdict(Way::OtherPortUdp, mode, seen, false);
            assert_eq!(found(Seen::Passed), (Verdict::Untouched, false));
            assert_eq!(found(Seen::Refused), (Verdict::Refused, true));
        }
    }
}
