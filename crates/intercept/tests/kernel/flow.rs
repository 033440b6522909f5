//! A flow record belongs to one connection: it is given out once, and to nobody else.

use std::collections::HashSet;
use std::io::Read as _;
use std::net::SocketAddr;

use aya::maps::{HashMap, Map, MapData};
use latchkey_intercept::{Counter, InterceptMode, Uid};

use crate::world::{METADATA, World, count, in_world, wait_until};

/// The flow table as plain bytes, opened by its pin.
fn flow_table(world: &World) -> HashMap<MapData, [u8; 48], [u8; 392]> {
    let data = MapData::from_pin(world.config.pin_dir.join("map_flows")).unwrap();
    Map::from_map_data(data).unwrap().try_into().unwrap()
}

#[test]
fn record_is_given_out_once() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let mut caller = world.caller();
        assert_eq!(caller.connect("INET tcp", METADATA), "ok");
        let (stream, _) = world.accept();
        assert!(agent.flows().take(&stream).unwrap().is_some());
        assert_eq!(agent.flows().take(&stream).unwrap(), None);
    });
}

#[test]
fn record_goes_with_its_socket() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let mut caller = world.caller();
        for end in ["reset", "disconnect"] {
            let before = count(&agent, Counter::FlowRetired);
            assert_eq!(caller.connect("INET tcp", METADATA), "ok");
            assert_eq!(flow_table(world).keys().count(), 1);
            assert_eq!(caller.ask(end), "ok");
            wait_until("the record is retired", || {
                flow_table(world).keys().count() == 0
            });
            assert_eq!(count(&agent, Counter::FlowRetired), before + 1);
        }
        assert_eq!(count(&agent, Counter::FlowPublished), 2);
    });
}

#[test]
fn records_of_a_caller_that_ends_go_with_it() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let mut caller = world.caller();
        assert_eq!(caller.connect("INET tcp", METADATA), "ok");
        drop(caller);
        wait_until("the record is retired", || {
            count(&agent, Counter::FlowRetired) == 1
        });
        assert_eq!(flow_table(world).keys().count(), 0);
        let (stream, _) = world.accept();
        assert_eq!(agent.flows().take(&stream).unwrap(), None);
    });
}

#[test]
fn sockets_with_one_source_port_have_their_own_records() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let sources = ["127.0.0.2", "127.0.0.3"];
        let mut callers = [1001, 1002].map(|user| {
            let mut caller = world.caller();
            assert_eq!(caller.ask(&format!("become {user} {user}")), "ok");
            caller
        });
        for (caller, source) in callers.iter_mut().zip(sources) {
            assert_eq!(caller.ask("open INET tcp"), "ok");
            assert_eq!(caller.ask(&format!("bind {source} 45555")), "45555");
            assert_eq!(caller.ask(&format!("connect {METADATA}")), "ok");
        }
        let found: HashSet<_> = (0..2)
            .map(|_| {
                let (stream, source) = world.accept();
                let record = agent.flows().take(&stream).unwrap().expect("a flow record");
                (source, record.uid)
            })
            .collect();
        let expected = [("127.0.0.2:45555", 1001), ("127.0.0.3:45555", 1002)]
            .map(|(source, user)| (source.parse::<SocketAddr>().unwrap(), Uid(user)));
        assert_eq!(found, HashSet::from(expected));
    });
}

#[test]
fn direct_connection_to_the_listener_has_no_record() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let mut caller = world.caller();
        let listener = format!("127.0.0.1 {}", world.config.listener.port());
        assert_eq!(caller.connect("INET tcp", &listener), "ok");
        let (stream, _) = world.accept();
        assert_eq!(agent.flows().take(&stream).unwrap(), None);
    });
}

#[test]
fn identity_left_on_a_socket_is_not_used_again() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let mut caller = world.caller();
        assert_eq!(caller.connect("INET tcp", METADATA), "ok");
        world.accept();
        assert_eq!(caller.ask("disconnect"), "ok");
        let listener = format!("127.0.0.1 {}", world.config.listener.port());
        assert_eq!(caller.ask(&format!("connect {listener}")), "ok");
        let (stream, _) = world.accept();
        assert_eq!(agent.flows().take(&stream).unwrap(), None);
        assert_eq!(caller.ask("peer"), listener);
    });
}

#[test]
fn reset_connection_cannot_take_the_record_of_a_later_one() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let [mut attacker, mut victim] = [(); 2].map(|()| world.caller());
        assert_eq!(attacker.ask("become 1001 1001"), "ok");
        for caller in [&mut attacker, &mut victim] {
            assert_eq!(caller.ask("open INET tcp"), "ok");
        }
        assert_eq!(attacker.ask("bind 127.0.0.2 45555"), "45555");
        assert_eq!(attacker.ask(&format!("connect {METADATA}")), "ok");
        assert_eq!(attacker.ask("send forged"), "ok");
        assert_eq!(attacker.ask("reset"), "ok");
        assert_eq!(victim.ask("bind 127.0.0.2 45555"), "45555");
        assert_eq!(victim.ask(&format!("connect {METADATA}")), "ok");

        let (mut dead, _) = world.accept();
        assert_eq!(agent.flows().take(&dead).unwrap(), None);
        // What makes this dangerous: the bytes of the dead connection can still be read.
        let mut bytes = [0; 6];
        dead.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"forged");

        let (alive, _) = world.accept();
        let record = agent.flows().take(&alive).unwrap().expect("a flow record");
        assert_eq!((record.pid, record.uid), (victim.pid(), Uid(0)));
    });
}

#[test]
fn connection_cannot_take_the_record_of_another_with_its_addresses_and_ports() {
    in_world(|world| {
        // A challenge ACK would make the victim reset the attacker's connection; the attacker uses
        // up what one connection may send in this time. The setting is the test's own namespace's.
        std::fs::write("/proc/sys/net/ipv4/tcp_invalid_ratelimit", "60000").unwrap();
        let agent = world.agent(InterceptMode::Enforce);
        let listener = format!("127.0.0.1 {}", world.config.listener.port());
        for target in [METADATA, &listener] {
            let [mut attacker, mut helper, mut victim] = [(); 3].map(|()| world.caller());
            for caller in [&mut attacker, &mut helper] {
                assert_eq!(caller.ask("become 1001 1001"), "ok");
            }
            for caller in [&mut attacker, &mut helper, &mut victim] {
                assert_eq!(caller.ask("open INET tcp"), "ok");
            }
            // Bound to a device, it shares its addresses and ports with a socket that is not.
            assert_eq!(attacker.ask("bind-to-device lo"), "ok");
            assert_eq!(attacker.ask("bind 127.0.0.2 45555"), "45555");
            assert_eq!(attacker.ask(&format!("connect {target}")), "ok");
            assert_eq!(attacker.ask("send forged"), "ok");
            assert_eq!(helper.ask("hear-nothing"), "ok");
            assert_eq!(helper.ask("bind 127.0.0.2 45555"), "45555");
            let syn = format!("send-syn {listener}");
            assert_eq!(helper.ask(&syn), "EINPROGRESS");
            assert_eq!(helper.ask("reset"), "ok");
            assert_eq!(victim.ask("bind 127.0.0.2 45555"), "45555");
            let syn = format!("send-syn {METADATA}");
            assert_eq!(victim.ask(&syn), "EINPROGRESS");

            let (stream, source) = world.accept();
            assert_eq!(source.to_string(), "127.0.0.2:45555");
            let user = agent.flows().take(&stream).unwrap().map(|flow| flow.uid);
            let own = (target == METADATA).then_some(Uid(1001));
            assert_eq!(user, own, "the attacker's connection to {target}");
        }
    });
}

#[test]
fn full_table_gives_no_record_and_is_counted() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let mut table = flow_table(world);
        let mut slot = 0_u64;
        let mut key = [0; 48];
        while table.insert(key, [0; 392], 0).is_ok() {
            slot += 1;
            key[..8].copy_from_slice(&slot.to_ne_bytes());
        }
        assert_eq!(slot, 65_536);
        let mut caller = world.caller();
        assert_eq!(caller.connect("INET tcp", METADATA), "ok");
        let (stream, _) = world.accept();
        assert_eq!(agent.flows().take(&stream).unwrap(), None);
        assert_eq!(count(&agent, Counter::FlowTableFull), 1);
    });
}
