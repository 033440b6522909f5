//! Puts a request to a learned profile as the agent would.

use std::sync::Arc;

use latchkey_policy::learn::{CallerSeen, Script};
use latchkey_policy::{Decision, EndpointPolicy, KeyState, RuleSet, decide};
use latchkey_protocol::authorization::AuthorizationItem;
use latchkey_protocol::flag::Flags;
use latchkey_protocol::head::{Parsed, parse};
use latchkey_protocol::{
    Attributes, Caller, Elevation, EndpointKind, EndpointTable, Flag, Mode, Request,
};

/// Returns whether the rules let a caller make a request in Enforce.
pub(crate) fn allows(
    item: &AuthorizationItem,
    endpoint: EndpointKind,
    line: (&str, &str),
    caller: &CallerSeen<'_>,
) -> bool {
    let item = AuthorizationItem {
        mode: "Enforce".to_owned(),
        ..item.clone()
    };
    let rules = Arc::new(RuleSet::compile(&item).unwrap());
    let policy = EndpointPolicy::in_force(endpoint, rules);
    let decision = decide(
        request(endpoint, line),
        &as_caller(caller),
        &policy,
        KeyState::Held,
        jiff::Timestamp::UNIX_EPOCH,
    );
    matches!(decision, Decision::Permitted(_))
}

fn request(endpoint: EndpointKind, (method, target): (&str, &str)) -> Request {
    let table = EndpointTable::azure(Mode::Enforce);
    let all = table.as_slice();
    let endpoint = all.iter().find(|own| own.kind == endpoint).unwrap();
    let text = format!(
        "{method} {target} HTTP/1.1\r\nHost: {}\r\n\r\n",
        endpoint.addresses[0]
    );
    match parse(text.as_bytes()).unwrap() {
        Parsed::Complete(head, _) => Request::read(*head, endpoint).unwrap(),
        Parsed::Partial => panic!("the head is whole: {text:?}"),
    }
}

fn as_caller(seen: &CallerSeen<'_>) -> Caller {
    let text = |text: &Option<std::borrow::Cow<'_, str>>| text.as_deref().map(str::to_owned);
    let script = seen.script.as_ref().map(|script| match script {
        Script::Executed(path) | Script::Guessed(path) => path.to_string(),
    });
    let flags = Flag::ALL.into_iter().fold(Flags::default(), |flags, flag| {
        flags.with(flag, Some(seen.flags.contains(&flag)))
    });
    Caller {
        elevation: if seen.root {
            Elevation::Root
        } else {
            Elevation::Unprivileged
        },
        attributes: Ok(Attributes {
            user_name: text(&seen.user),
            uid: seen.uid,
            executable: text(&seen.executable),
            systemd_unit: text(&seen.unit),
            script_path: script,
            flags,
            ..Attributes::default()
        }),
    }
}
