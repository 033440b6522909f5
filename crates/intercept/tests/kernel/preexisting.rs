//! Connections that were open before the programs were attached are destroyed, or left and reported.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};

use latchkey_intercept::{
    Destination, Fate, InterceptMode, OpenConnection, Preexisting, Transport, Uid, end_preexisting,
};

use crate::caller::Namespace;
use crate::world::{
    ADDRESSES, METADATA, METADATA_MAPPED, METADATA_V4, NATIVE, NATIVE_V6, World, accept, in_world,
};

const ABORTED: &str = "ECONNABORTED";

/// Sweeps the world for connections to one destination.
fn sweep(world: &World, address: IpAddr, fate: Fate) -> Preexisting {
    let destination = Destination {
        address: SocketAddr::new(address, 80),
        fate,
    };
    let swept = end_preexisting(&world.cgroup, &[destination]);
    assert!(swept.problems.is_empty(), "{:?}", swept.problems);
    let [found] = <[Preexisting; 1]>::try_from(swept.destinations).unwrap();
    assert_eq!(found.destination, destination);
    assert_eq!(found.found, found.destroyed + found.left.len() as u64);
    found
}

/// Whether what the service says still arrives, and nothing was lost before it.
fn assert_alive(service: &mut TcpStream, mut receive: impl FnMut() -> String) {
    service.write_all(b"alive").unwrap();
    assert_eq!(receive(), "alive");
}

#[test]
fn tcp_connections_of_every_kind_are_destroyed() {
    in_world(|world| {
        let native = TcpListener::bind((NATIVE_V6, 80)).unwrap();
        for (kind, destination, address, service) in [
            ("INET tcp", METADATA, METADATA_V4, &world.metadata),
            ("INET6 tcp", METADATA_MAPPED, METADATA_V4, &world.metadata),
            ("INET6 tcp", NATIVE, NATIVE_V6, &native),
            ("INET mptcp", METADATA, METADATA_V4, &world.metadata),
        ] {
            let mut caller = world.caller();
            assert_eq!(caller.connect(kind, destination), "ok");
            let (mut accepted, _) = accept(service);
            let interceptor = world.attach(InterceptMode::Enforce);
            let found = sweep(world, address, Fate::Destroy);
            assert_eq!((found.found, found.destroyed), (1, 1), "{kind}");
            assert_eq!(caller.ask("receive"), ABORTED, "{kind}");
            let reset = accepted.read(&mut [0]).unwrap_err();
            assert_eq!(reset.kind(), std::io::ErrorKind::ConnectionReset, "{kind}");
            assert_eq!(sweep(world, address, Fate::Destroy).found, 0);
            drop(interceptor);
            latchkey_intercept::detach(&world.config.pin_dir).unwrap();
        }
    });
}

#[test]
fn connections_that_are_being_opened_or_half_closed_are_destroyed() {
    in_world(|world| {
        let [mut opening, mut half_closed] = [(); 2].map(|()| world.caller());
        assert_eq!(opening.ask("open INET tcp"), "ok");
        assert_eq!(opening.ask("hear-nothing"), "ok");
        let syn = format!("send-syn {METADATA}");
        assert_eq!(opening.ask(&syn), "EINPROGRESS");
        assert_eq!(half_closed.connect("INET tcp", METADATA), "ok");
        assert_eq!(half_closed.ask("finish-sending"), "ok");
        let _interceptor = world.attach(InterceptMode::Enforce);
        let found = sweep(world, METADATA_V4, Fate::Destroy);
        assert_eq!((found.found, found.destroyed), (2, 2));
        for caller in [&mut opening, &mut half_closed] {
            assert_eq!(caller.ask("receive"), ABORTED);
        }
    });
}

#[test]
fn connected_datagram_socket_is_destroyed() {
    in_world(|world| {
        let mut caller = world.caller();
        assert_eq!(caller.connect("INET udp", METADATA), "ok");
        let _interceptor = world.attach(InterceptMode::Enforce);
        let found = sweep(world, METADATA_V4, Fate::Destroy);
        assert_eq!((found.found, found.destroyed), (1, 1));
        assert_eq!(caller.ask("receive"), ABORTED);
    });
}

#[test]
fn connection_that_is_left_goes_on_and_is_reported_until_it_is_destroyed() {
    in_world(|world| {
        let mut caller = world.caller();
        assert_eq!(caller.ask("become 1001 1001"), "ok");
        assert_eq!(caller.connect("INET tcp", METADATA), "ok");
        let (mut service, _) = accept(&world.metadata);
        let _interceptor = world.attach(InterceptMode::Audit);
        let found = sweep(world, METADATA_V4, Fate::Leave);
        let [left] = <[OpenConnection; 1]>::try_from(found.left).unwrap();
        assert_eq!((left.transport, left.uid), (Transport::Tcp, Uid(1001)));
        let links = std::fs::read_dir(format!("/proc/{}/fd", caller.pid())).unwrap();
        let socket = format!("socket:[{}]", left.inode);
        let mut links = links.map(|link| std::fs::read_link(link.unwrap().path()).unwrap());
        assert!(links.any(|link| link.to_str() == Some(&socket)), "{socket}");
        assert_alive(&mut service, || caller.ask("receive"));

        assert_eq!(sweep(world, METADATA_V4, Fate::Destroy).destroyed, 1);
        assert_eq!(caller.ask("receive"), ABORTED);
    });
}

#[test]
fn agents_own_connection_survives() {
    in_world(|world| {
        let mut own = TcpStream::connect((METADATA_V4, 80)).unwrap();
        let (mut service, _) = accept(&world.metadata);
        let _agent = world.agent(InterceptMode::Enforce);
        assert_eq!(sweep(world, METADATA_V4, Fate::Destroy).found, 0);
        assert_alive(&mut service, || {
            let mut bytes = [0; 5];
            own.read_exact(&mut bytes).unwrap();
            String::from_utf8(bytes.to_vec()).unwrap()
        });
    });
}

#[test]
fn connection_to_another_port_of_the_address_survives() {
    in_world(|world| {
        let other = TcpListener::bind((METADATA_V4, 81)).unwrap();
        let mut caller = world.caller();
        assert_eq!(caller.connect("INET tcp", "169.254.169.254 81"), "ok");
        let (mut service, _) = accept(&other);
        let _interceptor = world.attach(InterceptMode::Enforce);
        assert_eq!(sweep(world, METADATA_V4, Fate::Destroy).found, 0);
        assert_alive(&mut service, || caller.ask("receive"));
    });
}

#[test]
fn redirected_connection_survives_the_start_of_another_agent() {
    in_world(|world| {
        let mut caller = world.caller();
        let first = world.agent(InterceptMode::Enforce);
        assert_eq!(caller.connect("INET tcp", METADATA), "ok");
        assert_eq!(caller.ask("peer"), METADATA);
        let (mut accepted, _) = world.accept();
        drop(first);
        let _second = world.agent(InterceptMode::Enforce);
        assert_eq!(sweep(world, METADATA_V4, Fate::Destroy).found, 0);
        assert_alive(&mut accepted, || caller.ask("receive"));
    });
}

#[test]
fn connection_in_another_network_namespace_of_the_cgroup_is_destroyed() {
    in_world(|world| {
        let mut caller = world.caller_in(&Namespace::Network { setup: ADDRESSES });
        assert_eq!(caller.ask(&format!("listen {METADATA}")), "ok");
        assert_eq!(caller.connect("INET tcp", METADATA), "ok");
        let _interceptor = world.attach(InterceptMode::Enforce);
        let found = sweep(world, METADATA_V4, Fate::Destroy);
        assert_eq!((found.found, found.destroyed), (1, 1));
        assert_eq!(caller.ask("receive"), ABORTED);
        // The sweep came back: this thread still sees its own namespace.
        TcpStream::connect(world.listener.local_addr().unwrap()).unwrap();
    });
}

#[test]
fn connection_in_a_namespace_of_processes_elsewhere_is_not_looked_at() {
    in_world(|world| {
        let stranger = world.cgroup_below("elsewhere");
        let intercepted = world.cgroup_below("intercepted");
        let namespace = Namespace::Network { setup: ADDRESSES };
        let mut caller = crate::caller::Caller::start(&stranger, &namespace);
        assert_eq!(caller.ask(&format!("listen {METADATA}")), "ok");
        assert_eq!(caller.connect("INET tcp", METADATA), "ok");
        let destination = Destination {
            address: SocketAddr::new(METADATA_V4, 80),
            fate: Fate::Destroy,
        };
        let swept = end_preexisting(&intercepted, &[destination]);
        assert_eq!(swept.destinations[0].found, 0);
        assert_eq!(caller.ask("send hello"), "ok");
    });
}

#[test]
fn cgroup_that_is_no_directory_is_a_problem_and_not_silence() {
    in_world(|world| {
        let file = world.cgroup.join("cgroup.procs");
        assert_eq!(end_preexisting(&file, &[]).problems.len(), 1);
    });
}
