//! On its links the machine stops what has no socket of its own: packet sockets, forwarded packets,
//! namespaces with a link of their own. Each test has a network of its own behind a veth pair.

use std::fs;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::Command;

use latchkey_intercept::{
    AgentProcess, Counter, GuardKind, InterceptMode, InterceptedEndpoint, Interceptor, LinkEvents,
    detach,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::caller::{Caller, Namespace};
use crate::world::{World, count, in_world, wait_until};

/// The endpoint, on the far side of the uplink (RFC 5737).
const ENDPOINT: &str = "198.51.100.254";
const REFUSED: &str = "ENOBUFS";
/// Every kind that the running kernel has, the best first.
fn kinds() -> &'static [GuardKind] {
    match best() {
        GuardKind::Tcx => &[GuardKind::Tcx, GuardKind::Clsact],
        GuardKind::Clsact => &[GuardKind::Clsact],
    }
}

fn best() -> GuardKind {
    GuardKind::supported().unwrap()
}
const EMPTY: Namespace = Namespace::Network {
    setup: "ip link set lo up",
};

/// A machine with an uplink, `up0`, at whose other end `far` hears all frames.
struct Network<'a> {
    world: &'a World,
    far: Caller,
}

fn run(command: &str) {
    let status = Command::new("sh").args(["-e", "-c", command]).status();
    assert!(status.expect("run sh").success(), "{command}");
}

fn output(command: &str) -> String {
    let output = Command::new("sh").args(["-e", "-c", command]).output();
    String::from_utf8(output.expect("run sh").stdout).expect("UTF-8")
}

fn shell(caller: &mut Caller, command: &str) {
    assert_eq!(caller.ask(&format!("shell {command}")), "ok", "{command}");
}

impl<'a> Network<'a> {
    fn new(world: &'a World) -> Self {
        let mut far = world.caller_in(&EMPTY);
        run(&format!(
            "ip link add up0 type veth peer name far0 netns {}
             ip addr add 198.51.100.1/24 dev up0
             ip link set up0 up
             echo 1 > /proc/sys/net/ipv4/ip_forward",
            far.pid().0
        ));
        shell(
            &mut far,
            "ip addr add 198.51.100.254/24 dev far0 && ip link set far0 up \
             && ip route add 192.0.2.0/24 via 198.51.100.1",
        );
        assert_eq!(far.ask("hear-frames far0"), "ok");
        Self { world, far }
    }

    /// Attaches the programs, with this process as an agent that never asks itself.
    fn guard(&self, kind: GuardKind, mode: InterceptMode) -> Interceptor {
        let mut interceptor =
            Interceptor::attach_with_guard(&self.world.config, kind).expect("attach");
        protect(&mut interceptor, mode);
        interceptor.claim(self.world.netns()).expect("claim");
        interceptor.guard_links().expect("guard the links");
        interceptor
    }

    /// Returns what arrives next for the endpoint: so nothing that was sent before has arrived.
    fn next(&mut self) -> String {
        self.far.ask(&format!("next-packet {ENDPOINT}"))
    }
}

fn protect(interceptor: &mut Interceptor, mode: InterceptMode) {
    let endpoint = InterceptedEndpoint {
        address: ENDPOINT.parse().unwrap(),
        port: 80,
        mode,
        index: 0,
    };
    interceptor.protect(&[endpoint]).expect("protect");
}

fn send(caller: &mut Caller, packet: &str) -> String {
    caller.ask(&format!("send-packet to={ENDPOINT} {packet}"))
}

/// Returns how each link is guarded, as `name kind`.
fn guarded(interceptor: &Interceptor) -> Vec<String> {
    let links = interceptor.guarded_links().iter();
    let mut shown: Vec<_> = links
        .map(|link| match &link.guard {
            Ok(kind) => format!("{} {}", link.name, kind.as_str()),
            Err(error) => format!("{} {error}", link.name),
        })
        .collect();
    shown.sort();
    shown
}

fn pins(pin_dir: &Path) -> Vec<String> {
    let names = fs::read_dir(pin_dir).expect("list").flatten();
    let names = names.map(|entry| entry.file_name().into_string().expect("UTF-8"));
    names.filter(|name| name.contains("guard_")).collect()
}

#[test]
fn packet_sockets_do_not_reach_the_endpoint_whatever_they_claim() {
    for &kind in kinds() {
        in_world(|world| {
            let mut network = Network::new(world);
            let agent = network.guard(kind, InterceptMode::Enforce);
            assert_eq!(guarded(&agent), [format!("up0 {}", kind.as_str())]);
            let mut caller = world.caller();
            let ways = [
                "via=frame",
                "via=frame claims=0806",
                "via=frame claims=88b5 flags=ack payload=GET",
                "via=frame tags=8100:5",
                "via=frame tags=8100:0,8100:0 claims=8100",
                "via=frame tags=88a8:7,8100:5 claims=88b5",
                "via=frame snap=1",
                "via=frame tags=8100:0 snap=1",
                "via=frame proto=udp payload=x",
                "via=datagram",
                "via=datagram flags=ack payload=GET",
            ];
            for way in ways {
                assert_eq!(send(&mut caller, way), REFUSED, "{way}");
            }
            let stopped = u64::try_from(ways.len()).unwrap();
            assert_eq!(count(&agent, Counter::ForwardedRefused), stopped);
            assert_eq!(send(&mut caller, "via=frame port=53"), "ok");
            assert_eq!(network.next(), "tcp 53");
        });
    }
}

#[test]
fn other_ports_of_the_same_address_pass_from_packet_sockets() {
    in_world(|world| {
        let mut network = Network::new(world);
        let agent = network.guard(best(), InterceptMode::Enforce);
        let mut caller = world.caller();
        for (way, arrives) in [
            ("via=frame proto=udp port=53 payload=x", "udp 53"),
            ("via=datagram proto=udp port=67 payload=x", "udp 67"),
            (
                "via=frame tags=8100:0 proto=udp port=67 payload=x",
                "udp 67",
            ),
            ("via=frame proto=udp port=123 payload=x", "udp 123"),
            ("via=frame port=32526", "tcp 32526"),
            ("via=frame flags=rst", "tcp 80"),
        ] {
            assert_eq!(send(&mut caller, way), "ok", "{way}");
            assert_eq!(network.next(), arrives, "{way}");
        }
        // The frame's type counts: to a receiver this is no IP packet.
        assert_eq!(send(&mut caller, "via=frame type=88b5"), "ok");
        assert_eq!(count(&agent, Counter::ForwardedRefused), 0);
    });
}

#[test]
fn links_without_frames_are_guarded_too() {
    in_world(|world| {
        let network = Network::new(world);
        let mut caller = world.caller();
        assert_eq!(caller.ask("open-tun tun9"), "ok");
        run("ip addr add 203.0.113.1/24 dev tun9; ip link set tun9 up");
        let agent = network.guard(best(), InterceptMode::Enforce);
        let kind = best().as_str();
        assert_eq!(
            guarded(&agent),
            [format!("tun9 {kind}"), format!("up0 {kind}")]
        );
        for claims in ["0800", "86dd", "0806"] {
            let packet = format!("via=packet device=tun9 claims={claims}");
            assert_eq!(send(&mut caller, &packet), REFUSED, "{claims}");
            assert_eq!(send(&mut caller, &format!("{packet} port=53")), "ok");
        }
        assert_eq!(count(&agent, Counter::ForwardedRefused), 3);
    });
}

/// Connects a namespace by a veth pair whose near end is `near`, and sends from inside.
fn behind(world: &World, near: &str, address: &str) -> Caller {
    let mut inside = world.caller_in(&EMPTY);
    run(&format!(
        "ip link add {near} type veth peer name in0 netns {}; ip link set {near} up",
        inside.pid().0
    ));
    shell(
        &mut inside,
        &format!("ip addr add {address}/24 dev in0 && ip link set in0 up"),
    );
    inside
}

#[test]
fn forwarded_packets_do_not_reach_the_endpoint() {
    for &kind in kinds() {
        in_world(|world| {
            let mut network = Network::new(world);
            let mut inside = behind(world, "near0", "192.0.2.2");
            run("ip addr add 192.0.2.1/24 dev near0");
            shell(&mut inside, "ip route add default via 192.0.2.1");
            let agent = network.guard(kind, InterceptMode::Enforce);
            assert_eq!(inside.ask("open INET udp"), "ok");
            for port in [53, 123] {
                let datagram = format!("send-datagram {ENDPOINT} {port}");
                assert_eq!(inside.ask(&datagram), "ok");
                assert_eq!(network.next(), format!("udp {port}"));
            }
            leave_cgroup(world, &mut inside);
            assert_eq!(inside.ask("open INET tcp"), "ok");
            assert_eq!(
                inside.ask(&format!("send-syn {ENDPOINT} 80")),
                "EINPROGRESS"
            );
            wait_until("the forwarded SYN is stopped", || {
                count(&agent, Counter::ForwardedRefused) > 0
            });
            assert_eq!(inside.ask("open INET udp"), "ok");
            assert_eq!(inside.ask(&format!("send-datagram {ENDPOINT} 53")), "ok");
            assert_eq!(network.next(), "udp 53");
        });
    }
}

/// Moves a process out of the intercepted cgroup, as if it were in a nested machine.
fn leave_cgroup(world: &World, caller: &mut Caller) {
    let parent = world
        .cgroup
        .parent()
        .expect("a parent")
        .join("cgroup.procs");
    shell(
        caller,
        &format!("echo {} > {}", caller.pid().0, parent.display()),
    );
}

#[test]
fn bridged_and_macvlan_namespaces_do_not_reach_the_endpoint() {
    in_world(|world| {
        let mut network = Network::new(world);
        let mut bridged = behind(world, "near0", "198.51.100.2");
        run(
            "ip link add br0 type bridge; ip link set br0 up; ip link set near0 master br0
             ip link set up0 master br0",
        );
        let agent = network.guard(best(), InterceptMode::Enforce);
        let kind = best().as_str();
        let expected = ["br0", "near0", "up0"].map(|link| format!("{link} {kind}"));
        assert_eq!(guarded(&agent), expected);
        let way = "via=frame device=in0 source=198.51.100.2";
        assert_eq!(send(&mut bridged, way), "ok");
        assert_eq!(send(&mut bridged, &format!("{way} port=53")), "ok");
        assert_eq!(network.next(), "tcp 53");
        let stopped = count(&agent, Counter::ForwardedRefused);
        assert!(stopped > 0);

        run("ip link set up0 nomaster");
        let mut child = world.caller_in(&EMPTY);
        run(&format!(
            "ip link add link up0 name mv0 type macvlan mode bridge; ip link set mv0 netns {}",
            child.pid().0
        ));
        shell(&mut child, "ip link set mv0 up");
        let way = "via=frame device=mv0 source=198.51.100.3";
        send(&mut child, way);
        assert_eq!(send(&mut child, &format!("{way} port=53")), "ok");
        assert_eq!(network.next(), "tcp 53");
        assert_eq!(count(&agent, Counter::ForwardedRefused), stopped + 1);
    });
}

#[test]
fn own_connection_passes_the_links_also_after_a_restart() {
    for &kind in kinds() {
        in_world(|world| {
            let mut network = Network::new(world);
            assert_eq!(network.far.ask(&format!("listen {ENDPOINT} 80")), "ok");
            for _ in 0..2 {
                let mut interceptor = network.guard(kind, InterceptMode::Enforce);
                let mut agent = world.caller();
                let process = AgentProcess::of(agent.pid()).unwrap();
                interceptor.claim_for(process, world.netns()).unwrap();
                assert_eq!(agent.connect("INET tcp", &format!("{ENDPOINT} 80")), "ok");
                assert_eq!(agent.ask("send request"), "ok");
                assert_eq!(send(&mut agent, "via=frame"), REFUSED);
            }
        });
    }
}

#[test]
fn audit_passes_and_counts_and_enforce_then_stops() {
    for &kind in kinds() {
        in_world(|world| {
            let mut network = Network::new(world);
            let mut agent = network.guard(kind, InterceptMode::Audit);
            let mut caller = world.caller();
            assert_eq!(send(&mut caller, "via=frame"), "ok");
            assert_eq!(network.next(), "tcp 80");
            assert_eq!(count(&agent, Counter::ForwardedPassed), 1);
            // Seen by the cgroup's program, so not counted on the link as well.
            assert_eq!(send(&mut caller, "via=header source=198.51.100.1"), "ok");
            assert_eq!(network.next(), "tcp 80");
            assert_eq!(count(&agent, Counter::EgressPassed), 1);
            assert_eq!(count(&agent, Counter::ForwardedPassed), 1);
            protect(&mut agent, InterceptMode::Enforce);
            assert_eq!(send(&mut caller, "via=frame"), REFUSED);
            assert_eq!(count(&agent, Counter::ForwardedRefused), 1);
        });
    }
}

#[test]
fn link_that_appears_later_is_told_and_guarded_and_one_that_goes_leaves_no_pin() {
    for &kind in kinds() {
        in_world(|world| {
            let network = Network::new(world);
            let events = LinkEvents::open().unwrap();
            let mut agent = network.guard(kind, InterceptMode::Enforce);
            let kind = kind.as_str();
            events.drain().unwrap();
            let mut caller = world.caller();
            run(
                "ip link add later0 type veth peer name later1; ip link set later0 up
                 ip link set later1 up",
            );
            wait_for(&events);
            events.drain().unwrap();
            agent.guard_links().unwrap();
            let expected = ["later0", "later1", "up0"].map(|name| format!("{name} {kind}"));
            assert_eq!(guarded(&agent), expected);
            assert_eq!(send(&mut caller, "via=frame device=later0"), REFUSED);
            assert_eq!(pins(&world.config.pin_dir).len(), 3);

            run("ip link del later0");
            wait_for(&events);
            agent.guard_links().unwrap();
            assert_eq!(guarded(&agent), [format!("up0 {kind}")]);
            assert_eq!(pins(&world.config.pin_dir).len(), 1);
        });
    }
}

fn wait_for(events: &LinkEvents) {
    let limit = Timespec {
        tv_sec: 20,
        tv_nsec: 0,
    };
    let mut waiting = [PollFd::from_borrowed_fd(events.as_fd(), PollFlags::IN)];
    assert_eq!(poll(&mut waiting, Some(&limit)).unwrap(), 1, "no event");
}

#[test]
fn guard_that_somebody_took_off_is_put_back() {
    for &kind in kinds() {
        let take_off = match kind {
            GuardKind::Clsact => "tc qdisc del dev up0 clsact",
            GuardKind::Tcx => "rm PINS/link_guard_*",
        };
        in_world(|world| {
            let network = Network::new(world);
            let mut agent = network.guard(kind, InterceptMode::Enforce);
            let mut caller = world.caller();
            let pin_dir = world.config.pin_dir.to_str().unwrap();
            run(&take_off.replace("PINS", pin_dir));
            wait_until("the guard is off", || {
                send(&mut caller, "via=frame") == "ok"
            });
            agent.guard_links().unwrap();
            assert_eq!(send(&mut caller, "via=frame"), REFUSED);
        });
    }
}

#[test]
fn detaching_leaves_nothing_on_any_link() {
    for &kind in kinds() {
        in_world(|world| {
            let mut network = Network::new(world);
            let agent = network.guard(kind, InterceptMode::Enforce);
            let mut caller = world.caller();
            assert_eq!(send(&mut caller, "via=frame"), REFUSED);
            detach(&world.config.pin_dir).unwrap();
            assert!(!world.config.pin_dir.exists());
            assert_eq!(output("tc filter show dev up0 egress"), "");
            let qdiscs = output("tc qdisc show dev up0");
            assert!(!qdiscs.contains("clsact"), "{qdiscs}");
            assert_eq!(send(&mut caller, "via=frame"), "ok");
            assert_eq!(network.next(), "tcp 80");
            drop(agent);
        });
    }
}

#[test]
fn filters_of_others_on_the_same_link_stay() {
    in_world(|world| {
        let network = Network::new(world);
        run(
            "tc qdisc add dev up0 clsact
             tc filter add dev up0 egress prio 9 protocol ip bpf da bytecode '1,6 0 0 4294967295,'",
        );
        let agent = network.guard(GuardKind::Clsact, InterceptMode::Enforce);
        let mut caller = world.caller();
        assert_eq!(send(&mut caller, "via=frame"), REFUSED);
        detach(&world.config.pin_dir).unwrap();
        let filters = output("tc filter show dev up0 egress");
        assert!(filters.contains("bytecode"), "{filters}");
        assert!(!filters.contains("latchkey"), "{filters}");
        drop(agent);
    });
}

/// A residual: such a packet passes every program of the machine, so only the host's check of the
/// signature stops it.
#[test]
fn packet_socket_that_bypasses_queueing_passes_the_guard_of_the_link() {
    for &kind in kinds() {
        in_world(|world| {
            let mut network = Network::new(world);
            let agent = network.guard(kind, InterceptMode::Enforce);
            let mut caller = world.caller();
            assert_eq!(send(&mut caller, "via=frame bypass=1"), "ok");
            assert_eq!(network.next(), "tcp 80");
            assert_eq!(count(&agent, Counter::ForwardedRefused), 0);
        });
    }
}
