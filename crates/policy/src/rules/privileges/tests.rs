//! Which privileges cover a request, in which order, and how many are looked at.

use super::*;
use crate::rules::assignments::{Assignment, Role};
use crate::rules::privilege::PathMatch;

fn names(privileges: &Privileges, target: &str) -> Vec<String> {
    let target = CanonicalTarget::parse(target).unwrap();
    privileges
        .covering(&target, "GET")
        .map(|condition| condition.name().to_string())
        .collect()
}

fn privilege(name: &str, path: &str, constraints: &[(&str, &str)]) -> Privilege {
    let (path, demands_slash) = latchkey_protocol::target::canonical_path(path).unwrap();
    let constraints = constraints
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let reach = Reach {
        path,
        path_match: PathMatch::Segments,
        demands_slash,
        methods: None,
        constraints: constraints.collect(),
    };
    Privilege {
        at: 0,
        name: Arc::from(name),
        reach,
    }
}

/// The privileges in this order, with no role.
fn unassigned(mut all: Vec<Privilege>) -> Privileges {
    number(&mut all);
    Privileges::build(all, &Assignments::default(), Mode::Enforce)
}

fn number(all: &mut [Privilege]) {
    for (at, privilege) in all.iter_mut().enumerate() {
        privilege.at = at;
    }
}

#[test]
fn every_segment_border_is_a_prefix() {
    assert_eq!(prefixes("/a/b").collect::<Vec<_>>(), ["/a/b", "/a", "/"]);
    assert_eq!(prefixes("/").collect::<Vec<_>>(), ["/"]);
    assert_eq!(prefixes("*").collect::<Vec<_>>(), ["*"]);
}

#[test]
fn paths_cover_whole_segments_and_the_longest_comes_first() {
    let all = vec![
        privilege("root", "/", &[]),
        privilege("below", "/a/", &[]),
        privilege("a", "/a", &[]),
        privilege("ab", "/a/b", &[]),
    ];
    let privileges = unassigned(all);
    assert_eq!(names(&privileges, "/a/b/c"), ["ab", "a", "below", "root"]);
    assert_eq!(names(&privileges, "/a"), ["a", "root"]);
    assert_eq!(names(&privileges, "/a/"), ["a", "below", "root"]);
    assert_eq!(names(&privileges, "/ab"), ["root"]);
    assert_eq!(names(&privileges, "/"), ["root"]);
    assert!(names(&privileges, "*").is_empty());
}

#[test]
fn all_constraints_of_a_privilege_must_hold() {
    let all = vec![
        privilege(
            "vault",
            "/t",
            &[("api-version", "1"), ("resource", "vault")],
        ),
        privilege(
            "storage",
            "/t",
            &[("api-version", "1"), ("resource", "storage")],
        ),
    ];
    let privileges = unassigned(all);
    assert_eq!(
        names(&privileges, "/t?resource=vault&x=y&api-version=1"),
        ["vault"]
    );
    assert!(names(&privileges, "/t?resource=vault").is_empty());
    assert!(names(&privileges, "/t?resource=&api-version=1").is_empty());
}

#[test]
fn privileges_that_differ_in_one_value_are_not_candidates_of_each_other() {
    let value = |at: usize| format!("r{at}");
    let all = (0..1000)
        .map(|at| {
            privilege(
                &value(at),
                "/t",
                &[("api-version", "1"), ("resource", &value(at))],
            )
        })
        .collect();
    let privileges = unassigned(all);
    let target = CanonicalTarget::parse("/t?api-version=1&resource=r7").unwrap();
    assert_eq!(privileges.by_path["/t"].candidates(&target).count(), 1);
    assert_eq!(names(&privileges, "/t?api-version=1&resource=r7"), ["r7"]);
}

/// A role for each privilege, which no or one assignment gives to nobody.
fn roles(count: usize, mode: impl Fn(usize) -> Option<Option<Mode>>) -> Assignments {
    let role = |at: usize| Role {
        name: Arc::from(format!("r{at}")),
        privileges: vec![at],
    };
    let assignment = |role| {
        mode(role).map(|mode| Assignment {
            role,
            identities: Vec::new(),
            mode,
        })
    };
    let all = (0..count).filter_map(assignment).collect();
    Assignments::build((0..count).map(role).collect(), all, 0)
}

#[test]
fn equal_reaches_are_one_candidate_that_knows_whose_privilege_it_is() {
    let mut all: Vec<_> = (0..1000)
        .map(|at| privilege(&format!("p{at}"), "/t", &[]))
        .collect();
    number(&mut all);
    let privileges = Privileges::build(all, &roles(1000, |_| None), Mode::Enforce);
    let target = CanonicalTarget::parse("/t").unwrap();
    let covering: Vec<_> = privileges.covering(&target, "GET").collect();
    assert_eq!(covering.len(), 1);
    let given = |roles: &[usize]| Some(covering[0].given_by(roles)?.name.to_string());
    assert_eq!(given(&[7]).as_deref(), Some("p7"));
    assert_eq!(given(&[5, 7]).as_deref(), Some("p5"));
    assert_eq!(
        given(&(990..3000).collect::<Vec<_>>()).as_deref(),
        Some("p990")
    );
    assert_eq!(given(&[1000]), None);
    assert_eq!(given(&[]), None);
}

#[test]
fn reach_is_withheld_in_the_strictest_mode_of_its_privileges() {
    let of = |modes: &[Option<Option<Mode>>], profile| {
        let mut all = vec![privilege("p", "/t", &[]); modes.len()];
        number(&mut all);
        let assignments = roles(modes.len(), |at| modes[at]);
        let privileges = Privileges::build(all, &assignments, profile);
        privileges.strictest().unwrap()
    };
    let (audit, enforce) = (Some(Some(Mode::Audit)), Some(Some(Mode::Enforce)));
    assert_eq!(of(&[audit], Mode::Enforce), Mode::Audit);
    assert_eq!(of(&[enforce], Mode::Audit), Mode::Enforce);
    assert_eq!(of(&[audit, enforce], Mode::Audit), Mode::Enforce);
    // Without a mode of its own an assignment has the profile's, and so has what nobody is assigned.
    assert_eq!(of(&[audit, Some(None)], Mode::Enforce), Mode::Enforce);
    assert_eq!(of(&[audit, None], Mode::Enforce), Mode::Enforce);
    assert_eq!(of(&[None], Mode::Audit), Mode::Audit);
}
