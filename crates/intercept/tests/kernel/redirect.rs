//! Every way to open a TCP connection to a protected endpoint leads to the agent, with a record.

use std::fs;
use std::io::Read as _;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use latchkey_intercept::{
    AddressFamily, AgentProcess, Counter, FlowRecord, Gid, InterceptMode, Interceptor, Uid,
};

use crate::caller::Caller;
use crate::world::{
    Agent, ENDPOINT_INDEX, METADATA, METADATA_MAPPED, METADATA_V4, NATIVE, NATIVE_V6, World,
    accept, count, has_connection, in_world,
};

fn inode(path: String) -> u64 {
    fs::metadata(path).unwrap().ino()
}

/// Takes the record of the next connection and checks that it describes the caller's process.
fn take_record_of(
    caller: &Caller,
    interceptor: &Interceptor,
    listener: &TcpListener,
) -> FlowRecord {
    let (stream, _) = accept(listener);
    let record = interceptor
        .flows()
        .take(&stream)
        .unwrap()
        .expect("a flow record");
    assert_eq!(record.pid, caller.pid());
    let process = AgentProcess::of(caller.pid()).unwrap();
    assert_eq!(record.start_time.clock_ticks(), process.start_ticks());
    record
}

#[test]
fn ipv4_connection_carries_the_identity_of_its_caller() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let mut caller = world.caller();
        assert_eq!(caller.ask("become 65534 1234"), "ok");
        assert_eq!(caller.connect("INET tcp", METADATA), "ok");

        let record = take_record_of(&caller, &agent, &world.listener);
        let pid = caller.pid();
        assert_eq!((record.uid, record.gid), (Uid(65534), Gid(1234)));
        assert_eq!((record.euid, record.egid), (Uid(65534), Gid(1234)));
        assert!(record.initial_user_namespace);
        assert!(!record.is_root());
        assert!(
            record
                .executable
                .is_file(&fs::metadata(format!("/proc/{pid}/exe")).unwrap())
        );
        assert_eq!(record.cgroup_id, fs::metadata(&world.cgroup).unwrap().ino());
        assert_eq!(
            u64::from(record.mount_namespace),
            inode(format!("/proc/{pid}/ns/mnt"))
        );
        assert_eq!(
            u64::from(record.user_namespace),
            inode(format!("/proc/{pid}/ns/user"))
        );
        assert_eq!(record.network_namespace, world.netns());
        assert_eq!(
            record.original_destination,
            SocketAddr::new(METADATA_V4, 80)
        );
        assert_eq!(record.address_family, AddressFamily::Ipv4);
        assert_eq!(record.endpoint_index, ENDPOINT_INDEX);
        let name = fs::read(format!("/proc/{pid}/comm")).unwrap();
        assert!(record.comm.starts_with(name.trim_ascii_end()));
        assert_eq!(count(&agent, Counter::Redirected), 1);
    });
}

#[test]
fn user_1001_with_group_0_is_not_root() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let mut caller = world.caller();
        assert_eq!(caller.ask("become 1001 0"), "ok");
        assert_eq!(caller.connect("INET tcp", METADATA), "ok");
        let record = take_record_of(&caller, &agent, &world.listener);
        assert_eq!((record.uid, record.gid), (Uid(1001), Gid(0)));
        assert!(!record.is_root());
    });
}

#[test]
fn effective_user_decides_who_is_root() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let mut caller = world.caller();
        assert_eq!(caller.connect("INET tcp", METADATA), "ok");
        assert!(take_record_of(&caller, &agent, &world.listener).is_root());

        assert_eq!(caller.ask("set-effective-user 1001"), "ok");
        assert_eq!(caller.connect("INET tcp", METADATA), "ok");
        let record = take_record_of(&caller, &agent, &world.listener);
        assert_eq!((record.uid, record.euid), (Uid(0), Uid(1001)));
        assert!(!record.is_root());
    });
}

#[test]
fn root_of_another_user_namespace_is_not_root() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let mut caller = world.caller_in(&crate::caller::Namespace::User);
        assert_eq!(caller.connect("INET tcp", METADATA), "ok");
        let record = take_record_of(&caller, &agent, &world.listener);
        assert_eq!(record.euid, Uid(0));
        assert!(!record.initial_user_namespace);
        assert!(!record.is_root());
        let pid = caller.pid();
        assert_eq!(
            u64::from(record.user_namespace),
            inode(format!("/proc/{pid}/ns/user"))
        );
    });
}

/// Connects one socket and returns the record of the connection.
fn redirected(world: &World, kind: &str, destination: &str) -> FlowRecord {
    let agent = world.agent(InterceptMode::Enforce);
    let mut caller = world.caller();
    assert_eq!(caller.connect(kind, destination), "ok");
    take_record_of(&caller, &agent, &world.listener)
}

#[test]
fn mapped_ipv6_socket_leads_to_the_ipv4_listener() {
    in_world(|world| {
        let record = redirected(world, "INET6 tcp", METADATA_MAPPED);
        assert_eq!(record.address_family, AddressFamily::Ipv6);
        assert_eq!(
            record.original_destination,
            SocketAddr::new(METADATA_V4, 80)
        );
    });
}

#[test]
fn multipath_tcp_has_a_record() {
    in_world(|world| {
        let record = redirected(world, "INET mptcp", METADATA);
        assert_eq!(
            record.original_destination,
            SocketAddr::new(METADATA_V4, 80)
        );
    });
}

#[test]
fn multipath_tcp_over_a_mapped_ipv6_socket_has_a_record() {
    in_world(|world| {
        let record = redirected(world, "INET6 mptcp", METADATA_MAPPED);
        assert_eq!(record.address_family, AddressFamily::Ipv6);
    });
}

#[test]
fn fast_open_without_connect_has_a_record() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        for (family, destination) in [("INET", METADATA), ("INET6", METADATA_MAPPED)] {
            let mut caller = world.caller();
            assert_eq!(caller.ask(&format!("open {family} tcp")), "ok");
            assert_eq!(caller.ask(&format!("fast-open {destination}")), "ok");
            let (mut stream, _) = world.accept();
            let record = agent.flows().take(&stream).unwrap().expect("a flow record");
            assert_eq!(record.pid, caller.pid());
            let mut sent = [0; 11];
            stream.read_exact(&mut sent).unwrap();
            assert_eq!(&sent, b"first bytes");
        }
    });
}

#[test]
fn socket_bound_before_connect_has_a_record() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let mut caller = world.caller();
        assert_eq!(caller.ask("open INET tcp"), "ok");
        let port: u16 = caller.ask("bind 169.254.169.254 0").parse().unwrap();
        assert_eq!(caller.ask(&format!("connect {METADATA}")), "ok");
        let (stream, source) = world.accept();
        assert_eq!(source, SocketAddr::new(METADATA_V4, port));
        let record = agent.flows().take(&stream).unwrap().expect("a flow record");
        assert_eq!(record.pid, caller.pid());
    });
}

#[test]
fn native_ipv6_endpoint_leads_to_the_ipv6_listener() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let mut caller = world.caller();
        assert_eq!(caller.connect("INET6 tcp", NATIVE), "ok");
        assert_eq!(caller.ask("peer"), NATIVE);
        let record = take_record_of(&caller, &agent, &world.listener_v6);
        assert_eq!(record.original_destination, SocketAddr::new(NATIVE_V6, 80));
    });
}

#[test]
fn caller_sees_the_peer_that_it_asked_for() {
    in_world(|world| {
        let _agent = world.agent(InterceptMode::Enforce);
        let mut caller = world.caller();
        for (family, destination) in [("INET", METADATA), ("INET6", METADATA_MAPPED)] {
            assert_eq!(caller.connect(&format!("{family} tcp"), destination), "ok");
            assert_eq!(caller.ask("peer"), destination);
        }
    });
}

#[test]
fn other_port_of_the_same_address_is_untouched() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let resolver = TcpListener::bind((METADATA_V4, 53)).unwrap();
        let mut caller = world.caller();
        assert_eq!(caller.connect("INET tcp", "169.254.169.254 53"), "ok");
        accept(&resolver);
        assert_eq!(caller.connect("INET udp", "169.254.169.254 53"), "ok");
        assert_eq!(caller.ask("open INET udp"), "ok");
        assert_eq!(caller.ask("send-datagram 169.254.169.254 53"), "ok");
        let counters = agent.counters().unwrap();
        assert!(counters.iter().all(|(_, sum)| sum == 0), "{counters:?}");
    });
}

#[test]
fn endpoint_that_is_no_longer_protected_is_untouched() {
    in_world(|world| {
        let mut interceptor = world.attach(InterceptMode::Enforce);
        interceptor.protect(&[]).unwrap();
        let _agent = Agent::start(interceptor, world.netns());
        let mut caller = world.caller();
        assert_eq!(caller.connect("INET tcp", METADATA), "ok");
        accept(&world.metadata);
        assert!(!has_connection(&world.listener, Duration::ZERO));
    });
}
