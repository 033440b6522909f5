//! A decision allocates at most once, however many rules there are, and of a known caller not at all.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot be set up ends"
)]

use std::sync::Arc;

use allocation_counter::measure;
use jiff::Timestamp;
use latchkey_policy::{
    EndpointPolicy, KeyState, KnownIdentities, Question, RuleSet, Subject, Verdict, decide,
};
use latchkey_protocol::EndpointKind;

#[path = "../benches/decide/profile.rs"]
mod profile;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn policy(count: usize) -> EndpointPolicy {
    let rules = RuleSet::compile(&profile::item(count)).unwrap();
    EndpointPolicy::in_force(EndpointKind::Imds, Arc::new(rules))
}

#[test]
fn decision_allocates_at_most_once() {
    for count in [10, 100, 1_000, 10_000] {
        let policy = policy(count);
        let last = format!("user{}", count - 1);
        for (user, verdict) in [(last.as_str(), Verdict::Allow), ("nobody", Verdict::Deny)] {
            let (caller, request) = (profile::caller(user), profile::request(count));
            let mut decision = None;
            let used = measure(|| {
                decision = Some(decide(request, &caller, &policy, KeyState::Held, NOW));
            });
            assert_eq!(decision.unwrap().verdict(), verdict);
            assert!(used.count_total <= 1, "{count} {user}: {used:?}");
        }
    }
}

#[test]
fn further_question_of_a_known_caller_allocates_nothing() {
    let (policy, request) = (policy(100), profile::request(100));
    let caller = profile::caller("user99");
    let known = KnownIdentities::default();
    let subject = Subject::new(&caller, &policy, &known);
    let question = Question::from(&request);
    assert_eq!(
        subject.judge(&question, KeyState::Held, NOW).verdict(),
        Verdict::Allow
    );
    let mut finding = None;
    let used = measure(|| finding = Some(subject.judge(&question, KeyState::Held, NOW)));
    assert_eq!(finding.unwrap().verdict(), Verdict::Allow);
    assert_eq!(used.count_total, 0, "{used:?}");
}

#[test]
fn one_role_for_everybody_takes_no_entry_for_every_pair() {
    let mut item = profile::item(10_000);
    let rules = item.rules.as_mut().unwrap();
    let privileges = rules.privileges.as_ref().unwrap();
    let identities = rules.identities.as_ref().unwrap();
    let names = privileges.iter().map(|privilege| privilege.name.clone());
    let mut role = rules.roles.as_ref().unwrap()[0].clone();
    role.privileges = names.collect();
    let mut assignment = rules.role_assignments.as_ref().unwrap()[0].clone();
    assignment.identities = identities.iter().map(|i| i.name.clone()).collect();
    (rules.roles, rules.role_assignments) = (Some(vec![role]), Some(vec![assignment]));
    let used = measure(|| assert!(RuleSet::compile(&item).is_ok()));
    let megabyte = 1 << 20;
    assert!(used.bytes_max < 64 * megabyte, "{used:?}");
}
