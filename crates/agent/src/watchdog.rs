//! Notices within a second when somebody changes the kernel's side, brings it back, and tells.
//!
//! Every change is logged, counted and listed in the status once. Where another agent has taken
//! over, or what was restored is changed again and again, it restores less and less often: it never
//! fights in a loop.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use latchkey_intercept::{Finding, GuardedLink, Interceptor};
use latchkey_record::protection::{self, ProgramStatus, ProtectionStatus, Surroundings, Tier};
use tokio::sync::watch;

use crate::alarms::{Alarms, Watch};
use crate::counters::Counters;
use crate::failure::with_causes;
use crate::neighbourhood::Neighbourhood;

/// How often the cgroups around ours are looked at.
const BETWEEN_SURVEYS: Duration = Duration::from_secs(60);

/// Watches over what an [`Interceptor`] has set up.
#[derive(Debug)]
pub struct Watchdog {
    alarms: Alarms,
    counters: Arc<Counters>,
    report: watch::Sender<ProtectionStatus>,
    allowance: Allowance,
    next_survey: Instant,
    surroundings: Option<Surroundings>,
    neighbours: Neighbourhood,
}

impl Watchdog {
    /// Starts to watch, and returns where the state of the protection can be read.
    #[must_use]
    pub fn over(
        interceptor: &Interceptor,
        counters: Arc<Counters>,
    ) -> (Self, watch::Receiver<ProtectionStatus>) {
        let (report, reader) = watch::channel(ProtectionStatus::default());
        let now = Instant::now();
        let watchdog = Self {
            alarms: Alarms::default(),
            counters,
            report,
            allowance: Allowance::full(now),
            next_survey: now,
            surroundings: None,
            neighbours: Neighbourhood::default(),
        };
        watchdog.tell(interceptor);
        (watchdog, reader)
    }

    /// Looks once, and restores what is not as it should be. Makes system calls: it may wait.
    pub fn look(&mut self, interceptor: &mut Interceptor) {
        let found = interceptor.check();
        self.raise(Watch::Own, &found);
        if found.is_empty() {
            self.settle(Watch::Own, &found);
        } else if self.allowance.take(Instant::now()) {
            self.restore(interceptor);
        }
        if Instant::now() >= self.next_survey {
            self.survey(interceptor);
            self.next_survey = Instant::now() + BETWEEN_SURVEYS;
        }
        self.tell(interceptor);
    }

    fn restore(&mut self, interceptor: &mut Interceptor) {
        let outcome = interceptor.restore();
        let left = interceptor.check();
        // Raised too, so that what restoring itself uncovers is not taken for restored.
        self.raise(Watch::Own, &left);
        self.settle(Watch::Own, &left);
        let Err(error) = outcome else {
            return;
        };
        if self.alarms.note_problem(Watch::Own, &with_causes(&error)) {
            tracing::error!(
                error = &error as &dyn Error,
                "the protection cannot be restored"
            );
        }
    }

    fn raise(&mut self, watch: Watch, found: &[Finding]) {
        for finding in self.alarms.raise(watch, found, Timestamp::now()) {
            self.counters.protection_alarms.add();
            tracing::error!(
                code = finding.problem.as_str(),
                detail = %finding,
                "the protection was changed by somebody else"
            );
        }
    }

    fn settle(&mut self, watch: Watch, left: &[Finding]) {
        for finding in self.alarms.settle(watch, left) {
            self.counters.protection_restored.add();
            tracing::warn!(
                code = finding.problem.as_str(),
                subject = finding.subject,
                "the protection is restored"
            );
        }
    }

    fn survey(&mut self, interceptor: &Interceptor) {
        let survey = match interceptor.surveyor().survey() {
            Ok(survey) => survey,
            Err(error) => return warn_of_no_survey(&error),
        };
        self.raise(Watch::Surroundings, &survey.findings);
        self.settle(Watch::Surroundings, &survey.findings);
        self.surroundings = Some(self.neighbours.follow(&survey));
    }

    fn tell(&self, interceptor: &Interceptor) {
        let programs: Vec<_> = interceptor
            .programs()
            .into_iter()
            .map(|program| ProgramStatus {
                name: program.name.to_owned(),
                hook: program.hook.to_owned(),
                attached: program.is_attached,
                kernel_feature: program.kernel.to_owned(),
                missing: program.missing,
            })
            .collect();
        self.report.send_replace(ProtectionStatus {
            tier: Tier::of(&programs),
            programs,
            surroundings: self.surroundings.clone(),
            alarms: self.alarms.statuses(),
            links: interceptor.guarded_links().iter().map(guarded).collect(),
        });
    }
}

fn guarded(link: &GuardedLink) -> protection::GuardedLink {
    let (guard, missing) = match &link.guard {
        Ok(kind) => (kind.as_str(), None),
        Err(error) => ("none", Some(with_causes(error))),
    };
    protection::GuardedLink {
        name: link.name.clone(),
        index: link.index,
        guard: guard.to_owned(),
        missing,
    }
}

fn warn_of_no_survey(error: &io::Error) {
    tracing::warn!(
        error = error as &dyn Error,
        "the cgroups around cannot be looked at"
    );
}

/// How often something may be restored: ten times at once, then once in ten seconds.
#[derive(Debug)]
struct Allowance {
    left: u32,
    since: Instant,
}

impl Allowance {
    const FULL: u32 = 10;
    const REFILL: Duration = Duration::from_secs(10);

    fn full(now: Instant) -> Self {
        Self {
            left: Self::FULL,
            since: now,
        }
    }

    fn take(&mut self, now: Instant) -> bool {
        while self.left < Self::FULL && now.duration_since(self.since) >= Self::REFILL {
            self.left += 1;
            self.since += Self::REFILL;
        }
        if self.left == Self::FULL {
            self.since = now;
        }
        let may = self.left > 0;
        self.left -= u32::from(may);
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restoring_is_prompt_at_first_and_rare_in_a_fight() {
        let start = Instant::now();
        let mut allowance = Allowance::full(start);
        let restored = |allowance: &mut Allowance, seconds: std::ops::Range<u64>| {
            let seconds = seconds.map(|second| start + Duration::from_secs(second));
            seconds.filter(|now| allowance.take(*now)).count()
        };
        assert_eq!(restored(&mut allowance, 0..9), 9);
        assert_eq!(restored(&mut allowance, 9..600), 1 + 59);
        // After some quiet time it is prompt again.
        assert_eq!(restored(&mut allowance, 10_000..10_010), 10);
    }
}
