//! Heads of requests: each ends at one place, and all spellings of one target are decided alike.

use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use latchkey_policy::{Decision, EndpointPolicy, KeyState, RuleSet, Signing, decide};
use latchkey_protocol::authorization::AuthorizationItem;
use latchkey_protocol::head::{Parsed, RequestHead, parse};
use latchkey_protocol::request::Meaning;
use latchkey_protocol::target::{CanonicalTarget, canonical_path, canonical_text};
use latchkey_protocol::{
    Attributes, Caller, Elevation, Endpoint, EndpointTable, Mode, Reason, Request,
};

use super::spelling;

/// Rules that ask about all that rules can ask about a request.
const RULES: &str = r#"{"defaultAccess": "Deny", "mode": "Enforce", "id": "fuzz", "rules": {
    "privileges": [
        {"name": "all", "path": "/metadata"},
        {"name": "below", "path": "/machine/"},
        {"name": "one", "path": "/status", "pathMatch": "exact", "methods": ["PUT"]},
        {"name": "chosen", "path": "/a", "queryParameters": {"b": "c", "comp": "x y"}},
        {"name": "others", "path": "/metadata/identity"}],
    "roles": [
        {"name": "r", "privileges": ["all", "below", "one", "chosen"]},
        {"name": "none", "privileges": ["others"]}],
    "identities": [{"name": "i", "userName": "alice"}, {"name": "bob", "userName": "bob"}],
    "roleAssignments": [
        {"role": "r", "identities": ["i"]},
        {"role": "none", "identities": ["bob"]}]}}"#;

/// The rules in Enforce and in Audit.
static POLICIES: LazyLock<[Arc<RuleSet>; 2]> = LazyLock::new(|| {
    [Mode::Enforce, Mode::Audit].map(|mode| {
        let item = serde_json::from_str(RULES).map(|item| AuthorizationItem {
            mode: mode.to_string(),
            ..item
        });
        match item.map(|item| RuleSet::compile(&item)) {
            Ok(Ok(rules)) => Arc::new(rules),
            other => panic!("{other:?}"),
        }
    })
});

/// A request is read or refused, and means one thing however it is spelt.
pub fn canonical_request(bytes: &[u8]) {
    if let Ok(target) = std::str::from_utf8(bytes) {
        assert_stable(target);
    }
    let Ok(Parsed::Complete(head, length)) = parse(bytes) else {
        return;
    };
    assert_ends(bytes, &head, length);
    assert_stable(&head.target);
    for endpoint in EndpointTable::azure(Mode::Enforce).as_slice() {
        let own = head_for(&head, endpoint);
        for head in [&*head, &own] {
            assert_decided(head, endpoint);
        }
    }
}

/// What follows a head is no part of it, and what it lacks is missed.
fn assert_ends(bytes: &[u8], head: &RequestHead, length: usize) {
    let (whole, _) = bytes.split_at(length);
    let Ok(Parsed::Complete(alone, taken)) = parse(whole) else {
        panic!("the head needs what follows it");
    };
    assert_eq!(taken, length);
    let parts = |head: &RequestHead| (head.method.clone(), head.target.clone(), head.framing);
    assert_eq!(parts(&alone), parts(head));
    assert_eq!(
        (alone.version, &alone.headers),
        (head.version, &head.headers)
    );
    let (short, _) = bytes.split_at(length - 1);
    assert!(
        !matches!(parse(short), Ok(Parsed::Complete(..))),
        "the head ends before its end"
    );
}

/// The canonical form of a target is its own canonical form, and whoever decodes it once more reads it alike.
fn assert_stable(raw: &str) {
    let Ok(target) = CanonicalTarget::parse(raw) else {
        return;
    };
    let text = rendered(&target);
    match CanonicalTarget::parse(&text) {
        Ok(again) => assert_eq!(again, target, "{text}"),
        // Names and values that differ in spelling alone collide once they are spelt alike.
        Err(Reason::CollidingParameters) => {}
        Err(reason) => panic!("{text}: {reason}"),
    }
    let raw = raw.split_once('?').map_or(raw, |(path, _)| path);
    assert_eq!(segments(raw), segments(target.path()), "{raw}");
    if target.path() != "*" {
        let again = canonical_path(target.path());
        assert_eq!(again, Ok((target.path().to_owned(), false)));
    }
    for text in target
        .parameters()
        .iter()
        .flat_map(|(name, value)| [name, value])
    {
        let again = canonical_text(text);
        assert!(again.is_err() || again.as_ref() == Ok(text), "{text}");
    }
}

fn segments(path: &str) -> usize {
    path.split('/')
        .filter(|segment| !segment.is_empty())
        .count()
}

fn rendered(target: &CanonicalTarget) -> String {
    let path = spelling::path(target.path(), target.has_trailing_slash());
    path + &spelling::query(target.parameters())
}

/// Returns the head as it would be with the endpoint's own address for its host.
fn head_for(head: &RequestHead, endpoint: &Endpoint) -> RequestHead {
    let mut head = head.clone();
    let address = endpoint.addresses.first().map(ToString::to_string);
    let host = address.and_then(|address| address.parse().ok());
    head.headers.remove("host");
    if let Some(host) = host {
        head.headers.insert("host", host);
    }
    head
}

/// Nothing ambiguous is permitted in Enforce or signed, and a target is decided like its other spelling.
fn assert_decided(head: &RequestHead, endpoint: &Endpoint) {
    let Ok(request) = Request::read(head.clone(), endpoint) else {
        return;
    };
    for (elevation, user) in [
        (Elevation::Root, "root"),
        (Elevation::Unprivileged, "alice"),
        (Elevation::Root, "alice"),
    ] {
        let caller = caller(elevation, user);
        for rules in &*POLICIES {
            let policy = EndpointPolicy::in_force(endpoint.kind, Arc::clone(rules));
            let decision = decided(&request, &caller, &policy);
            assert_safe(&decision, policy.mode(Timestamp::UNIX_EPOCH));
            if let Some(other) = respelt(&request, endpoint) {
                assert_alike(&decision, &decided(&other, &caller, &policy));
            }
        }
    }
}

fn caller(elevation: Elevation, user: &str) -> Caller {
    Caller {
        elevation,
        attributes: Ok(Attributes {
            user_name: Some(user.to_owned()),
            ..Attributes::default()
        }),
    }
}

fn decided(request: &Request, caller: &Caller, policy: &EndpointPolicy) -> Decision {
    let now = Timestamp::UNIX_EPOCH;
    decide(request.clone(), caller, policy, KeyState::Held, now)
}

fn assert_safe(decision: &Decision, mode: Mode) {
    let Decision::Permitted(permit) = decision else {
        return;
    };
    let is_canonical = matches!(permit.request().meaning(), Meaning::Canonical(_));
    let is_signed = permit.signing() == Signing::Signed;
    assert!(is_canonical || !is_signed, "something ambiguous is signed");
    if mode == Mode::Enforce {
        assert!(is_canonical && permit.would_refuse().is_none());
        assert!(is_signed || permit.request().upload().is_some());
    }
}

/// Returns the same request with its target spelt canonically, if it has a canonical form.
fn respelt(request: &Request, endpoint: &Endpoint) -> Option<Request> {
    let Meaning::Canonical(target) = request.meaning() else {
        return None;
    };
    let head = RequestHead {
        target: rendered(target),
        ..request.head().clone()
    };
    let other = Request::read(head, endpoint).ok()?;
    // The two uploads are told by the target as received.
    (other.upload() == request.upload() && matches!(other.meaning(), Meaning::Canonical(_)))
        .then_some(other)
}

fn assert_alike(first: &Decision, second: &Decision) {
    let words = |decision: &Decision| {
        (
            decision.verdict(),
            decision.reason(),
            decision.basis().mode(),
        )
    };
    assert_eq!(words(first), words(second));
    assert_eq!(first.basis().rule(), second.basis().rule());
}
