//! Properties of comparing and uniting profiles, held against the decisions themselves.

use latchkey_policy::diff::{Direction, diff};
use latchkey_policy::merge::{MergeError, Prefer, merge};
use latchkey_protocol::Attributes;

use super::*;
use crate::strategy::{attributes, method, now};

/// How much is refused: a stricter verdict is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Allow,
    Audit,
    Deny,
}

fn verdict(
    item: &AuthorizationItem,
    (method, target): (&str, &str),
    attributes: &Attributes,
    now: Timestamp,
) -> Verdict {
    let endpoint = imds();
    let request = request(method, target, &endpoint).unwrap();
    let caller = Caller {
        elevation: Elevation::Unprivileged,
        attributes: Ok(attributes.clone()),
    };
    match decide(
        request,
        &caller,
        &policy(endpoint.kind, Some(item)),
        KeyState::Held,
        now,
    ) {
        Decision::Permitted(permit) if permit.would_refuse().is_none() => Verdict::Allow,
        Decision::Permitted(_) => Verdict::Audit,
        Decision::Refused(_) => Verdict::Deny,
    }
}

/// Two profiles that have some lists and settings in common.
fn pair() -> impl Strategy<Value = (AuthorizationItem, AuthorizationItem)> {
    (item(), item(), prop::array::uniform7(any::<bool>()))
        .prop_map(|(first, other, keep)| {
            let (own, others) = (first.rules.clone(), other.rules.clone());
            let (own, others) = (own.unwrap_or_default(), others.unwrap_or_default());
            let choose = |at: usize| keep[at];
            let second = AuthorizationItem {
                mode: if choose(0) { &first } else { &other }.mode.clone(),
                default_access: if choose(1) { &first } else { &other }
                    .default_access
                    .clone(),
                rules: Some(AccessControlRules {
                    privileges: if choose(2) { &own } else { &others }.privileges.clone(),
                    roles: if choose(3) { &own } else { &others }.roles.clone(),
                    identities: if choose(4) { &own } else { &others }.identities.clone(),
                    role_assignments: if choose(5) { &own } else { &others }
                        .role_assignments
                        .clone(),
                }),
                ..other
            };
            (first, second)
        })
        .prop_filter("both are whole", |(first, second)| {
            RuleSet::compile(first).is_ok() && RuleSet::compile(second).is_ok()
        })
}

/// The profile with other names, so that it can have none in common with another.
fn renamed(item: &AuthorizationItem) -> AuthorizationItem {
    let other = |name: &mut String| name.insert_str(0, "other-");
    let mut item = item.clone();
    let Some(rules) = &mut item.rules else {
        return item;
    };
    for privilege in rules.privileges.iter_mut().flatten() {
        other(&mut privilege.name);
    }
    for role in rules.roles.iter_mut().flatten() {
        other(&mut role.name);
        role.privileges.iter_mut().for_each(other);
    }
    for identity in rules.identities.iter_mut().flatten() {
        other(&mut identity.name);
    }
    for assignment in rules.role_assignments.iter_mut().flatten() {
        other(&mut assignment.role);
        assignment.identities.iter_mut().for_each(other);
    }
    item
}

/// The profile with every list in another order and its paths and parameters spelled otherwise.
fn reordered(item: &AuthorizationItem, spelling: &[u8]) -> AuthorizationItem {
    let mut item = item.clone();
    let Some(rules) = &mut item.rules else {
        return item;
    };
    let turn = spelling
        .iter()
        .map(|byte| usize::from(*byte))
        .sum::<usize>();
    fn turned<T>(list: &mut Option<Vec<T>>, by: usize) {
        if let Some(list) = list.as_mut().filter(|list| !list.is_empty()) {
            let by = by % list.len();
            list.rotate_left(by);
        }
    }
    turned(&mut rules.privileges, turn);
    turned(&mut rules.roles, turn);
    turned(&mut rules.identities, turn);
    turned(&mut rules.role_assignments, turn);
    for privilege in rules.privileges.iter_mut().flatten() {
        privilege.path = respell(&privilege.path, spelling);
        if let Some(parameters) = &mut privilege.query_parameters {
            parameters.0.reverse();
        }
    }
    for role in rules.roles.iter_mut().flatten() {
        role.privileges.reverse();
    }
    for assignment in rules.role_assignments.iter_mut().flatten() {
        assignment.identities.reverse();
    }
    item
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn verdicts_that_differ_are_an_effect_in_that_direction(
        (before, after) in pair(),
        requests in prop::collection::vec((method(), target(), attributes(), now()), 8),
    ) {
        let difference = diff(&before, &after, EndpointKind::Imds).unwrap();
        let says = |direction| difference.effects.iter().any(|effect| effect.direction == direction);
        for (method, target, attributes, now) in &requests {
            let old = verdict(&before, (method, target), attributes, *now);
            let new = verdict(&after, (method, target), attributes, *now);
            prop_assert!(new <= old || says(Direction::Narrows), "{target} {difference:?}");
            prop_assert!(new >= old || says(Direction::Widens), "{target} {difference:?}");
        }
    }

    #[test]
    fn what_is_gained_there_is_lost_on_the_way_back((before, after) in pair()) {
        let there = diff(&before, &after, EndpointKind::Imds).unwrap();
        let back = diff(&after, &before, EndpointKind::Imds).unwrap();
        let has = |effects: &[latchkey_policy::diff::Effect], direction| {
            effects.iter().any(|effect| effect.direction == direction)
        };
        let is_whole = before.mode != "Disabled" && after.mode != "Disabled";
        for (one, other) in [
            (Direction::Widens, Direction::Narrows),
            (Direction::Narrows, Direction::Widens),
        ] {
            let mirrored = has(&there.effects, one) == has(&back.effects, other);
            prop_assert!(mirrored || !is_whole, "{there:?} {back:?}");
        }
    }

    #[test]
    fn order_and_spelling_are_no_difference(item in item(), spelling in prop::collection::vec(0..4_u8, 1..8)) {
        let difference = diff(&item, &reordered(&item, &spelling), EndpointKind::Imds).unwrap();
        prop_assert!(difference.is_empty(), "{difference:?}");
    }

    #[test]
    fn names_have_no_effect(item in item()) {
        let difference = diff(&item, &renamed(&item), EndpointKind::Imds).unwrap();
        prop_assert!(difference.effects.is_empty(), "{difference:?}");
    }

    #[test]
    fn union_allows_exactly_what_either_allows(
        (first, second) in pair(),
        requests in prop::collection::vec((method(), target(), attributes(), now()), 8),
    ) {
        let denying = |item: &AuthorizationItem| AuthorizationItem {
            mode: "Enforce".to_owned(),
            default_access: "Deny".to_owned(),
            audit_until: None,
            ..item.clone()
        };
        let (first, second) = (denying(&first), renamed(&denying(&second)));
        let union = merge(&first, &second, None).unwrap();
        for (method, target, attributes, now) in &requests {
            let allows = |item| verdict(item, (method, target), attributes, *now) == Verdict::Allow;
            prop_assert_eq!(allows(&union), allows(&first) || allows(&second), "{}", target);
        }
    }

    #[test]
    fn union_by_preference_lets_nothing_through_that_neither_does(
        (first, second) in pair(),
        prefer in prop::sample::select(&[Prefer::First, Prefer::Second, Prefer::Strict][..]),
        requests in prop::collection::vec((method(), target(), attributes(), now()), 8),
    ) {
        let union = match merge(&first, &second, Some(prefer)) {
            Ok(union) => union,
            Err(MergeError::Conflicts(_)) if prefer == Prefer::Strict => return Ok(()),
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        };
        RuleSet::compile(&union).unwrap();
        for (method, target, attributes, now) in &requests {
            let [first, second, union] = [&first, &second, &union]
                .map(|item| verdict(item, (method, target), attributes, *now));
            prop_assert!(union >= first.min(second), "{target}: {union:?}");
        }
    }

    #[test]
    fn preferred_profile_keeps_its_grants((first, second) in pair()) {
        let denying = |item: AuthorizationItem| AuthorizationItem {
            mode: "Enforce".to_owned(),
            default_access: "Deny".to_owned(),
            audit_until: None,
            ..item
        };
        let (first, second) = (denying(first), denying(second));
        for (prefer, kept) in [(Prefer::First, &first), (Prefer::Second, &second)] {
            let union = merge(&first, &second, Some(prefer)).unwrap();
            let lost = diff(kept, &union, EndpointKind::Imds).unwrap().effects;
            let mut lost = lost.iter().filter(|effect| !effect.identities.is_empty());
            let lost = lost.find(|effect| effect.direction == Direction::Narrows);
            prop_assert!(lost.is_none(), "{lost:?}");
        }
    }

    #[test]
    fn union_with_itself_is_itself(item in item()) {
        let union = merge(&item, &item, None).unwrap();
        prop_assert!(diff(&item, &union, EndpointKind::Imds).unwrap().is_empty());
    }
}
