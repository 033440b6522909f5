//! What no socket call shows is stopped when it leaves: raw sockets, and connections from before the
//! endpoint was in Enforce. Only the protected address and port are ours, and only asking for them.

use std::io::{ErrorKind, Read as _};

use latchkey_intercept::{AgentProcess, Counter, InterceptMode, InterceptedEndpoint, Interceptor};

use crate::caller::Caller;
use crate::world::{
    ENDPOINT_INDEX, METADATA, METADATA_V4, World, accept, count, in_world, wait_until,
};

const TO_METADATA: &str = "to=169.254.169.254 source=127.0.0.1";
const TO_NATIVE: &str = "to=fd00:ec2::254";
const REFUSED: &str = "EPERM";

fn send(caller: &mut Caller, packet: &str) -> String {
    caller.ask(&format!("send-packet {packet}"))
}

/// Sends packets and checks what each sender is told.
fn expect(caller: &mut Caller, answer: &str, to: &str, packets: &[&str]) {
    for packet in packets {
        assert_eq!(
            send(caller, &format!("{to} {packet}")),
            answer,
            "{to} {packet}"
        );
    }
}

#[test]
fn raw_sockets_do_not_reach_the_endpoint() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let mut caller = world.caller();
        let ways = [
            "via=raw",
            "via=header",
            "via=header flags=ack payload=GET",
            "via=header options=8",
            "via=raw proto=udp payload=x",
            "via=header proto=udplite payload=x",
            "via=header proto=sctp payload=x",
            "via=header proto=dccp payload=x",
        ];
        expect(&mut caller, REFUSED, TO_METADATA, &ways);
        let ways = ["via=raw", "via=header", "via=header headers=0,60"];
        expect(&mut caller, REFUSED, TO_NATIVE, &ways);
        assert_eq!(count(&agent, Counter::EgressRefused), 11);
    });
}

#[test]
fn other_ports_and_protocols_of_the_same_address_pass_from_raw_sockets() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let mut caller = world.caller();
        for to in [TO_METADATA, TO_NATIVE] {
            let others = [
                "via=header proto=udp port=53 payload=x",
                "via=header proto=udp port=67 payload=x",
                "via=header proto=udp port=123 payload=x",
                "via=header port=53",
                "via=header port=32526",
                "via=raw proto=udp port=53 payload=x",
                "via=raw proto=icmp",
                // The kernel sends such ones without a socket; nobody can ask by them.
                "via=header flags=rst",
                "via=header flags=ack",
                "via=header flags=fin",
            ];
            expect(&mut caller, "ok", to, &others);
        }
        expect(
            &mut caller,
            "ok",
            "to=127.0.0.9 source=127.0.0.1",
            &["via=header"],
        );
        assert_eq!(count(&agent, Counter::EgressRefused), 0);
    });
}

#[test]
fn fragments_do_not_hide_what_they_ask_for() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let mut caller = world.caller();
        let first = [
            "via=header fragment=0+ cut=8",
            "via=header fragment=0+ cut=16 flags=ack",
            // The flags of a first fragment may be overwritten by a later one (RFC 3128).
            "via=header fragment=0+ flags=ack",
            "via=header fragment=0 cut=2",
        ];
        expect(&mut caller, REFUSED, TO_METADATA, &first);
        let later = [
            "via=header fragment=1",
            "via=header fragment=185+",
            "via=header fragment=0+ cut=8 port=53 proto=udp",
        ];
        expect(&mut caller, "ok", TO_METADATA, &later);
        assert_eq!(count(&agent, Counter::EgressRefused), 4);
    });
}

#[test]
fn extension_headers_do_not_hide_what_they_lead_to() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let mut caller = world.caller();
        let hidden = [
            "via=header headers=0",
            "via=header headers=60,43,60",
            "via=header headers=44+",
            "via=header headers=44 flags=ack",
            // The ports would come in the next fragment.
            "via=header headers=44+,60 keep=8",
            // More than are read.
            "via=header headers=60,60,60,60,60,60,60,60,60 port=53",
        ];
        expect(&mut caller, REFUSED, TO_NATIVE, &hidden);
        let others = [
            "via=header headers=60 port=53",
            "via=header headers=60,60,60 proto=udp port=53",
            "via=header headers=44:1+",
        ];
        expect(&mut caller, "ok", TO_NATIVE, &others);
        // What cannot be read is somebody else's when the address is.
        let many = "via=header headers=60,60,60,60,60,60,60,60,60";
        expect(&mut caller, "ok", "to=::1", &[many]);
        assert_eq!(count(&agent, Counter::EgressRefused), 6);
    });
}

#[test]
fn own_connection_passes_also_after_a_restart_on_the_pinned_programs() {
    in_world(|world| {
        for _ in 0..2 {
            let mut interceptor = world.attach(InterceptMode::Enforce);
            let mut agent = world.caller();
            let process = AgentProcess::of(agent.pid()).unwrap();
            interceptor.claim_for(process, world.netns()).unwrap();
            assert_eq!(agent.connect("INET tcp", METADATA), "ok");
            let (mut stream, _) = accept(&world.metadata);
            assert_eq!(agent.ask("send request"), "ok");
            let mut received = [0; 7];
            stream.read_exact(&mut received).unwrap();
            assert_eq!(&received, b"request");
            assert_eq!(send(&mut agent, &format!("{TO_METADATA} via=raw")), REFUSED);
            assert_eq!(count(&interceptor, Counter::OwnTraffic), 1);
            drop(interceptor);
            latchkey_intercept::attachments(&world.config.pin_dir).unwrap();
            reset_counters(world);
        }
    });
}

/// Detaches nothing: only the counters of the next agent begin anew.
fn reset_counters(world: &World) {
    let pin = world.config.pin_dir.join("map_counters");
    std::fs::remove_file(pin).unwrap();
}

#[test]
fn exemption_of_the_agents_socket_ends_when_it_is_connected_anew() {
    in_world(|world| {
        let mut interceptor = world.attach(InterceptMode::Enforce);
        let [mut agent, next] = [(); 2].map(|()| world.caller());
        let [first, second] = [&agent, &next].map(|caller| AgentProcess::of(caller.pid()).unwrap());
        interceptor.claim_for(first, world.netns()).unwrap();
        assert_eq!(agent.connect("INET tcp", METADATA), "ok");
        accept(&world.metadata);
        assert_eq!(agent.ask("disconnect"), "ok");
        interceptor.claim_for(second, world.netns()).unwrap();
        assert_eq!(agent.ask(&format!("connect {METADATA}")), "ok");
        world.accept();
        assert_eq!(agent.ask("peer"), METADATA);
        assert_eq!(count(&interceptor, Counter::OwnTraffic), 1);
    });
}

#[test]
fn audit_passes_raw_sockets_and_counts_each_once() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Audit);
        let mut caller = world.caller();
        expect(
            &mut caller,
            "ok",
            TO_METADATA,
            &["via=header times=3", "via=raw"],
        );
        assert_eq!(count(&agent, Counter::EgressPassed), 2);
        assert_eq!(count(&agent, Counter::EgressRefused), 0);
    });
}

#[test]
fn connection_that_audit_let_through_is_counted_once_and_stopped_in_enforce() {
    in_world(|world| {
        let mut interceptor = world.attach(InterceptMode::Audit);
        let mut caller = world.caller();
        assert_eq!(caller.connect("INET tcp", METADATA), "ok");
        let (mut stream, _) = accept(&world.metadata);
        assert_eq!(caller.ask("send request"), "ok");
        let mut received = [0; 7];
        stream.read_exact(&mut received).unwrap();
        assert_eq!(count(&interceptor, Counter::AgentGonePassed), 1);
        assert_eq!(count(&interceptor, Counter::EgressPassed), 0);

        protect(&mut interceptor, InterceptMode::Enforce);
        assert_eq!(caller.ask("send another"), "ok");
        wait_until("its packets are stopped", || {
            count(&interceptor, Counter::EgressRefused) > 0
        });
        stream.set_nonblocking(true).unwrap();
        let nothing = stream.read(&mut received).unwrap_err();
        assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
    });
}

fn protect(interceptor: &mut Interceptor, mode: InterceptMode) {
    let endpoint = InterceptedEndpoint {
        address: METADATA_V4,
        port: 80,
        mode,
        index: ENDPOINT_INDEX,
    };
    interceptor.protect(&[endpoint]).unwrap();
}

#[test]
fn endpoint_that_is_no_longer_protected_is_not_guarded() {
    in_world(|world| {
        let mut interceptor = world.attach(InterceptMode::Enforce);
        let mut caller = world.caller();
        protect(&mut interceptor, InterceptMode::Enforce);
        expect(
            &mut caller,
            REFUSED,
            TO_METADATA,
            &["via=header", "via=header cut=2"],
        );
        expect(
            &mut caller,
            "ok",
            TO_NATIVE,
            &["via=header", "via=header cut=2"],
        );
        interceptor.protect(&[]).unwrap();
        expect(
            &mut caller,
            "ok",
            TO_METADATA,
            &["via=header", "via=header cut=2"],
        );
    });
}
