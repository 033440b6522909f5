//! Clocks that are far off: the agent dates by the host's, so that its own does not matter.
//!
//! A time namespace cannot change the wall clock. The agent's is put off by libfaketime; the
//! host's by a scripted host that says another time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use latchkey_lab::GuestPlan;
use latchkey_lab::curl::Curl;
use latchkey_record::observation::SignatureFinding;

use crate::scripted_host::ScriptedHost;
use crate::stray::{ask_signed_at, read_key};
use crate::world::{INSTANCE, World};

const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);

#[expect(
    clippy::disallowed_methods,
    reason = "what clocks show is held against the machine's own"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

#[test]
fn agent_whose_clock_is_years_off_still_signs_what_the_host_accepts() {
    let guests = [("behind", "-3y"), ("ahead", "+3y")];
    let mut world =
        World::start(guests.map(|(name, offset)| GuestPlan::enforce(name).with_clock(offset)));
    for (guest, _) in guests {
        world.system.wait_until_served(guest).unwrap();
        world.expect(guest, "app", &Curl::imds(INSTANCE), 200);
        assert_eq!(
            world.wait_for_observed(guest, 1)[0].signature,
            SignatureFinding::Valid
        );
        // The clock of this agent is off indeed.
        let recorded = world.record(guest, 1).time.as_second();
        let recorded = UNIX_EPOCH + Duration::from_secs(u64::try_from(recorded).unwrap());
        let difference = recorded
            .duration_since(now())
            .unwrap_or_else(|before| before.duration());
        assert!(difference > 2 * YEAR, "{difference:?}");
    }
    world.end(&guests.map(|(guest, _)| (guest, 1)));
}

#[test]
fn agent_follows_a_host_whose_clock_is_years_ahead() {
    let mut world = World::start([GuestPlan::enforce("vm")]);
    let mut host = ScriptedHost::replace(&mut world, "vm");
    host.change(|plan| plan["clockSeconds"] = (3 * YEAR).as_secs().into());
    host.wait_for_calls(2);
    world.expect("vm", "app", &Curl::imds(INSTANCE), 200);
    let date = host.seen().remove(0).date.unwrap();
    let date = httpdate::parse_http_date(&date).unwrap();
    assert!(date > now() + 2 * YEAR, "{date:?}");
    host.give_back(&mut world);
    // The real host's time holds again.
    world.expect("vm", "app", &Curl::imds(INSTANCE), 200);
    assert_eq!(
        world.wait_for_observed("vm", 1)[0].signature,
        SignatureFinding::Valid
    );
    world.end(&[("vm", 2)]);
}

#[test]
fn signature_of_another_time_is_refused_for_its_date() {
    let world = World::start([GuestPlan::enforce("vm")]);
    let key = read_key(&world, "vm");
    let minutes = |count: u64| Duration::from_secs(60 * count);
    for (date, expected) in [
        (now() - minutes(4), (200, None)),
        (now() + minutes(4), (200, None)),
        (now() - minutes(6), (401, Some("clock_skew"))),
        (now() + minutes(6), (401, Some("clock_skew"))),
        (now() - 3 * YEAR, (401, Some("clock_skew"))),
    ] {
        let answer = ask_signed_at(&world, "vm", &key, date);
        assert_eq!(
            (answer.status.unwrap(), answer.reason()),
            expected,
            "{answer:?}"
        );
    }
    world.end_with_strays(&[("vm", 0)], 3);
}
