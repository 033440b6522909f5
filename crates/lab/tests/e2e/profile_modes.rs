//! Modes that a profile sets by itself: an Audit that ends, and an assignment that is enforced first.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use latchkey_lab::binaries::{self, Binary};
use latchkey_lab::curl::Curl;
use latchkey_lab::system::{LIMIT, profile};
use latchkey_lab::{GuestPlan, ProcessError, Profile, wait};
use latchkey_protocol::{Mode, Reason};
use latchkey_record::audit::Outcome;
use latchkey_record::observation::SignatureFinding;
use latchkey_record::status::EndpointStatus;
use latchkey_record::{AgentStatus, AuditRecord, Coverage};
use serde_json::Value;

use crate::world::{INSTANCE, TOKEN, World};

/// How far ahead the end of Audit lies when it is set: time for the host and the agent to follow, on
/// a busy machine too, and for one request.
const AHEAD: Duration = Duration::from_secs(12);

/// The standard profile with changes.
fn changed(change: impl FnOnce(&mut Value)) -> Profile {
    let mut document = profile::standard().document();
    change(&mut document);
    Profile::written("changed", document)
}

fn audit_until(end: impl Display) -> Profile {
    changed(|item| item["auditUntil"] = end.to_string().into())
}

fn imds(status: &AgentStatus) -> &EndpointStatus {
    let mut endpoints = status.endpoints.iter();
    endpoints.find(|endpoint| endpoint.name == "imds").unwrap()
}

/// What a request came to: what was done, why not, and why Enforce would not have.
fn verdict(record: &AuditRecord) -> (Outcome, Option<Reason>, Option<Reason>) {
    (record.outcome, record.reason, record.would_refuse)
}

/// Waits until the kernel itself, asked what stands in its maps, has IMDS in this mode.
#[track_caller]
fn wait_for_kernel(world: &World, mode: Mode) {
    let guest = world.guest("vm");
    let doctor = guest
        .command("root", binaries::find(Binary::Cli).unwrap())
        .args(["doctor", "--coverage", "--format", "json", "--pins"])
        .arg(guest.pin_dir());
    let found = wait::until(LIMIT, || {
        let said = doctor.output(LIMIT)?.stdout_text();
        let coverage: Coverage = serde_json::from_str(&said).unwrap();
        let mut endpoints = coverage.endpoints.iter();
        let there = endpoints.find(|found| found.endpoint == "169.254.169.254:80");
        let there = there.unwrap_or_else(|| panic!("IMDS is not among them: {said}"));
        Ok::<_, ProcessError>((there.mode == mode).then_some(()))
    });
    assert!(found.unwrap().is_some(), "the kernel is not in {mode:?}");
}

/// Waits until the agent's next run would begin with IMDS in this mode.
#[track_caller]
fn wait_until_remembered(world: &World, mode: Mode) {
    let file = world.system.state_folder("vm").unwrap();
    let file = file.join("modes.json");
    let found = wait::until(LIMIT, || {
        let modes = std::fs::read_to_string(&file)?;
        let modes: BTreeMap<String, Mode> = serde_json::from_str(&modes)?;
        Ok::<_, std::io::Error>((modes["imds"] == mode).then_some(()))
    });
    assert!(found.unwrap().is_some(), "{mode:?} is not remembered");
}

#[test]
fn audit_that_ends_is_enforced_by_the_agent_and_its_kernel_without_a_word_of_the_host() {
    let mut world = World::start([GuestPlan::audit("vm")]);
    let end = world.system.wait_until_served("vm").unwrap().time + AHEAD;
    let change = |plan: GuestPlan| plan.with_profile(audit_until(end));
    world.system.change("vm", change).unwrap();
    let warned = |status: &AgentStatus| imds(status).audit_ends == Some(end);
    let before = world
        .system
        .wait_for_status("vm", "the end is near", warned)
        .unwrap();
    assert_eq!(imds(&before).mode, Mode::Audit);
    world.expect("vm", "www", &Curl::imds(TOKEN), 200);
    let record = world.record("vm", 1);
    let would_be = (Outcome::Forwarded, None, Some(Reason::CallerNotAssigned));
    assert_eq!(verdict(&record), would_be);
    world.wait_for_observed("vm", 1);

    world.system.kill_host().unwrap();
    let ended = "Audit has ended, it is Enforce";
    world.system.wait_for_agent_line("vm", ended).unwrap();
    let refusal = (403, "caller_not_assigned");
    world.expect_refusal("vm", "www", &Curl::imds(TOKEN), refusal);
    let record = world.record("vm", 2);
    let refused = (Outcome::Refused, Some(Reason::CallerNotAssigned), None);
    assert_eq!(verdict(&record), refused);
    assert_eq!(record.mode, Some(Mode::Enforce));
    let strict = |status: &AgentStatus| imds(status).mode == Mode::Enforce;
    let after = world.system.wait_for_status("vm", "Enforce", strict);
    let after = after.unwrap();
    assert_eq!(imds(&after).audit_ends, None);
    assert_eq!(imds(&after).rules_hash, imds(&before).rules_hash);
    wait_for_kernel(&world, Mode::Enforce);
    // Who restarts it meanwhile does not get Audit back.
    wait_until_remembered(&world, Mode::Enforce);
    world.system.kill_agent("vm").unwrap();
    world.system.start_agent("vm").unwrap();
    let strict = world.system.wait_for_status("vm", "still Enforce", strict);
    assert_eq!(imds(&strict.unwrap()).rules, None);

    world.system.start_host().unwrap();
    world.expect("vm", "app", &Curl::imds(TOKEN), 200);
    let seen = world.wait_for_observed("vm", 2).remove(1);
    let found = (seen.mode, seen.signature);
    assert_eq!(found, (Some(Mode::Enforce), SignatureFinding::Valid));
    world.end(&[("vm", 3)]);
}

#[test]
fn assignment_in_enforce_is_refused_for_its_privilege_and_the_rest_stays_in_audit() {
    let profile = changed(|item| {
        let assignments = item.pointer_mut("/rules/roleAssignments");
        let assignments = assignments.and_then(Value::as_array_mut).unwrap();
        let token = assignments
            .iter_mut()
            .find(|each| each["role"] == "get-token");
        token.unwrap()["mode"] = "Enforce".into();
    });
    let world = World::start([GuestPlan::audit("vm").with_profile(profile)]);
    let refusal = (403, "caller_not_assigned");
    world.expect_refusal("vm", "www", &Curl::imds(TOKEN), refusal);
    world.expect("vm", "app", &Curl::imds(TOKEN), 200);
    world.expect("vm", "mallory", &Curl::imds(INSTANCE), 200);
    world.expect("vm", "app", &Curl::imds("/metadata/versions"), 200);
    world.record("vm", 4);
    let records = world.system.audit("vm").unwrap();
    let found: Vec<_> = records.iter().map(verdict).collect();
    let (not_assigned, no_rule) = (Reason::CallerNotAssigned, Reason::NoMatchingRule);
    let expected = [
        (Outcome::Refused, Some(not_assigned), None),
        (Outcome::Forwarded, None, None),
        (Outcome::Forwarded, None, Some(not_assigned)),
        (Outcome::Forwarded, None, Some(no_rule)),
    ];
    assert_eq!(found, expected);
    let modes: Vec<_> = records.iter().map(|record| record.mode).collect();
    let (enforce, audit) = (Some(Mode::Enforce), Some(Mode::Audit));
    assert_eq!(modes[0], enforce);
    assert_eq!(modes[2..], [audit, audit]);
    assert_eq!(world.wait_for_observed("vm", 3).len(), 3);
    world.end(&[("vm", 4)]);
}
