//! Warns of the end of Audit, which refuses from then on what it has let through.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use latchkey_policy::EndpointPolicy;
use latchkey_protocol::EndpointTable;

use crate::rules::PolicyReader;

/// How long before its end people are warned.
const WARNING: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How near the end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Far,
    Soon,
    Over,
}

fn stage(end: Timestamp, now: Timestamp) -> Stage {
    if now >= end {
        Stage::Over
    } else if end.duration_since(now) <= WARNING {
        Stage::Soon
    } else {
        Stage::Far
    }
}

/// Returns when the Audit of an endpoint ends, from a week before.
#[must_use]
pub fn soon(policy: &EndpointPolicy, now: Timestamp) -> Option<Timestamp> {
    let end = policy.audit_until()?;
    (stage(end, now) == Stage::Soon).then_some(end)
}

/// Tells each stage of each end once.
#[derive(Debug, Default)]
pub struct AuditEndWatch {
    /// By endpoint index: what was told last.
    told: HashMap<usize, (Timestamp, Stage)>,
}

impl AuditEndWatch {
    /// Looks at the time, and logs what is new.
    pub fn look(&mut self, endpoints: &EndpointTable, policies: &PolicyReader) {
        let now = policies.now();
        let current = policies.current();
        for (index, (endpoint, policy)) in endpoints.as_slice().iter().zip(&*current).enumerate() {
            let endpoint = &endpoint.name;
            match self.news(index, policy, now) {
                Some((ends, Stage::Soon)) => {
                    tracing::warn!(endpoint, %ends, "Audit ends within a week, then it is Enforce");
                }
                Some((ended, Stage::Over)) => {
                    tracing::warn!(endpoint, %ended, "Audit has ended, it is Enforce");
                }
                Some((_, Stage::Far)) | None => {}
            }
        }
    }

    fn news(
        &mut self,
        index: usize,
        policy: &EndpointPolicy,
        now: Timestamp,
    ) -> Option<(Timestamp, Stage)> {
        let Some(end) = policy.audit_until() else {
            self.told.remove(&index);
            return None;
        };
        let found = (end, stage(end, now));
        (self.told.insert(index, found) != Some(found)).then_some(found)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use latchkey_policy::RuleSet;
    use latchkey_protocol::EndpointKind;
    use latchkey_protocol::authorization::AuthorizationItem;

    use super::*;

    fn policy(mode: &str) -> EndpointPolicy {
        let item = AuthorizationItem {
            default_access: "Deny".to_owned(),
            mode: mode.to_owned(),
            audit_until: Some("2031-01-08T00:00:00Z".to_owned()),
            ..AuthorizationItem::default()
        };
        let rules = Arc::new(RuleSet::compile(&item).unwrap());
        EndpointPolicy::in_force(EndpointKind::Imds, rules)
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn end_is_told_a_week_before_and_when_it_is_over_and_each_once() {
        let (policy, mut watch) = (policy("Audit"), AuditEndWatch::default());
        let mut stage = |now: &str| watch.news(0, &policy, at(now)).map(|(_, stage)| stage);
        assert_eq!(stage("2030-12-31T23:59:59Z"), Some(Stage::Far));
        assert_eq!(stage("2031-01-01T00:00:00Z"), Some(Stage::Soon));
        assert_eq!(stage("2031-01-07T23:59:59Z"), None);
        assert_eq!(stage("2031-01-08T00:00:00Z"), Some(Stage::Over));
        assert_eq!(stage("2032-01-01T00:00:00Z"), None);
    }

    #[test]
    fn status_shows_the_end_in_the_last_week_alone() {
        let policy = policy("Audit");
        assert_eq!(soon(&policy, at("2030-12-31T23:59:59Z")), None);
        let end = at("2031-01-08T00:00:00Z");
        assert_eq!(soon(&policy, at("2031-01-01T00:00:00Z")), Some(end));
        assert_eq!(soon(&policy, end), None);
    }

    #[test]
    fn profile_without_audit_has_no_end_to_be_told() {
        let mut watch = AuditEndWatch::default();
        for mode in ["Enforce", "Disabled"] {
            let policy = policy(mode);
            assert_eq!(watch.news(0, &policy, at("2031-01-07T00:00:00Z")), None);
            assert_eq!(soon(&policy, at("2031-01-07T00:00:00Z")), None);
        }
    }
}
