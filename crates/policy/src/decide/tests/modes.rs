//! Which mode counts for a refusal: the profile's, an assignment's, and what Audit becomes when it ends.

use super::*;

/// Alice may ask for the token, Bob for everything below `/m`; the modes are of their assignments.
fn rules(mode: &str, token: Option<&str>, wide: Option<&str>) -> EndpointPolicy {
    let item = serde_json::from_value(serde_json::json!({
        "defaultAccess": "Deny", "mode": mode, "id": "test", "auditUntil": "1970-01-01T00:01:00Z",
        "rules": {
            "privileges": [
                {"name": "token", "path": "/m/token", "methods": ["GET"]},
                {"name": "wide", "path": "/m"},
                {"name": "exact", "path": "/x", "pathMatch": "exact"}
            ],
            "roles": [
                {"name": "token", "privileges": ["token"]}, {"name": "wide", "privileges": ["wide"]}
            ],
            "identities": [{"name": "alice", "userName": "alice"}, {"name": "bob", "userName": "bob"}],
            "roleAssignments": [
                {"role": "token", "identities": ["alice"], "mode": token},
                {"role": "wide", "identities": ["bob"], "mode": wide}
            ]
        }
    }));
    let rules = RuleSet::compile(&item.unwrap()).unwrap();
    EndpointPolicy::in_force(Imds, Arc::new(rules))
}

fn at(second: i64) -> Timestamp {
    Timestamp::new(second, 0).unwrap()
}

fn judged(line: &str, caller: &Caller, policy: &EndpointPolicy, second: i64) -> (Verdict, Mode) {
    let decision = decide(request(Imds, line), caller, policy, Held, at(second));
    (decision.verdict(), decision.basis().mode())
}

const TOKEN: &str = "GET /m/token";
const AUDITED: (Verdict, Mode) = (Verdict::Audit, Mode::Audit);
const DENIED: (Verdict, Mode) = (Verdict::Deny, Mode::Enforce);

#[test]
fn assignment_enforces_while_the_profile_audits() {
    let policy = rules("Audit", Some("Enforce"), None);
    let mallory = user("mallory");
    assert_eq!(judged(TOKEN, &mallory, &policy, 0), DENIED);
    assert_eq!(judged("GET /m/other", &mallory, &policy, 0), AUDITED);
    assert_eq!(judged("POST /m/token", &mallory, &policy, 0), AUDITED);
    assert_eq!(judged("GET /n", &mallory, &policy, 0), AUDITED);
    let allowed = judged(TOKEN, &user("alice"), &policy, 0);
    assert_eq!(allowed, (Verdict::Allow, Mode::Audit));
    // Bob has a wider privilege.
    assert_eq!(judged(TOKEN, &user("bob"), &policy, 0).0, Verdict::Allow);
}

#[test]
fn restriction_on_trial_loosens_no_other_that_covers_the_request_as_well() {
    let mallory = user("mallory");
    let both = rules("Enforce", Some("Audit"), Some("audit"));
    assert_eq!(judged(TOKEN, &mallory, &both, 0), AUDITED);
    let one = rules("Enforce", Some("Audit"), None);
    assert_eq!(judged(TOKEN, &mallory, &one, 0), DENIED);
    // Nobody is assigned this one, so it is withheld in the profile's mode.
    assert_eq!(judged("GET /x", &mallory, &both, 0), DENIED);
}

#[test]
fn who_or_what_is_hidden_gets_nothing_that_an_assignment_enforces() {
    let policy = rules("Audit", Some("Enforce"), None);
    let gone = gone(Elevation::Unprivileged);
    assert_eq!(judged(TOKEN, &gone, &policy, 0), DENIED);
    assert_eq!(judged("GET /n", &gone, &policy, 0), AUDITED);
    for line in ["GET /m/./token", "GET /n/../m"] {
        assert_eq!(judged(line, &user("mallory"), &policy, 0), DENIED);
        assert_eq!(judged(line, &gone, &policy, 0), DENIED);
    }
    // A trial is for those who are known not to have the privilege.
    let trial = rules("Enforce", Some("Audit"), Some("Audit"));
    assert_eq!(judged(TOKEN, &gone, &trial, 0), DENIED);
    assert_eq!(
        judged("GET /m/./token", &user("mallory"), &trial, 0),
        DENIED
    );
}

#[test]
fn audit_that_has_ended_is_enforce_for_profile_and_assignments() {
    let (mallory, gone) = (user("mallory"), gone(Elevation::Unprivileged));
    let audit = rules("Audit", None, None);
    let trial = rules("Enforce", Some("Audit"), Some("Audit"));
    for (second, expected) in [(0, AUDITED), (59, AUDITED), (60, DENIED), (61, DENIED)] {
        assert_eq!(
            judged(TOKEN, &mallory, &audit, second),
            expected,
            "{second}"
        );
        assert_eq!(
            judged("GET /n", &mallory, &audit, second),
            expected,
            "{second}"
        );
        assert_eq!(
            judged("GET /./n", &mallory, &audit, second),
            expected,
            "{second}"
        );
        assert_eq!(judged(TOKEN, &gone, &audit, second), expected, "{second}");
        assert_eq!(
            judged(TOKEN, &mallory, &trial, second),
            expected,
            "{second}"
        );
        assert_eq!(audit.mode(at(second)), expected.1);
    }
    assert_eq!(audit.audit_until(), Some(at(60)));
    assert_eq!(trial.audit_until(), Some(at(60)));
    assert_eq!(rules("Enforce", None, None).audit_until(), None);
}

#[test]
fn disabled_stays_disabled_whatever_assignments_and_time_say() {
    let policy = rules("Disabled", Some("Enforce"), Some("Audit"));
    for second in [0, 61] {
        let allowed = (Verdict::Allow, Mode::Disabled);
        assert_eq!(judged(TOKEN, &user("mallory"), &policy, second), allowed);
    }
    assert_eq!(policy.audit_until(), None);
}
