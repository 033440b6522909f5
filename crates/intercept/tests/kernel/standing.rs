//! What the kernel says of a caller after it connected: the same, gone, replaced, or not the one
//! who sends.

use std::fs;
use std::io::Read as _;
use std::process::Command;

use latchkey_intercept::{
    Counter, Feature, FlowRecord, Gid, InterceptMode, Standing, SupplementaryGroups, Tid,
};

use crate::caller::Caller;
use crate::world::{
    Agent, METADATA, World, count, has_tracepoint, in_world, tells_senders, wait_until,
};

/// Connects and returns the record; the agent's side stays open as long as the stream.
fn connected(
    world: &World,
    agent: &Agent,
    caller: &mut Caller,
) -> (FlowRecord, std::net::TcpStream) {
    assert_eq!(caller.connect("INET tcp", METADATA), "ok");
    let (stream, _) = world.accept();
    let record = agent.flows().take(&stream).unwrap().expect("a flow record");
    (record, stream)
}

#[test]
fn only_features_whose_tracepoint_this_kernel_lacks_are_missing() {
    let mut expected = Vec::new();
    if !has_tracepoint("tcp_sendmsg_locked") {
        expected.push(Feature::HandoverBeforeSend);
        if !tells_senders() {
            expected.push(Feature::Handover);
        }
    }
    in_world(|world| {
        let interceptor = world.attach(InterceptMode::Enforce);
        let missing = interceptor.missing_features().iter();
        let missing: Vec<_> = missing.map(|each| each.feature).collect();
        assert_eq!(missing, expected);
    });
}

#[test]
fn caller_that_does_nothing_but_send_is_unchanged() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let mut caller = world.caller();
        let (record, _stream) = connected(world, &agent, &mut caller);
        assert_eq!(record.tid, Tid(record.pid.0));
        for _ in 0..2 {
            assert_eq!(
                agent.flows().standing(&record).unwrap(),
                Standing::Unchanged
            );
            assert_eq!(caller.ask("send x"), "ok");
        }
        assert_eq!(
            agent.flows().standing(&record).unwrap(),
            Standing::Unchanged
        );
        assert_eq!(count(&agent, Counter::HandedOver), 0);
    });
}

#[test]
fn exec_of_the_same_program_is_a_replacement() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let mut caller = world.caller();
        let (record, _stream) = connected(world, &agent, &mut caller);
        let program = fs::read_link(format!("/proc/{}/exe", caller.pid())).unwrap();
        let again = format!("execute {} -c input()", program.display());
        caller.tell(&again);
        wait_until("the caller has executed itself", || {
            agent.flows().standing(&record).unwrap() == Standing::Replaced
        });
        let now = fs::read_link(format!("/proc/{}/exe", caller.pid())).unwrap();
        assert_eq!(now, program);
    });
}

#[test]
fn caller_that_ended_is_gone() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let mut caller = world.caller();
        let (record, _stream) = connected(world, &agent, &mut caller);
        drop(caller);
        assert_eq!(agent.flows().standing(&record).unwrap(), Standing::Gone);
    });
}

#[test]
fn caller_that_ended_and_was_not_waited_for_is_gone() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let mut caller = world.caller();
        let (record, _stream) = connected(world, &agent, &mut caller);
        let pid = caller.pid().to_string();
        let killed = Command::new("kill").args(["-9", &pid]).status().unwrap();
        assert!(killed.success());
        wait_until("the caller is a zombie", || {
            agent.flows().standing(&record).unwrap() == Standing::Gone
        });
    });
}

#[test]
fn later_process_with_the_callers_number_is_another_one() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let mut caller = world.caller();
        let (record, _stream) = connected(world, &agent, &mut caller);
        let other = world.caller();
        let reused = FlowRecord {
            pid: other.pid(),
            tid: Tid(other.pid().0),
            ..record
        };
        assert_eq!(agent.flows().standing(&reused).unwrap(), Standing::Replaced);
    });
}

#[test]
fn caller_that_changes_its_credentials_is_replaced() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        for change in [
            "set-effective-user 1001",
            "set-groups 7 2",
            "become 1001 1001",
        ] {
            let mut caller = world.caller();
            let (record, _stream) = connected(world, &agent, &mut caller);
            assert_eq!(caller.ask(change), "ok");
            let standing = agent.flows().standing(&record).unwrap();
            assert_eq!(standing, Standing::Replaced, "{change}");
        }
    });
}

#[test]
fn groups_are_those_of_the_thread_that_connects() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let mut caller = world.caller();
        assert_eq!(caller.ask("set-groups 100 2"), "ok");
        assert_eq!(caller.ask("open INET tcp"), "ok");
        let in_thread = format!("in-thread set-groups-of-thread 5 4711 then connect {METADATA}");
        assert_eq!(caller.ask(&in_thread), "ok");
        let (stream, _) = world.accept();
        let record = agent.flows().take(&stream).unwrap().expect("a flow record");
        assert_ne!(record.tid, Tid(record.pid.0));
        assert_eq!(
            record.supplementary_groups,
            SupplementaryGroups::Known(vec![Gid(5), Gid(4711)])
        );
    });
}

#[test]
fn more_groups_than_a_record_holds_are_known_to_be_more() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let mut caller = world.caller();
        for (number, known) in [(64, true), (65, false)] {
            assert_eq!(caller.ask(&format!("set-groups 1000 {number}")), "ok");
            let (record, _stream) = connected(world, &agent, &mut caller);
            let expected = if known {
                SupplementaryGroups::Known((1000..1064).map(Gid).collect())
            } else {
                SupplementaryGroups::TooMany { count: 65 }
            };
            assert_eq!(record.supplementary_groups, expected);
            assert_eq!(
                agent.flows().standing(&record).unwrap(),
                Standing::Unchanged
            );
        }
    });
}

#[test]
fn child_that_sends_over_an_inherited_connection_is_noticed() {
    if !tells_senders() {
        println!("skipped: this kernel does not tell who sends over a connection");
        return;
    }
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let mut caller = world.caller();
        let (record, _stream) = connected(world, &agent, &mut caller);
        assert_eq!(caller.ask("in-child peer"), "ok");
        assert_eq!(
            agent.flows().standing(&record).unwrap(),
            Standing::Unchanged
        );
        assert_eq!(caller.ask("in-child send x"), "ok");
        assert_eq!(
            agent.flows().standing(&record).unwrap(),
            Standing::HandedOver
        );
        assert_eq!(count(&agent, Counter::HandedOver), 1);
    });
}

#[test]
fn mark_is_there_before_the_bytes_are() {
    if !has_tracepoint("tcp_sendmsg_locked") {
        println!("skipped: this kernel does not tell who is about to send");
        return;
    }
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let mut caller = world.caller();
        for _ in 0..50 {
            let (record, mut stream) = connected(world, &agent, &mut caller);
            caller.tell("in-child send x");
            stream.read_exact(&mut [0]).unwrap();
            assert_eq!(
                agent.flows().standing(&record).unwrap(),
                Standing::HandedOver
            );
            assert_eq!(caller.answer(), "ok");
        }
    });
}

#[test]
fn mark_of_a_connection_goes_with_its_record() {
    if !tells_senders() {
        println!("skipped: this kernel does not tell who sends over a connection");
        return;
    }
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let marks = || {
            let pin = world.config.pin_dir.join("map_handovers");
            let data = aya::maps::MapData::from_pin(pin).unwrap();
            let map = aya::maps::Map::from_map_data(data).unwrap();
            let map: aya::maps::HashMap<_, [u8; 48], u32> = map.try_into().unwrap();
            map.keys().count()
        };
        let mut caller = world.caller();
        let (record, _stream) = connected(world, &agent, &mut caller);
        assert_eq!(marks(), 1);
        drop(record);
        assert_eq!(marks(), 0);
        assert_eq!(caller.connect("INET tcp", METADATA), "ok");
        assert_eq!(marks(), 1);
        assert_eq!(caller.ask("reset"), "ok");
        wait_until("the mark is removed", || marks() == 0);
    });
}

/// Printed with `--no-capture`; the bound only catches a look that waits for something.
#[test]
fn look_at_a_caller_takes_microseconds() {
    const LOOKS: u32 = 2_000;
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let mut caller = world.caller();
        let (record, _stream) = connected(world, &agent, &mut caller);
        let start = std::time::Instant::now();
        for _ in 0..LOOKS {
            assert_eq!(
                agent.flows().standing(&record).unwrap(),
                Standing::Unchanged
            );
        }
        let each = start.elapsed() / LOOKS;
        eprintln!("one look takes {each:?}");
        assert!(each < std::time::Duration::from_millis(1), "{each:?}");
    });
}
