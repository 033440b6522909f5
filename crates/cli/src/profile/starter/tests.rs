//! The shipped files against the requests that real clients sent and intruders would: each case of
//! `profiles/NAME/requests.jsonl`, decided as the agent decides.

use std::sync::Arc;

use latchkey_policy::{Decision, EndpointPolicy, KeyState, decide};
use latchkey_protocol::head::{Parsed, parse};
use latchkey_protocol::{Attributes, Caller, Elevation, EndpointTable, Request};
use serde::Deserialize;

use super::*;

const CASES: [(&str, &str); 3] = [
    (
        "cloud-init",
        include_str!("../../../../../profiles/cloud-init/requests.jsonl"),
    ),
    (
        "linux-agent",
        include_str!("../../../../../profiles/linux-agent/requests.jsonl"),
    ),
    (
        "managed-identity",
        include_str!("../../../../../profiles/managed-identity/requests.jsonl"),
    ),
];

/// A request line with what is expected of it.
#[derive(Debug, Deserialize)]
struct Case {
    id: String,
    expect: String,
    why: String,
    endpoint: String,
    method: String,
    target: String,
    caller: Claims,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Claims {
    user_name: String,
    user_groups: Vec<String>,
    process_full_path: String,
    run_as_elevated: bool,
    uid: u32,
    gid: u32,
    systemd_unit: Option<String>,
    script_path: Option<String>,
}

impl Claims {
    fn caller(self) -> Caller {
        let elevation = if self.run_as_elevated {
            Elevation::Root
        } else {
            Elevation::Unprivileged
        };
        let attributes = Attributes {
            user_name: Some(self.user_name),
            group_names: self.user_groups,
            executable: Some(self.process_full_path),
            uid: Some(self.uid),
            gid: Some(self.gid),
            systemd_unit: self.systemd_unit,
            script_path: self.script_path,
            ..Attributes::default()
        };
        Caller {
            elevation,
            attributes: Ok(attributes),
        }
    }
}

fn starter(names: &[&str]) -> Starter {
    Starter {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        endpoint: None,
        user: None,
        unit: None,
        mode: StarterMode::Enforce,
        format: Format::Text,
    }
}

/// Returns `allow` or `deny`, as these packs together answer in Enforce.
fn verdict(starter: &Starter, case: Case) -> &'static str {
    let table = EndpointTable::azure(Mode::Enforce);
    let mut endpoints = table.as_slice().iter();
    let endpoint = endpoints
        .find(|endpoint| endpoint.name == case.endpoint)
        .unwrap();
    let place = match case.endpoint.as_str() {
        "imds" => Endpoint::Imds,
        _ => Endpoint::Wireserver,
    };
    let rules = RuleSet::compile(&joined(starter, place).unwrap()).unwrap();
    let policy = EndpointPolicy::in_force(endpoint.kind, Arc::new(rules));
    let head = format!(
        "{} {} HTTP/1.1\r\nHost: {}:{}\r\n\r\n",
        case.method, case.target, endpoint.addresses[0], endpoint.port
    );
    let Parsed::Complete(head, _) = parse(head.as_bytes()).unwrap() else {
        panic!("{}: the head is whole", case.id);
    };
    let request = Request::read(*head, endpoint).unwrap();
    match decide(
        request,
        &case.caller.caller(),
        &policy,
        KeyState::Held,
        jiff::Timestamp::UNIX_EPOCH,
    ) {
        Decision::Permitted(_) => "allow",
        Decision::Refused(_) => "deny",
    }
}

fn assert_cases(starter: &Starter, pack: &str) {
    let (_, text) = CASES.iter().find(|(name, _)| *name == pack).unwrap();
    let mut wrong = Vec::new();
    for line in text.lines() {
        let case: Case = serde_json::from_str(line).unwrap();
        let expected = case.expect.clone();
        let told = format!("{} should be {expected}: {}", case.id, case.why);
        if verdict(starter, case) != expected {
            wrong.push(told);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_cloud_init_sends_is_allowed_and_what_others_send_is_not() {
    assert_cases(&starter(&["cloud-init"]), "cloud-init");
}

#[test]
fn what_the_linux_agent_sends_is_allowed_and_what_others_send_is_not() {
    assert_cases(&starter(&["linux-agent"]), "linux-agent");
}

#[test]
fn what_users_of_identities_send_is_allowed_and_what_others_send_is_not() {
    let starter = Starter {
        user: Some("app".to_owned()),
        ..starter(&["managed-identity"])
    };
    assert_cases(&starter, "managed-identity");
}

#[test]
fn packs_together_answer_each_case_as_each_alone() {
    let names: Vec<_> = PACKS.iter().map(|pack| pack.name).collect();
    let starter = Starter {
        user: Some("app".to_owned()),
        ..starter(&names)
    };
    for name in names {
        assert_cases(&starter, name);
    }
}

#[test]
fn every_pack_has_cases_of_both_kinds_and_every_file_begins_in_audit() {
    assert_eq!(CASES.map(|(name, _)| name), PACKS.map(|pack| pack.name));
    for (name, text) in CASES {
        for expected in ["allow", "deny"] {
            let word = format!("\"expect\": \"{expected}\"");
            assert!(text.contains(&word), "{name}: {expected}");
        }
    }
    for pack in PACKS {
        for endpoint in [Endpoint::Imds, Endpoint::Wireserver] {
            let item = pack.item(endpoint).unwrap();
            let words = item.map(|item| (item.mode, item.default_access));
            let expected = ("Audit".to_owned(), "Deny".to_owned());
            assert!(words.is_none() || words == Some(expected), "{}", pack.name);
        }
    }
}

#[test]
fn service_is_known_by_what_the_operator_names_and_nothing_else() {
    let named = |user: Option<&str>, unit: Option<&str>| Starter {
        user: user.map(str::to_owned),
        unit: unit.map(str::to_owned),
        ..starter(&["managed-identity"])
    };
    for (user, unit) in [
        (Some("web"), None),
        (None, Some("web.service")),
        (Some("web"), Some("web.service")),
    ] {
        let item = joined(&named(user, unit), Endpoint::Imds).unwrap();
        let identities = item.rules.unwrap().identities.unwrap();
        let selectors: Vec<_> = identities
            .iter()
            .map(|identity| {
                (
                    identity.user_name.as_deref(),
                    identity.systemd_unit.as_deref(),
                )
            })
            .collect();
        assert_eq!(selectors, [(user, unit)]);
    }
    let nameless = joined(&named(None, None), Endpoint::Imds).unwrap_err();
    assert_eq!(nameless.exit(), Exit::Usage);
    let wrong = profile(&named(None, Some("web")), Endpoint::Imds).unwrap_err();
    assert_eq!(wrong.exit(), Exit::Invalid);
}

#[test]
fn options_that_would_change_nothing_are_refused() {
    let stray = Starter {
        user: Some("web".to_owned()),
        ..starter(&["cloud-init"])
    };
    let error = joined(&stray, Endpoint::Imds).unwrap_err();
    assert!(matches!(error, StarterError::NoPlaceholder), "{error}");
    let nothing = joined(&starter(&["managed-identity"]), Endpoint::Wireserver).unwrap_err();
    assert!(matches!(nothing, StarterError::Nothing(_)), "{nothing}");
}
