//! What cannot be redirected is refused in Enforce, never let through; in Audit it passes, counted.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use latchkey_intercept::{Counter, InterceptMode, InterceptedEndpoint, Interceptor};

use crate::caller::Namespace;
use crate::world::{
    ADDRESSES, Agent, METADATA, METADATA_MAPPED, METADATA_V4, NATIVE, NATIVE_V6, World, accept,
    count, has_connection, in_world, wait_until,
};

const REFUSED: &str = "ECONNREFUSED";

fn assert_nothing_passed(world: &World) {
    assert!(
        !has_connection(&world.metadata, Duration::ZERO),
        "a connection reached the endpoint"
    );
    assert!(
        !has_connection(&world.listener, Duration::ZERO),
        "a connection reached the agent"
    );
}

#[test]
fn enforce_refuses_before_the_agent_claims() {
    in_world(|world| {
        let interceptor = world.attach(InterceptMode::Enforce);
        let mut caller = world.caller();
        assert_eq!(caller.connect("INET tcp", METADATA), REFUSED);
        assert_eq!(caller.connect("INET6 tcp", METADATA_MAPPED), REFUSED);
        assert_eq!(caller.connect("INET6 tcp", NATIVE), REFUSED);
        assert_eq!(caller.connect("INET mptcp", METADATA), REFUSED);
        assert_eq!(count(&interceptor, Counter::AgentGoneRefused), 4);
        assert_nothing_passed(world);
    });
}

#[test]
fn audit_passes_before_the_agent_claims() {
    in_world(|world| {
        let interceptor = world.attach(InterceptMode::Audit);
        let mut caller = world.caller();
        assert_eq!(caller.connect("INET tcp", METADATA), "ok");
        accept(&world.metadata);
        assert_eq!(count(&interceptor, Counter::AgentGonePassed), 1);
    });
}

#[test]
fn agent_that_is_silent_for_five_seconds_is_gone() {
    in_world(|world| {
        let mut interceptor = world.attach(InterceptMode::Enforce);
        let mut caller = world.caller();
        let claimed = Instant::now();
        interceptor.claim(world.netns()).unwrap();
        assert_eq!(caller.connect("INET tcp", METADATA), "ok");
        wait_until("the agent counts as gone", || {
            let answer = caller.connect("INET tcp", METADATA);
            if answer == "ok" {
                world.accept();
            }
            answer == REFUSED
        });
        assert!(
            claimed.elapsed() >= Duration::from_secs(5),
            "{:?}",
            claimed.elapsed()
        );
        assert_ne!(count(&interceptor, Counter::AgentGoneRefused), 0);
        assert!(!has_connection(&world.metadata, Duration::ZERO));

        interceptor.heartbeat().unwrap();
        assert_eq!(caller.connect("INET tcp", METADATA), "ok");
    });
}

/// Starts a caller in a network namespace of its own, which holds the metadata address too.
fn connect_from_foreign_namespace(world: &World, mode: InterceptMode) -> (Agent, String) {
    let agent = world.agent(mode);
    let mut caller = world.caller_in(&Namespace::Network { setup: ADDRESSES });
    assert_eq!(caller.ask(&format!("listen {METADATA}")), "ok");
    let answer = caller.connect("INET tcp", METADATA);
    (agent, answer)
}

#[test]
fn enforce_refuses_callers_in_other_network_namespaces() {
    in_world(|world| {
        let (interceptor, answer) = connect_from_foreign_namespace(world, InterceptMode::Enforce);
        assert_eq!(answer, REFUSED);
        assert_eq!(count(&interceptor, Counter::ForeignNetnsRefused), 1);
    });
}

#[test]
fn audit_passes_callers_in_other_network_namespaces() {
    in_world(|world| {
        let (interceptor, answer) = connect_from_foreign_namespace(world, InterceptMode::Audit);
        assert_eq!(answer, "ok");
        assert_eq!(count(&interceptor, Counter::ForeignNetnsPassed), 1);
    });
}

#[test]
fn enforce_refuses_datagrams_to_a_protected_port() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let mut caller = world.caller();
        for (family, destination) in [
            ("INET", METADATA),
            ("INET6", METADATA_MAPPED),
            ("INET6", NATIVE),
        ] {
            assert_eq!(
                caller.connect(&format!("{family} udp"), destination),
                REFUSED
            );
            assert_eq!(caller.ask(&format!("open {family} udp")), "ok");
            assert_eq!(caller.ask(&format!("send-datagram {destination}")), REFUSED);
        }
        assert_eq!(count(&agent, Counter::OtherProtocolRefused), 6);
    });
}

#[test]
fn audit_passes_datagrams_to_a_protected_port() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Audit);
        let mut caller = world.caller();
        assert_eq!(caller.connect("INET udp", METADATA), "ok");
        assert_eq!(caller.ask("peer"), METADATA);
        assert_eq!(caller.ask("open INET udp"), "ok");
        assert_eq!(caller.ask(&format!("send-datagram {METADATA}")), "ok");
        assert_eq!(count(&agent, Counter::OtherProtocolPassed), 2);
    });
}

/// Attaches without a listener for IPv6 and connects to the native IPv6 endpoint.
fn connect_to_unserved_endpoint(world: &World, mode: InterceptMode) -> (Agent, String) {
    let mut config = world.config.clone();
    config.listener_v6 = None;
    let mut interceptor = Interceptor::attach(&config).unwrap();
    let endpoint = InterceptedEndpoint {
        address: NATIVE_V6,
        port: 80,
        mode,
        index: 0,
    };
    interceptor.protect(&[endpoint]).unwrap();
    let agent = Agent::start(interceptor, world.netns());
    let mut caller = world.caller();
    let answer = caller.connect("INET6 tcp", NATIVE);
    (agent, answer)
}

#[test]
fn enforce_refuses_a_native_endpoint_without_an_ipv6_listener() {
    in_world(|world| {
        let (interceptor, answer) = connect_to_unserved_endpoint(world, InterceptMode::Enforce);
        assert_eq!(answer, REFUSED);
        assert_eq!(count(&interceptor, Counter::Ipv6UnservedRefused), 1);
    });
}

#[test]
fn audit_passes_a_native_endpoint_without_an_ipv6_listener() {
    in_world(|world| {
        let endpoint = TcpListener::bind((NATIVE_V6, 80)).unwrap();
        let (interceptor, answer) = connect_to_unserved_endpoint(world, InterceptMode::Audit);
        assert_eq!(answer, "ok");
        accept(&endpoint);
        assert_eq!(count(&interceptor, Counter::Ipv6UnservedPassed), 1);
    });
}

#[test]
fn endpoint_that_stays_is_protected_while_the_set_changes() {
    in_world(|world| {
        let mut interceptor = world.attach(InterceptMode::Enforce);
        let mut caller = world.caller();
        assert_eq!(caller.ask(&format!("start-connecting {METADATA}")), "ok");
        let endpoint = |index| InterceptedEndpoint {
            address: METADATA_V4,
            port: 80,
            mode: InterceptMode::Enforce,
            index,
        };
        let other = InterceptedEndpoint {
            port: 32526,
            mode: InterceptMode::Audit,
            ..endpoint(0)
        };
        for round in 0..10_000 {
            interceptor.protect(&[endpoint(round)]).unwrap();
            interceptor.protect(&[other, endpoint(round)]).unwrap();
        }
        let attempts = caller.attempts_that_all_failed();
        assert_eq!(count(&interceptor, Counter::AgentGoneRefused), attempts);
        assert_nothing_passed(world);
    });
}
