//! The real host is killed, hangs, or comes back: what callers get meanwhile, and what the host
//! finds of it afterwards.
//!
//! In Enforce nothing leaves unsigned however the host behaves, nothing is lost from the records,
//! and rules that were in force stay in force.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use latchkey_lab::GuestPlan;
use latchkey_lab::curl::Curl;
use latchkey_lab::system::LIMIT;
use latchkey_protocol::Reason;
use latchkey_record::audit::Outcome;
use latchkey_record::observation::SignatureFinding;
use rustix::process::Signal;

use crate::world::{GOAL_STATE, INSTANCE, TOKEN, World};

#[test]
fn killed_host_is_502_and_serves_with_the_same_key_when_it_is_back() {
    let mut world = World::start([GuestPlan::enforce("vm")]);
    let before = world.system.wait_until_served("vm").unwrap().channel;
    world.expect("vm", "app", &Curl::imds(INSTANCE), 200);
    // What a killed host has not written yet is lost.
    world.wait_for_observed("vm", 1);
    world.system.kill_host().unwrap();
    let unreachable = (502, "upstream_unreachable");
    world.expect_refusal("vm", "app", &Curl::imds(INSTANCE), unreachable);
    world.expect_refusal("vm", "root", &Curl::wireserver(GOAL_STATE), unreachable);
    // Whom the rules refuse does not learn that the host is gone.
    let refusal = (403, "caller_not_assigned");
    world.expect_refusal("vm", "www", &Curl::imds(TOKEN), refusal);
    let record = &world.system.wait_for_audit("vm", 4).unwrap()[1];
    let found = (record.outcome, record.reason, record.signed);
    assert_eq!(
        found,
        (Outcome::Failed, Some(Reason::UpstreamUnreachable), false)
    );
    world.system.start_host().unwrap();
    world.expect("vm", "app", &Curl::imds(INSTANCE), 200);
    world.expect("vm", "www", &Curl::imds(TOKEN), 403);
    let after = world.system.wait_until_served("vm").unwrap();
    assert_eq!(
        (after.channel.key, after.channel.incarnation),
        (before.key, before.incarnation)
    );
    assert!(after.counters.contains(&("keys_latched".to_owned(), 1)));
    assert_eq!(
        world.wait_for_observed("vm", 2)[1].signature,
        SignatureFinding::Valid
    );
    world.end(&[("vm", 6)]);
}

#[test]
fn host_killed_and_restarted_under_load_loses_no_record_and_gets_nothing_unsigned() {
    let mut world = World::start([GuestPlan::enforce("vm")]);
    let is_over = AtomicBool::new(false);
    let command = Curl::imds(TOKEN).command(world.guest("vm"), "app");
    let ask = || {
        let mut statuses = Vec::new();
        while !is_over.load(Ordering::Relaxed) {
            let text = command.output(LIMIT).unwrap().stdout_text();
            statuses.push(text.get(9..12).unwrap_or_default().to_owned());
        }
        statuses
    };
    let statuses = std::thread::scope(|scope| {
        let asking = [scope.spawn(ask), scope.spawn(ask)];
        for _ in 0..3 {
            let seen = world.observed("vm").len();
            wait_for_more(&world, seen);
            world.system.kill_host().unwrap();
            world.system.start_host().unwrap();
        }
        wait_for_more(&world, world.observed("vm").len());
        is_over.store(true, Ordering::Relaxed);
        asking.map(|asking| asking.join().unwrap()).concat()
    });
    let of = |status: &str| statuses.iter().filter(|found| *found == status).count();
    assert_eq!(of("200") + of("502"), statuses.len(), "{statuses:?}");
    assert!(of("502") > 0, "nobody has noticed that the host was gone");
    let records = world.system.wait_for_audit("vm", statuses.len()).unwrap();
    let forwarded = records
        .iter()
        .filter(|record| record.outcome == Outcome::Forwarded);
    assert_eq!(forwarded.count(), of("200"));
    let seen = world.observed("vm");
    assert!(
        seen.iter()
            .all(|seen| seen.signature == SignatureFinding::Valid),
        "{seen:?}"
    );
    assert!(seen.len() <= statuses.len());
    world.end(&[("vm", statuses.len())]);
}

/// Waits until the host has observed more than so many requests.
fn wait_for_more(world: &World, than: usize) {
    let found = latchkey_lab::wait::until(LIMIT, || {
        let seen = world.system.observed("vm")?.len();
        Ok::<_, latchkey_lab::SystemError>((seen > than).then_some(()))
    });
    assert!(found.unwrap().is_some());
}

#[test]
fn host_that_hangs_is_504_in_time_and_gets_each_request_once() {
    let patience = Duration::from_secs(1);
    let mut world = World::start([GuestPlan::enforce("vm").with_patience(patience)]);
    let marked = |marker: &str| Curl::imds(&format!("{INSTANCE}&marker={marker}"));
    world.expect("vm", "app", &marked("before"), 200);
    world.system.signal_host(Signal::STOP).unwrap();
    let timeout = (504, "upstream_timeout");
    world.expect_refusal("vm", "app", &marked("first"), timeout);
    world.expect_refusal("vm", "root", &marked("second"), timeout);
    world.expect_refusal(
        "vm",
        "www",
        &Curl::imds(TOKEN),
        (403, "caller_not_assigned"),
    );
    world.system.signal_host(Signal::CONT).unwrap();
    world.expect("vm", "app", &marked("after"), 200);
    let record = &world.system.wait_for_audit("vm", 5).unwrap()[1];
    let found = (record.outcome, record.reason, record.signed);
    assert_eq!(
        found,
        (Outcome::Failed, Some(Reason::UpstreamTimeout), true)
    );
    let mut seen: Vec<_> = world
        .wait_for_observed("vm", 4)
        .into_iter()
        .map(|seen| (seen.target.unwrap(), seen.signature))
        .collect();
    seen.sort_by(|a, b| a.0.cmp(&b.0));
    let expected = ["after", "before", "first", "second"].map(|marker| {
        (
            format!("{INSTANCE}&marker={marker}"),
            SignatureFinding::Valid,
        )
    });
    assert_eq!(seen, expected);
    world.system.wait_until_served("vm").unwrap();
    world.end(&[("vm", 5)]);
}
