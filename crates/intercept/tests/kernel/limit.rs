//! A cgroup that asks for too much is refused, and nobody else is.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use aya::maps::{HashMap, Map, MapData};
use latchkey_intercept::{Counter, InterceptMode, KernelLimits};

use crate::caller::{Caller, Namespace};
use crate::world::{
    METADATA, METADATA_MAPPED, NATIVE, World, accept, count, has_connection, in_world, wait_until,
};

const REFUSED: &str = "ECONNREFUSED";
const BURST: u32 = 40;

/// A burst, and then so little that it does not matter beside it.
fn slow() -> KernelLimits {
    KernelLimits {
        connects_per_second: number(1),
        burst: number(BURST),
        ..KernelLimits::default()
    }
}

fn few_open(connections: u32) -> KernelLimits {
    KernelLimits {
        open_connections: number(connections),
        ..KernelLimits::default()
    }
}

fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

fn caller_in(world: &World, cgroup: &str) -> Caller {
    Caller::start(&world.cgroup_below(cgroup), &Namespace::Own)
}

/// Connects until it is refused, and returns how often it was not.
fn connect_until_refused(world: &World, caller: &mut Caller) -> u32 {
    let mut connected = 0;
    loop {
        let answer = caller.connect("INET tcp", METADATA);
        if answer == REFUSED {
            return connected;
        }
        assert_eq!(answer, "ok");
        drop(world.accept());
        connected += 1;
        assert!(connected < 2 * BURST, "never refused");
    }
}

/// Opens a connection that stays open.
fn hold(caller: &mut Caller) -> String {
    let answer = caller.connect("INET tcp", METADATA);
    if answer == "ok" {
        caller.ask("keep");
    }
    answer
}

/// The open connections of each cgroup as the programs count them, opened by the map's pin.
fn shares(world: &World) -> HashMap<MapData, u64, u64> {
    let data = MapData::from_pin(world.config.pin_dir.join("map_shares")).unwrap();
    Map::from_map_data(data).unwrap().try_into().unwrap()
}

fn wait_until_no_share_is_taken(world: &World) {
    wait_until("every share is given back", || {
        shares(world).keys().count() == 0
    });
}

#[test]
fn greedy_cgroup_is_refused_and_its_sibling_is_not() {
    in_world(|world| {
        let agent = world.limited_agent(slow(), InterceptMode::Enforce);
        let [mut greedy, mut sibling] = ["greedy", "sibling"].map(|name| caller_in(world, name));
        assert!(connect_until_refused(world, &mut greedy) >= BURST);
        assert_eq!(count(&agent, Counter::RateLimitedRefused), 1);
        assert_eq!(sibling.connect("INET tcp", METADATA), "ok");
        assert_eq!(count(&agent, Counter::RateLimitedRefused), 1);
        assert!(!has_connection(&world.metadata, Duration::ZERO));
    });
}

#[test]
fn root_is_refused_for_its_own_greed_only() {
    in_world(|world| {
        let agent = world.limited_agent(slow(), InterceptMode::Enforce);
        let mut platform = caller_in(world, "system/platform-agent");
        let mut greedy = caller_in(world, "user/greedy");
        assert_eq!(greedy.ask("become 1001 1001"), "ok");
        connect_until_refused(world, &mut greedy);
        assert!(connect_until_refused(world, &mut platform) >= BURST);
        assert_eq!(count(&agent, Counter::RateLimitedRefused), 2);
    });
}

#[test]
fn cgroups_below_the_third_level_share_one_bucket() {
    in_world(|world| {
        let _agent = world.limited_agent(slow(), InterceptMode::Enforce);
        let paths = [
            "user/1000/manager/a",
            "user/1000/manager/b/c",
            "user/1000/session",
        ];
        let [mut first, mut second, mut session] = paths.map(|path| caller_in(world, path));
        let start = Instant::now();
        let together =
            connect_until_refused(world, &mut first) + connect_until_refused(world, &mut second);
        let refilled = u32::try_from(start.elapsed().as_secs()).unwrap() + 1;
        assert!((BURST..=BURST + refilled).contains(&together), "{together}");
        assert!(connect_until_refused(world, &mut session) >= BURST);
    });
}

#[test]
fn refused_cgroup_connects_again_after_a_while() {
    in_world(|world| {
        let _agent = world.limited_agent(slow(), InterceptMode::Enforce);
        let mut caller = caller_in(world, "greedy");
        connect_until_refused(world, &mut caller);
        wait_until("there is a token again", || {
            caller.connect("INET tcp", METADATA) == "ok"
        });
    });
}

#[test]
fn cgroup_that_holds_its_share_is_refused_and_its_sibling_is_not() {
    in_world(|world| {
        let agent = world.limited_agent(few_open(3), InterceptMode::Enforce);
        let [mut greedy, mut sibling] = ["greedy", "sibling"].map(|name| caller_in(world, name));
        for _ in 0..3 {
            assert_eq!(hold(&mut greedy), "ok");
            // The agent's taking of the record changes nothing: the connection is still open.
            let (stream, _) = world.accept();
            assert!(agent.flows().take(&stream).unwrap().is_some());
        }
        assert_eq!(hold(&mut greedy), REFUSED);
        assert_eq!(count(&agent, Counter::ShareExceededRefused), 1);
        assert_eq!(hold(&mut sibling), "ok");

        assert_eq!(greedy.ask("close-kept 1"), "ok");
        wait_until("a closed connection is given back", || {
            hold(&mut greedy) == "ok"
        });
        assert_eq!(hold(&mut greedy), REFUSED);
    });
}

#[test]
fn limits_of_the_next_agent_hold_for_what_is_open_already() {
    in_world(|world| {
        let mut caller = caller_in(world, "greedy");
        for may_hold in [2, 3] {
            let _agent = world.limited_agent(few_open(may_hold), InterceptMode::Enforce);
            while hold(&mut caller) == "ok" {}
            let own = shares(world).iter().next().unwrap().unwrap();
            assert_eq!(own.1, u64::from(may_hold));
        }
    });
}

#[test]
fn what_a_killed_process_held_is_given_back() {
    in_world(|world| {
        let _agent = world.limited_agent(few_open(3), InterceptMode::Enforce);
        let mut killed = caller_in(world, "greedy");
        let mut next = caller_in(world, "greedy");
        while hold(&mut killed) == "ok" {}
        assert_eq!(hold(&mut next), REFUSED);
        drop(killed);
        wait_until_no_share_is_taken(world);
        for _ in 0..3 {
            assert_eq!(hold(&mut next), "ok");
        }
        assert_eq!(hold(&mut next), REFUSED);
    });
}

#[test]
fn connection_that_never_came_about_is_given_back() {
    in_world(|world| {
        let _agent = world.limited_agent(few_open(1), InterceptMode::Enforce);
        let mut caller = caller_in(world, "slow");
        for _ in 0..3 {
            assert_eq!(caller.ask("open INET tcp"), "ok");
            assert_eq!(caller.ask("hear-nothing"), "ok");
            let syn = format!("send-syn {METADATA}");
            assert_eq!(caller.ask(&syn), "EINPROGRESS");
            assert_eq!(shares(world).keys().count(), 1);
            assert_eq!(caller.ask("reset"), "ok");
            wait_until_no_share_is_taken(world);
        }
    });
}

#[test]
fn connection_of_any_kind_of_socket_is_given_back() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let mut caller = caller_in(world, "mixed");
        for (kind, destination) in [
            ("INET tcp", METADATA),
            ("INET6 tcp", METADATA_MAPPED),
            ("INET6 tcp", NATIVE),
            ("INET mptcp", METADATA),
        ] {
            let before = count(&agent, Counter::FlowPublished);
            assert_eq!(caller.connect(kind, destination), "ok");
            assert_eq!(shares(world).keys().count(), 1, "{kind}");
            assert_eq!(caller.ask("reset"), "ok");
            wait_until_no_share_is_taken(world);
            assert_eq!(count(&agent, Counter::FlowPublished), before + 1);
        }
    });
}

#[test]
fn shares_stay_exact_when_connections_come_and_go_at_once() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let mut callers = [(); 3].map(|()| caller_in(world, "busy"));
        for caller in &mut callers {
            assert_eq!(caller.ask(&format!("start-connecting {METADATA}")), "ok");
        }
        wait_until("many connections came and went", || {
            while has_connection(&world.listener, Duration::ZERO) {
                drop(world.accept());
            }
            count(&agent, Counter::FlowPublished) > 300
        });
        for caller in &mut callers {
            caller.ask("stop-connecting");
        }
        wait_until_no_share_is_taken(world);
        assert_eq!(count(&agent, Counter::FlowTableFull), 0);
    });
}

#[test]
fn audit_passes_what_exceeds_a_limit_and_counts_it() {
    in_world(|world| {
        let limits = KernelLimits {
            burst: number(2),
            connects_per_second: number(1),
            open_connections: number(1),
        };
        let agent = world.limited_agent(limits, InterceptMode::Audit);
        let mut caller = caller_in(world, "greedy");
        wait_until("both limits are exceeded", || {
            assert_eq!(hold(&mut caller), "ok");
            let passed = [Counter::RateLimitedPassed, Counter::ShareExceededPassed];
            passed.iter().all(|counter| count(&agent, *counter) > 0)
        });
        accept(&world.metadata);
        let refused = [Counter::RateLimitedRefused, Counter::ShareExceededRefused];
        assert_eq!(refused.map(|counter| count(&agent, counter)), [0, 0]);
    });
}
