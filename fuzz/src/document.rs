//! Profiles: what is read is kept by formatting and can be asked anything, and what is not is told with places.

use jiff::Timestamp;
use latchkey_policy::document::{Document, Form, format, read, read_bytes};
use latchkey_policy::export::{Export, ExportError, Severity, Target, Widening, export};
use latchkey_policy::lint::Context;
use latchkey_policy::{
    EndpointPolicy, KeyState, RuleSet, case, decide, diff, explain, lint, merge,
};
use latchkey_protocol::authorization::{AuthorizationItem, Identity, Privilege};
use latchkey_protocol::request::Meaning;
use latchkey_protocol::target::{canonical_path, canonical_text};
use latchkey_protocol::{Attributes, Caller, Elevation, Endpoint, EndpointKind, Request};

use super::spelling;

/// How many privileges and identities of a document are tried with each other.
const TRIED: usize = 8;

/// A document is read or refused with places; one that is read compiles, and formatting keeps it.
pub fn profile_document(bytes: &[u8]) {
    for form in [
        None,
        Some(Form::Item),
        Some(Form::Local),
        Some(Form::Rules),
        Some(Form::Version),
    ] {
        match read_bytes(bytes, form) {
            Ok(document) => {
                assert_formats(&document);
                assert_usable(&document);
            }
            Err(invalid) => {
                assert!(!invalid.problems().is_empty());
                for problem in invalid.problems() {
                    assert!(problem.place.offset <= bytes.len(), "{problem}");
                    assert!(problem.place.line >= 1 && problem.place.column >= 1);
                }
            }
        }
    }
    // What is not the reader's to refuse is the compiler's, and neither may fall over it.
    if let Ok(item) = serde_json::from_slice::<AuthorizationItem>(bytes) {
        let compiled = RuleSet::compile(&item).is_ok();
        if let Ok(document) = read_bytes(bytes, Some(Form::Item)) {
            assert_eq!(document.item, item, "both readers agree");
            assert!(compiled);
        }
    }
}

fn assert_formats(document: &Document) {
    let text = format(document);
    match read(&text, Some(document.form)) {
        Ok(again) => {
            assert_eq!(again, *document, "{text}");
            assert_eq!(format(&again), text);
        }
        Err(invalid) => panic!("{invalid}\n{text}"),
    }
}

/// Everything that can be asked of a document that is read is answered, and the answers agree.
fn assert_usable(document: &Document) {
    let item = &document.item;
    for kind in [EndpointKind::Imds, EndpointKind::WireServer] {
        let context = Context {
            endpoint: Some(kind),
            ..Context::default()
        };
        for finding in lint(item, &context) {
            let place = document.place(&finding.pointer);
            assert!(
                place.is_none_or(|place| place.offset <= document.text().len()),
                "{finding}"
            );
        }
        assert_explained(item, kind);
    }
    let same = diff::diff(item, item, EndpointKind::Imds);
    assert!(
        same.is_ok_and(|same| same.is_empty()),
        "a profile differs from itself"
    );
    let union = merge::merge(item, item, None);
    let union = union.map(|union| diff::diff(item, &union, EndpointKind::Imds));
    assert!(
        matches!(union, Ok(Ok(same)) if same.effects.is_empty()),
        "a profile grows by itself"
    );
    assert_exports(item);
}

/// What another tool is given is a document again, unless it could not be expressed.
fn assert_exports(item: &AuthorizationItem) {
    for (target, form) in [
        (Target::Local, Form::Local),
        (Target::Resource("westeurope".to_owned()), Form::Version),
    ] {
        match export(item, &target, &[], Widening::Accept) {
            Ok(export) => {
                let again = read(&export.text, Some(form));
                assert!(
                    again.is_ok() || is_told_unreadable(&export),
                    "{again:?}\n{}",
                    export.text
                );
            }
            Err(ExportError::Unsafe(losses)) => assert!(!losses.is_empty()),
            Err(error) => panic!("{error}"),
        }
    }
}

/// Other agents decode no rules; what is written for them is told then not to be readable here.
fn is_told_unreadable(export: &Export) -> bool {
    let mut losses = export.losses.iter();
    losses.any(|loss| {
        loss.severity == Severity::Differs && loss.pointer.contains("/queryParameters/")
    })
}

/// A request as a privilege describes it is covered by it, and the explanation of each decision is its own.
fn assert_explained(item: &AuthorizationItem, kind: EndpointKind) {
    let (Ok(endpoint), rules) = (case::endpoint(kind.as_str()), item.rules.clone()) else {
        panic!("{kind} is an endpoint");
    };
    let policy = match case::policy(&endpoint, Some(item)) {
        Ok(policy) => policy,
        Err(invalid) => panic!("{invalid}"),
    };
    let rules = rules.unwrap_or_default();
    let identities = rules.identities.iter().flatten().take(TRIED);
    let callers: Vec<Caller> = identities
        .map(caller)
        .chain([caller(&Identity::default())])
        .collect();
    for privilege in rules.privileges.iter().flatten().take(TRIED) {
        let Some(request) = request(privilege, &endpoint) else {
            continue;
        };
        for caller in &callers {
            assert_agrees(&request, caller, &policy, &privilege.name);
        }
    }
}

fn assert_agrees(request: &Request, caller: &Caller, policy: &EndpointPolicy, covering: &str) {
    let now = Timestamp::UNIX_EPOCH;
    let explanation = explain(request, caller, policy, KeyState::Held, now);
    let decision = decide(request.clone(), caller, policy, KeyState::Held, now);
    let rule = decision.basis().rule().map(ToString::to_string);
    assert_eq!(
        (explanation.verdict, explanation.reason),
        (decision.verdict(), decision.reason())
    );
    assert_eq!(
        (&explanation.rule, explanation.mode.effective),
        (&rule, decision.basis().mode())
    );
    assert!(!explanation.tree().is_empty());
    let mut privileges = explanation.rules.iter().flat_map(|rules| &rules.privileges);
    assert!(
        privileges.any(|known| known.name == covering),
        "`{covering}` does not cover its own request"
    );
}

/// Returns a request as the privilege describes it, if there is one that is not ambiguous.
fn request(privilege: &Privilege, endpoint: &Endpoint) -> Option<Request> {
    let (path, has_trailing_slash) = canonical_path(&privilege.path).ok()?;
    let parameters = privilege.query_parameters.iter().flat_map(|own| &own.0);
    let parameters =
        parameters.map(|(name, value)| Ok((canonical_text(name)?, canonical_text(value)?)));
    let parameters: Vec<_> = parameters
        .collect::<Result<_, latchkey_protocol::Reason>>()
        .ok()?;
    let target = spelling::path(&path, has_trailing_slash) + &spelling::query(&parameters);
    let method = privilege.methods.iter().flatten().next();
    let method = method.map_or("GET", String::as_str);
    let request = case::request(endpoint, method, target.as_bytes()).ok()?;
    matches!(request.meaning(), Meaning::Canonical(_)).then_some(request)
}

/// Returns a caller who is what the identity asks for, as far as it says it.
fn caller(identity: &Identity) -> Caller {
    let name = identity
        .process_name
        .as_ref()
        .map(|name| format!("/usr/bin/{name}"));
    let digests = identity.exe_sha256.iter().flatten();
    Caller {
        elevation: Elevation::Root,
        attributes: Ok(Attributes {
            user_name: identity.user_name.clone(),
            group_names: identity.group_name.iter().cloned().collect(),
            executable: identity.exe_path.clone().or(name),
            uid: identity.uid,
            gid: identity.gid,
            cgroup: identity.cgroup.clone(),
            systemd_unit: identity.systemd_unit.clone(),
            systemd_slice: identity.systemd_slice.clone(),
            container_id: identity.container_id.clone(),
            script_path: identity.script_path.clone(),
            exe_sha256: digests.map(|digest| digest.to_ascii_lowercase()).next(),
            ..Attributes::default()
        }),
    }
}
