//! Every change of the protection that was found: once when it appears, once when it is gone.
//!
//! Pure: no clock, no kernel, no logging. What somebody does again counts anew; what merely lasts
//! does not.

use jiff::Timestamp;
use latchkey_intercept::Finding;
use latchkey_record::protection::AlarmStatus;

/// At most this many are remembered; the oldest that is over makes room.
const MAX_ALARMS: usize = 128;

/// Who looks, and so who can tell that something is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// What this agent attached, pinned and wrote, every second.
    Own,
    /// The cgroups around it, every minute.
    Surroundings,
}

#[derive(Debug)]
struct Alarm {
    watch: Watch,
    finding: Finding,
    status: AlarmStatus,
}

/// What was found since the agent started.
#[derive(Debug, Default)]
pub struct Alarms(Vec<Alarm>);

impl Alarms {
    /// Takes what a look found and returns what of it is new.
    #[must_use]
    pub fn raise<'a>(
        &mut self,
        watch: Watch,
        found: &'a [Finding],
        now: Timestamp,
    ) -> Vec<&'a Finding> {
        let mut new = Vec::new();
        for finding in found {
            if self.raise_one(watch, finding, now) {
                new.push(finding);
            }
        }
        new
    }

    fn raise_one(&mut self, watch: Watch, finding: &Finding, now: Timestamp) -> bool {
        let mut known = self.0.iter_mut();
        let known = known.find(|alarm| alarm.watch == watch && alarm.finding == *finding);
        if let Some(alarm) = known {
            let is_anew = alarm.status.restored;
            if is_anew {
                alarm.status.last = now;
                alarm.status.count += 1;
                alarm.status.restored = false;
            }
            return is_anew;
        }
        self.make_room();
        self.0.push(Alarm {
            watch,
            finding: finding.clone(),
            status: AlarmStatus {
                code: finding.problem.as_str().to_owned(),
                detail: finding.to_string(),
                first: now,
                last: now,
                count: 1,
                restored: false,
                problem: None,
            },
        });
        true
    }

    /// What stands is never forgotten, so the list can outgrow its limit only with what stands.
    fn make_room(&mut self) {
        if self.0.len() < MAX_ALARMS {
            return;
        }
        if let Some(over) = self.0.iter().position(|alarm| alarm.status.restored) {
            self.0.remove(over);
        }
    }

    /// Takes what a later look still finds, and returns what is over.
    #[must_use]
    pub fn settle(&mut self, watch: Watch, left: &[Finding]) -> Vec<&Finding> {
        let alarms = self.0.iter_mut();
        let over = alarms.filter(|alarm| {
            let is_standing = alarm.watch == watch && !alarm.status.restored;
            is_standing && !left.contains(&alarm.finding)
        });
        over.map(|alarm| {
            alarm.status.restored = true;
            alarm.status.problem = None;
            &alarm.finding
        })
        .collect()
    }

    /// Notes why what stands could not be restored, and returns whether that is news.
    #[must_use]
    pub fn note_problem(&mut self, watch: Watch, problem: &str) -> bool {
        let mut is_news = false;
        for alarm in &mut self.0 {
            if alarm.watch == watch && !alarm.status.restored {
                is_news |= alarm.status.problem.as_deref() != Some(problem);
                alarm.status.problem = Some(problem.to_owned());
            }
        }
        is_news
    }

    /// Returns all of them, in the order of the first time.
    #[must_use]
    pub fn statuses(&self) -> Vec<AlarmStatus> {
        self.0.iter().map(|alarm| alarm.status.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use latchkey_intercept::Problem;

    use super::*;

    fn finding(subject: &str) -> Finding {
        Finding {
            problem: Problem::PinRemoved,
            subject: subject.to_owned(),
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn what_lasts_is_raised_once_and_what_is_done_again_anew() {
        let mut alarms = Alarms::default();
        let found = [finding("a")];
        assert_eq!(alarms.raise(Watch::Own, &found, at(1)).len(), 1);
        assert_eq!(alarms.raise(Watch::Own, &found, at(2)).len(), 0);
        assert_eq!(alarms.settle(Watch::Own, &found).len(), 0);
        assert_eq!(alarms.settle(Watch::Own, &[]), [&found[0]]);
        assert_eq!(alarms.settle(Watch::Own, &[]).len(), 0);
        assert_eq!(alarms.raise(Watch::Own, &found, at(3)).len(), 1);
        let statuses = alarms.statuses();
        let [status] = statuses.as_slice() else {
            panic!("{statuses:?}");
        };
        assert_eq!((status.first, status.last, status.count), (at(1), at(3), 2));
        assert!(!status.restored);
        assert_eq!(status.code, "pin_removed");
    }

    #[test]
    fn one_watch_does_not_end_what_the_other_found() {
        let mut alarms = Alarms::default();
        let found = [finding("a")];
        assert_eq!(alarms.raise(Watch::Surroundings, &found, at(1)).len(), 1);
        assert_eq!(alarms.settle(Watch::Own, &[]).len(), 0);
        assert!(!alarms.statuses()[0].restored);
    }

    #[test]
    fn reason_why_nothing_was_restored_is_news_once() {
        let mut alarms = Alarms::default();
        assert!(!alarms.note_problem(Watch::Own, "no bpf file system"));
        assert_eq!(alarms.raise(Watch::Own, &[finding("a")], at(1)).len(), 1);
        assert!(alarms.note_problem(Watch::Own, "no bpf file system"));
        assert!(!alarms.note_problem(Watch::Own, "no bpf file system"));
        assert_eq!(alarms.settle(Watch::Own, &[]).len(), 1);
        assert_eq!(alarms.statuses()[0].problem, None);
    }

    #[test]
    fn list_is_bounded_and_forgets_nothing_that_stands() {
        let mut alarms = Alarms::default();
        let standing = [finding("standing")];
        assert_eq!(alarms.raise(Watch::Own, &standing, at(0)).len(), 1);
        for second in 1..1_000 {
            let found = [standing[0].clone(), finding(&second.to_string())];
            assert_eq!(alarms.raise(Watch::Own, &found, at(second)).len(), 1);
            assert_eq!(alarms.settle(Watch::Own, &standing).len(), 1);
        }
        let statuses = alarms.statuses();
        assert_eq!(statuses.len(), MAX_ALARMS);
        assert!(statuses[0].detail.ends_with("standing"));
    }
}
