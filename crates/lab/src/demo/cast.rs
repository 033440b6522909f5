//! Who asks for what in the demo, and what must become of it.

use super::outcome::Cells;
use super::{AUDIT, BARE, ENFORCE};
use crate::curl::Curl;

/// What provisioning reads at boot, as cloud-init asks for it.
const INSTANCE: &str = "/metadata/instance?api-version=2021-08-01&extended=true";

/// A token of the machine's identity, as client libraries ask for it.
pub(super) const TOKEN: &str = "/metadata/identity/oauth2/token?api-version=2018-02-01\
                                &resource=https%3A%2F%2Fmanagement.azure.com";

/// The goal state, as provisioning agents ask for it.
const GOAL_STATE: &str = "/machine/?comp=goalstate";

/// One request of one caller.
pub(super) struct Act {
    pub(super) guest: &'static str,
    pub(super) user: &'static str,
    pub(super) what: &'static str,
    pub(super) request: Curl,
    pub(super) expected: Cells,
}

/// Returns all acts, in the order of the table.
pub(super) fn acts() -> Vec<Act> {
    let mut acts = in_audit();
    acts.extend(in_enforce());
    acts.extend(without_agent());
    acts
}

fn act(
    (guest, user): (&'static str, &'static str),
    (what, request): (&'static str, Curl),
    expected: [&str; 4],
) -> Act {
    let expected = Cells::from(expected);
    Act {
        guest,
        user,
        what,
        request,
        expected,
    }
}

fn in_audit() -> Vec<Act> {
    let allowed = ["allowed", "-", "yes", "200"];
    let let_through = ["let through", "caller_not_assigned", "yes", "200"];
    let root_only = ["refused", "root_required", "no", "not asked"];
    vec![
        act((AUDIT, "root"), instance(), allowed),
        act((AUDIT, "root"), goal_state(), allowed),
        act((AUDIT, "app"), token(), allowed),
        act((AUDIT, "www"), token(), let_through),
        act((AUDIT, "mallory"), token_over_mapped_ipv6(), let_through),
        act((AUDIT, "mallory"), goal_state(), root_only),
    ]
}

fn in_enforce() -> Vec<Act> {
    let allowed = ["allowed", "-", "yes", "200"];
    let refused = ["refused", "caller_not_assigned", "no", "not asked"];
    let root_only = ["refused", "root_required", "no", "not asked"];
    let direct = ["refused", "no_flow_record", "no", "not asked"];
    vec![
        act((ENFORCE, "root"), instance(), allowed),
        act((ENFORCE, "root"), goal_state(), allowed),
        act((ENFORCE, "app"), token(), allowed),
        act((ENFORCE, "www"), instance(), allowed),
        act((ENFORCE, "www"), token(), refused),
        act((ENFORCE, "mallory"), token_over_mapped_ipv6(), refused),
        act((ENFORCE, "mallory"), forged_token(), refused),
        act((ENFORCE, "mallory"), goal_state(), root_only),
        act((ENFORCE, "mallory"), token_at_the_listener(), direct),
    ]
}

fn without_agent() -> Vec<Act> {
    let unsigned = ["no agent", "-", "no", "401 signature_missing"];
    let forged = ["no agent", "-", "forged", "401 unknown_key"];
    vec![
        act((BARE, "root"), instance(), unsigned),
        act((BARE, "root"), goal_state(), unsigned),
        act((BARE, "app"), token(), unsigned),
        act((BARE, "mallory"), forged_token(), forged),
    ]
}

fn instance() -> (&'static str, Curl) {
    ("IMDS instance", Curl::imds(INSTANCE))
}

fn goal_state() -> (&'static str, Curl) {
    ("WireServer goal state", Curl::wireserver(GOAL_STATE))
}

fn token() -> (&'static str, Curl) {
    ("IMDS token", Curl::imds(TOKEN))
}

fn token_over_mapped_ipv6() -> (&'static str, Curl) {
    ("IMDS token by mapped IPv6", Curl::imds_mapped(TOKEN))
}

/// A token, with every header of a signed request made up by the caller, who claims to be root.
fn forged_token() -> (&'static str, Curl) {
    let (key, mac) = (
        "9f1c0a52-5f7e-4a10-8a44-0d0c2f4d7b11",
        "0123456789ABCDEF".repeat(4),
    );
    let request = Curl::imds(TOKEN)
        .header(r#"x-ms-azure-host-claims: { "isRoot": "true"}"#)
        .header("x-ms-azure-host-date: Tue, 06 Jan 2026 07:08:09 GMT")
        .header(&format!(
            "x-ms-azure-host-authorization: Azure-HMAC-SHA256 {key} {mac}"
        ));
    ("IMDS token, forged headers", request)
}

/// A token, asked for at the agent's own listener, past the kernel's redirect.
fn token_at_the_listener() -> (&'static str, Curl) {
    let request = Curl::url(format!("http://127.0.0.1:3080{TOKEN}"))
        .header("Host: 169.254.169.254")
        .header("Metadata: true");
    ("IMDS token at the agent", request)
}
