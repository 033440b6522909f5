//! Signature headers that the agent did not make never reach the host.

use latchkey_lab::GuestPlan;
use latchkey_lab::curl::Curl;
use latchkey_record::observation::SignatureFinding;

use crate::world::{INSTANCE, TOKEN, World};

const KEY: &str = "9f1c0a52-5f7e-4a10-8a44-0d0c2f4d7b11";

/// A request with every header that a signed one has, made up by the caller, who claims to be root.
fn forged(target: &str) -> Curl {
    let mac = "0123456789ABCDEF".repeat(4);
    Curl::imds(target)
        .header(r#"x-ms-azure-host-claims: { "isRoot": "true"}"#)
        .header("x-ms-azure-host-date: Tue, 06 Jan 2026 07:08:09 GMT")
        .header(&format!(
            "x-ms-azure-host-authorization: Azure-HMAC-SHA256 {KEY} {mac}"
        ))
}

#[test]
fn forged_headers_are_replaced_by_the_agents_own() {
    let world = World::start([GuestPlan::enforce("vm")]);
    world.expect("vm", "app", &forged(TOKEN), 200);
    let seen = world.wait_for_observed("vm", 1).remove(0);
    assert_eq!(seen.signature, SignatureFinding::Valid, "{seen:?}");
    assert_eq!(
        seen.is_root,
        Some(false),
        "the claims are those of the real caller"
    );
    world.expect_refusal("vm", "www", &forged(TOKEN), (403, "caller_not_assigned"));
    assert_eq!(world.observed("vm").len(), 1);
    world.end(&[("vm", 2)]);
}

#[test]
fn other_spellings_of_the_signature_headers_do_not_reach_the_host() {
    let world = World::start([GuestPlan::enforce("vm")]);
    let spellings = [
        "X-MS-Azure-Host-Claims",
        "x_ms_azure_host_claims",
        "x-ms-azure-host_authorization",
        "x-ms-azure-host-anything",
    ];
    for name in spellings {
        let request = Curl::imds(INSTANCE).header(&format!("{name}: forged"));
        // The host refuses what it finds of them, so an answer says that it found nothing.
        world.expect("vm", "app", &request, 200);
    }
    for seen in world.wait_for_observed("vm", spellings.len()) {
        assert_eq!(
            (seen.signature, seen.is_root),
            (SignatureFinding::Valid, Some(false))
        );
    }
    world.end(&[("vm", spellings.len())]);
}

#[test]
fn header_named_by_connection_cannot_take_a_signed_one_away() {
    let world = World::start([GuestPlan::enforce("vm")]);
    let named = "Connection: close, x-ms-azure-host-claims, x-ms-azure-host-date";
    world.expect("vm", "app", &Curl::imds(INSTANCE).header(named), 200);
    let seen = world.wait_for_observed("vm", 1).remove(0);
    assert_eq!(
        (seen.signature, seen.is_root),
        (SignatureFinding::Valid, Some(false))
    );
    let refusal = (400, "connection_names_header");
    world.expect_refusal("vm", "app", &forged(INSTANCE).header(named), refusal);
    world.end(&[("vm", 2)]);
}

#[test]
fn forged_signature_from_a_guest_without_an_agent_is_refused() {
    let world = World::start([GuestPlan::enforce("vm").without_agent()]);
    let answer = world.expect("vm", "root", &forged(INSTANCE), 401);
    assert_eq!(answer.reason(), Some("unknown_key"));
    let seen = world.wait_for_observed("vm", 1).remove(0);
    assert_eq!(
        (seen.signature, seen.is_root),
        (SignatureFinding::Invalid, None)
    );
    world.end_with_strays(&[], 1);
}
