//! The IPv4 endpoint behind a NAT64 prefix is the endpoint; and datagrams of every kind of socket.

use std::time::Duration;

use latchkey_intercept::{Counter, InterceptMode};

use crate::world::{METADATA, METADATA_MAPPED, count, has_connection, in_world};

/// 169.254.169.254 under the well-known prefix (RFC 6052).
const NAT64: &str = "64:ff9b::a9fe:a9fe 80";
const REFUSED: &str = "ECONNREFUSED";

#[test]
fn nat64_address_is_redirected_and_the_caller_sees_what_it_asked_for() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let mut caller = world.caller();
        assert_eq!(caller.connect("INET6 tcp", NAT64), "ok");
        let (stream, _) = world.accept();
        let record = agent.flows().take(&stream).unwrap().expect("a flow record");
        assert_eq!(
            record.original_destination.to_string(),
            "169.254.169.254:80"
        );
        assert_eq!(caller.ask("peer"), NAT64);
        assert!(!has_connection(&world.metadata, Duration::ZERO));
    });
}

#[test]
fn nat64_address_is_guarded_against_datagrams_and_raw_sockets() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let mut caller = world.caller();
        let route = "ip -6 route add local 64:ff9b::/96 dev lo";
        assert_eq!(caller.ask(&format!("shell {route}")), "ok");
        assert_eq!(caller.ask("open INET6 udp"), "ok");
        assert_eq!(caller.ask(&format!("send-datagram {NAT64}")), REFUSED);
        let raw = "send-packet via=raw to=64:ff9b::a9fe:a9fe";
        assert_eq!(caller.ask(raw), "EPERM");
        assert_eq!(caller.ask(&format!("{raw} port=53")), "ok");
        assert_eq!(count(&agent, Counter::OtherProtocolRefused), 1);
        assert_eq!(count(&agent, Counter::EgressRefused), 1);
    });
}

#[test]
fn ipv4_compatible_address_leads_nowhere() {
    in_world(|world| {
        let _agent = world.agent(InterceptMode::Enforce);
        let mut caller = world.caller();
        let answer = caller.connect("INET6 tcp", "::169.254.169.254 80");
        assert_eq!(answer, "ENETUNREACH");
        assert!(!has_connection(&world.metadata, Duration::ZERO));
    });
}

#[test]
fn what_is_not_tcp_is_refused_by_address_connected_and_connected_anew() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let mut caller = world.caller();
        let mut refused = 0;
        for (kind, destination) in [
            ("INET udp", METADATA),
            ("INET6 udp", METADATA_MAPPED),
            ("INET dccp", METADATA),
        ] {
            let opened = caller.ask(&format!("open {kind}"));
            if opened == "EPROTONOSUPPORT" || opened == "ESOCKTNOSUPPORT" {
                eprintln!("{kind}: not in this kernel, so no way round");
                continue;
            }
            assert_eq!(opened, "ok", "{kind}");
            let connect = format!("connect {destination}");
            assert_eq!(caller.ask(&connect), REFUSED, "{kind}");
            refused += 1;
            if kind.ends_with("dccp") {
                continue;
            }
            let send = format!("send-datagram {destination}");
            assert_eq!(caller.ask(&send), REFUSED, "{kind}");
            // Another port of the same address is anybody's; leaving it gives no right to this one.
            let other = destination.replace(" 80", " 53");
            assert_eq!(caller.ask(&format!("connect {other}")), "ok", "{kind}");
            assert_eq!(caller.ask("disconnect"), "ok", "{kind}");
            assert_eq!(caller.ask(&connect), REFUSED, "{kind}");
            assert_eq!(caller.ask(&send), REFUSED, "{kind}");
            refused += 3;
        }
        assert!(refused >= 8, "{refused}");
        assert_eq!(count(&agent, Counter::OtherProtocolRefused), refused);
        assert_eq!(count(&agent, Counter::EgressRefused), 0);
    });
}

#[test]
fn connected_udp_lite_which_passes_no_hook_is_stopped_when_it_sends() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let mut caller = world.caller();
        let opened = caller.ask("open INET udplite");
        if opened == "EPROTONOSUPPORT" {
            eprintln!("UDP-Lite: not in this kernel, so no way round");
            return;
        }
        assert_eq!(opened, "ok");
        assert_eq!(caller.ask(&format!("send-datagram {METADATA}")), REFUSED);
        assert_eq!(caller.ask(&format!("connect {METADATA}")), "ok");
        assert_eq!(caller.ask("send x"), "EPERM");
        assert_eq!(count(&agent, Counter::EgressRefused), 1);
    });
}
