//! Holds machines to their rates: per machine and kind of request one leaky bucket that takes a second's worth at once.
//!
//! The bucket is one instant, as in the generic cell rate algorithm: the time at which it
//! will have run empty. A clock that steps back empties it.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::facts::Throttle;
use crate::machine::{Machine, MachineId};

/// What a bucket takes before it is full, in time.
const CAPACITY: SignedDuration = SignedDuration::from_secs(1);

/// What a request is about, as far as rates go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Subject {
    /// Anything else.
    General,
    /// Identities and their tokens.
    Identity,
}

/// A request that came too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMany {
    /// After how many seconds the next one is answered.
    pub(super) retry_after_seconds: i64,
}

/// The buckets of all machines.
#[derive(Debug, Default)]
pub(super) struct Buckets(Mutex<HashMap<(MachineId, Subject), Timestamp>>);

impl Buckets {
    /// Counts a request of a machine.
    pub(super) fn admit(
        &self,
        machine: &Machine,
        subject: Subject,
        now: Timestamp,
    ) -> Result<(), TooMany> {
        let Some(throttle) = &machine.facts.throttle else {
            return Ok(());
        };
        let drop = drop_time(throttle, subject);
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let empty_at = buckets.entry((machine.id.clone(), subject)).or_insert(now);
        let mut level = now.duration_until(*empty_at);
        if level.is_negative() || level > CAPACITY {
            level = SignedDuration::ZERO;
        }
        let filled = level + drop;
        if filled > CAPACITY {
            return Err(TooMany {
                retry_after_seconds: whole_seconds(filled - CAPACITY),
            });
        }
        // A time beyond the calendar's end empties the bucket, which is as good as any.
        *empty_at = now.checked_add(filled).unwrap_or(now);
        Ok(())
    }

    /// Forgets the buckets of all machines but these.
    pub(super) fn keep(&self, machines: &HashSet<&MachineId>) {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.retain(|(id, _), _| machines.contains(id));
    }
}

/// Returns the time that one request takes up.
fn drop_time(throttle: &Throttle, subject: Subject) -> SignedDuration {
    let rate = match subject {
        Subject::General => throttle.requests_per_second,
        Subject::Identity => throttle.identity_requests_per_second,
    };
    let nanoseconds = CAPACITY.as_nanos() / i128::from(rate.max(1));
    SignedDuration::from_nanos(i64::try_from(nanoseconds).unwrap_or(i64::MAX))
}

fn whole_seconds(wait: SignedDuration) -> i64 {
    wait.as_secs() + i64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::tests::machine;

    fn throttled(id: &str) -> Machine {
        let mut machine = machine(id, "10.0.0.4", None);
        machine.facts.throttle = Some(Throttle::default());
        machine
    }

    fn admitted(buckets: &Buckets, machine: &Machine, subject: Subject, now: Timestamp) -> usize {
        let ask = || buckets.admit(machine, subject, now).is_ok();
        std::iter::from_fn(|| ask().then_some(())).take(100).count()
    }

    #[test]
    fn second_takes_the_rate_and_a_part_of_it_takes_a_part() {
        let (buckets, web) = (Buckets::default(), throttled("web"));
        let now: Timestamp = "2026-01-06T07:08:09Z".parse().unwrap();
        assert_eq!(admitted(&buckets, &web, Subject::General, now), 5);
        let later = |millis| now + SignedDuration::from_millis(millis);
        assert_eq!(admitted(&buckets, &web, Subject::General, later(199)), 0);
        assert_eq!(admitted(&buckets, &web, Subject::General, later(400)), 2);
        assert_eq!(admitted(&buckets, &web, Subject::General, later(9000)), 5);
        assert_eq!(
            buckets.admit(&web, Subject::General, later(9000)),
            Err(TooMany {
                retry_after_seconds: 1
            })
        );
    }

    #[test]
    fn machines_and_subjects_do_not_share() {
        let (buckets, now) = (Buckets::default(), Timestamp::UNIX_EPOCH);
        let (web, app) = (throttled("web"), throttled("app"));
        assert_eq!(admitted(&buckets, &web, Subject::General, now), 5);
        assert_eq!(admitted(&buckets, &web, Subject::Identity, now), 20);
        assert_eq!(admitted(&buckets, &app, Subject::General, now), 5);
        let free = machine("free", "10.0.0.5", None);
        assert_eq!(admitted(&buckets, &free, Subject::General, now), 100);
    }

    #[test]
    fn bucket_lasts_as_long_as_its_machine() {
        let (buckets, now) = (Buckets::default(), Timestamp::UNIX_EPOCH);
        let (web, app) = (throttled("web"), throttled("app"));
        for machine in [&web, &app] {
            assert_eq!(admitted(&buckets, machine, Subject::General, now), 5);
        }
        buckets.keep(&HashSet::from([&web.id]));
        assert_eq!(buckets.0.lock().unwrap().len(), 1);
        assert_eq!(admitted(&buckets, &web, Subject::General, now), 0);
    }

    #[test]
    fn clock_that_steps_back_does_not_lock_a_machine_out() {
        let (buckets, web) = (Buckets::default(), throttled("web"));
        let now: Timestamp = "2026-01-06T07:08:09Z".parse().unwrap();
        assert_eq!(admitted(&buckets, &web, Subject::General, now), 5);
        let back = now - SignedDuration::from_hours(1);
        assert_eq!(admitted(&buckets, &web, Subject::General, back), 5);
    }
}
