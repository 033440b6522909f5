//! What rule sets allow, as a table over profiles, targets and callers.

use super::*;

fn rules(default: &str, rules: &serde_json::Value) -> RuleSet {
    let item =
        serde_json::json!({"defaultAccess": default, "mode": "Enforce", "id": "x", "rules": rules});
    RuleSet::compile(&serde_json::from_value(item).unwrap()).unwrap()
}

fn caller(user: &str, groups: &[&str], executable: &str) -> Attributes {
    Attributes {
        user_name: Some(user.to_owned()),
        group_names: groups.iter().map(|group| (*group).to_owned()).collect(),
        executable: Some(executable.to_owned()),
        ..Attributes::default()
    }
}

fn verdict(rules: &RuleSet, target: &str, caller: &Attributes) -> String {
    let target = CanonicalTarget::parse(target).unwrap();
    let identities = rules.identify(caller);
    match rules.allow(&target, "GET", || &identities, Timestamp::UNIX_EPOCH) {
        Ok(rule) => rule.to_string(),
        Err(objection) => objection.reason.to_string(),
    }
}

/// Bob's secret lies below what is Alice's; nobody has `/frozen`.
fn overlapping(default: &str) -> RuleSet {
    rules(
        default,
        &serde_json::json!({
            "privileges": [
                {"name": "wide", "path": "/m"},
                {"name": "narrow", "path": "/m/secret"},
                {"name": "frozen", "path": "/frozen"}
            ],
            "roles": [
                {"name": "w", "privileges": ["wide"]},
                {"name": "n", "privileges": ["narrow"]},
                {"name": "unassigned", "privileges": ["frozen"]}
            ],
            "identities": [{"name": "a", "userName": "alice"}, {"name": "b", "userName": "bob"}],
            "roleAssignments": [
                {"role": "w", "identities": ["a"]},
                {"role": "n", "identities": []},
                {"role": "n", "identities": ["b"]}
            ]
        }),
    )
}

#[test]
fn any_covering_privilege_of_the_caller_allows() {
    let rules = overlapping("Deny");
    let (alice, bob) = (caller("alice", &[], "/a"), caller("bob", &[], "/a"));
    assert_eq!(
        verdict(&rules, "/m/secret", &alice),
        "privilege `wide` for identity `a`"
    );
    assert_eq!(
        verdict(&rules, "/m/secret/x", &bob),
        "privilege `narrow` for identity `b`"
    );
    assert_eq!(verdict(&rules, "/m/other", &bob), "caller_not_assigned");
}

#[test]
fn default_is_asked_only_when_no_privilege_covers_the_request() {
    let bob = caller("bob", &[], "/a");
    for (default, uncovered) in [("Allow", "default"), ("dENY", "no_matching_rule")] {
        let rules = overlapping(default);
        assert_eq!(verdict(&rules, "/mx", &bob), uncovered);
        assert_eq!(verdict(&rules, "/m", &bob), "caller_not_assigned");
        assert_eq!(verdict(&rules, "/frozen", &bob), "caller_not_assigned");
    }
}

#[test]
fn all_selectors_of_an_identity_must_hold_byte_for_byte() {
    let rules = rules(
        "Deny",
        &serde_json::json!({
            "privileges": [{"name": "p", "path": "/m"}],
            "roles": [{"name": "r", "privileges": ["p"]}],
            "identities": [{
                "name": "i", "userName": "alice", "groupName": "dev",
                "exePath": "//usr/bin//curl/", "processName": "curl"
            }],
            "roleAssignments": [{"role": "r", "identities": ["i"]}]
        }),
    );
    let is_allowed = |caller: &Attributes| verdict(&rules, "/m", caller).starts_with("privilege");
    assert!(is_allowed(&caller("alice", &["x", "dev"], "/usr/bin/curl")));
    for other in [
        caller("Alice", &["dev"], "/usr/bin/curl"),
        caller("alice", &["Dev"], "/usr/bin/curl"),
        caller("alice", &[], "/usr/bin/curl"),
        caller("alice", &["dev"], "/usr/local/bin/curl"),
        caller("alice", &["dev"], "/usr/bin/curl/"),
        Attributes {
            user_name: None,
            ..caller("", &["dev"], "/usr/bin/curl")
        },
        Attributes {
            executable: None,
            ..caller("alice", &["dev"], "")
        },
        Attributes::default(),
    ] {
        assert!(!is_allowed(&other), "{other:?}");
    }
}

#[test]
fn rule_texts_are_read_like_requests() {
    let rules = rules(
        "Deny",
        &serde_json::json!({
            "privileges": [{
                "name": "p", "path": "/Metadata//%49dentity",
                "queryParameters": {"Resource": "https%3A%2F%2FVault/", "flag": ""}
            }],
            "roles": [{"name": "r", "privileges": ["p"]}],
            "identities": [{"name": "i", "userName": "alice"}],
            "roleAssignments": [{"role": "r", "identities": ["i"]}]
        }),
    );
    let alice = caller("alice", &[], "/a");
    for target in [
        "/metadata/identity?resource=https://vault/&flag",
        "/METADATA/identity/?flag=&RESOURCE=https%3a//VAULT/",
    ] {
        assert_eq!(
            verdict(&rules, target, &alice),
            "privilege `p` for identity `i`",
            "{target}"
        );
    }
    for target in [
        "/metadata/identity?flag=",
        "/metadata/identity?flag=x&resource=https://vault/",
    ] {
        assert_eq!(
            verdict(&rules, target, &alice),
            "no_matching_rule",
            "{target}"
        );
    }
}

#[test]
fn default_rules_allow_and_say_so_in_their_hash() {
    let rules = RuleSet::default_rules(Mode::Audit);
    assert_eq!(
        (
            rules.mode(Timestamp::UNIX_EPOCH),
            rules.id(),
            rules.default_access()
        ),
        (Mode::Audit, None, Access::Allow)
    );
    assert_ne!(
        rules.content_hash(),
        RuleSet::default_rules(Mode::Enforce).content_hash()
    );
    assert_eq!(verdict(&rules, "/m", &caller("bob", &[], "/a")), "default");
}
