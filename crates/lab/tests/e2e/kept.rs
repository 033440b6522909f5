//! Connections that are kept while their owner becomes something else, or hands them to another.

use latchkey_lab::GuestPlan;
use latchkey_lab::system::LIMIT;
use latchkey_protocol::Reason;
use latchkey_record::AuditRecord;
use latchkey_record::audit::Outcome;

use crate::world::{INSTANCE, World};

const CLIENT: &str = include_str!("kept_client.py");

/// What becomes of the caller or its connection, and what is said of the next request.
const LOST: [(&str, Reason); 5] = [
    ("executes-itself", Reason::CallerReplaced),
    ("executes-another", Reason::CallerReplaced),
    ("inherited", Reason::CallerReplaced),
    ("passed", Reason::CallerReplaced),
    ("orphaned", Reason::CallerGone),
];

/// Makes two requests over one connection and returns what was answered to the second.
fn second_answer(world: &World, guest: &str, change: &str) -> String {
    let guest = world.guest(guest);
    let other = guest.dir().join("another-python");
    std::fs::copy("/usr/bin/python3", &other).unwrap();
    let command = guest.command("app", "/usr/bin/python3");
    let command = command
        .args(["-c", CLIENT, change])
        .arg(&other)
        .arg(INSTANCE);
    let output = command.output(LIMIT).unwrap();
    let text = output.stdout_text();
    let lines: Vec<_> = text.lines().collect();
    let [first, second, "done"] = lines.as_slice() else {
        panic!("{change}: {output:?}");
    };
    assert_eq!(*first, format!("{change} first: 200 none"));
    let answer = second.strip_prefix(&format!("{change} second: "));
    answer.unwrap().to_owned()
}

/// What was recorded of the second of each two requests.
fn seconds(records: Vec<AuditRecord>) -> Vec<(Outcome, Option<Reason>, Option<Reason>, bool)> {
    let seconds = records.into_iter().skip(1).step_by(2);
    seconds
        .map(|record| {
            (
                record.outcome,
                record.reason,
                record.would_refuse,
                record.signed,
            )
        })
        .collect()
}

#[test]
fn connection_of_a_caller_that_is_lost_is_refused_in_enforce() {
    let world = World::start([GuestPlan::enforce("vm")]);
    for (change, reason) in LOST {
        let expected = format!("{} {}", reason.status(), reason.as_str());
        assert_eq!(second_answer(&world, "vm", change), expected, "{change}");
    }
    let records = world.system.wait_for_audit("vm", 10).unwrap();
    let expected = LOST.map(|(_, reason)| (Outcome::Refused, Some(reason), None, false));
    assert_eq!(seconds(records), expected);
    world.end(&[("vm", 10)]);
}

#[test]
fn connection_of_a_caller_that_is_lost_is_served_in_audit_and_recorded() {
    let world = World::start([GuestPlan::audit("vm")]);
    for (change, _) in LOST {
        assert_eq!(second_answer(&world, "vm", change), "200 none", "{change}");
    }
    let records = world.system.wait_for_audit("vm", 10).unwrap();
    let expected = LOST.map(|(_, reason)| (Outcome::Forwarded, None, Some(reason), true));
    assert_eq!(seconds(records), expected);
    world.end(&[("vm", 10)]);
}

#[test]
fn connection_of_a_caller_that_stays_what_it_was_is_served_in_enforce() {
    let world = World::start([GuestPlan::enforce("vm")]);
    assert_eq!(second_answer(&world, "vm", "unchanged"), "200 none");
    world.end(&[("vm", 2)]);
}
