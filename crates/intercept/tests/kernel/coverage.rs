//! What the coverage probe finds out about programs that are whole, broken or not there, and that it
//! sends nothing out of its machine while it does.

use std::collections::BTreeMap;
use std::fs;
use std::net::UdpSocket;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::Command;

use latchkey_intercept::coverage::{
    ChildProgram, Coverage, CoverageError, EndpointCoverage, Outcome, Probe, Verdict, Way, measure,
};
use latchkey_intercept::{InterceptMode, attachments};

use crate::stranger::Stranger;
use crate::world::{World, in_world, tells_senders};

/// What a whole set of programs makes of each way in Enforce: the one place to change when there is
/// one more program.
fn expected_in_enforce(way: Way) -> Verdict {
    match way {
        Way::UdpSend | Way::UdpConnected | Way::UdpMapped | Way::UdpLite => Verdict::Refused,
        Way::OtherNamespace | Way::BindToDevice | Way::UserNamespace => Verdict::Refused,
        Way::ListenerPort | Way::LinksGuarded => Verdict::Refused,
        Way::RawIpv4 | Way::RawIpv4Header | Way::RawIpv6 => Verdict::Refused,
        Way::PacketRaw | Way::PacketDatagram | Way::Forwarded => Verdict::Refused,
        Way::PacketBypass => Verdict::Open,
        Way::OtherPortUdp | Way::OtherPortTcp => Verdict::Untouched,
        Way::Sctp if is_loaded("SCTP") => Verdict::Refused,
        Way::Dccp if is_loaded("DCCP") => Verdict::Refused,
        Way::Sctp | Way::Dccp => Verdict::NotTestable,
        Way::ListenerDirect => Verdict::NotTestable,
        Way::HandedOver if tells_senders() => Verdict::Refused,
        Way::HandedOver => Verdict::NotTestable,
        _ => Verdict::Brokered,
    }
}

/// Whether the kernel has a protocol for which the probe loads no module.
fn is_loaded(protocol: &str) -> bool {
    let table = fs::read_to_string("/proc/thread-self/net/protocols").expect("a table");
    let mut names = table.lines().filter_map(|line| line.split(' ').next());
    names.any(|name| name == protocol)
}

/// Whether it is tried on a device that the probe made itself, with the guard on it.
fn has_guard_of_the_probe(way: Way) -> bool {
    let connects = [Way::OtherNamespace, Way::BindToDevice];
    let packets = [
        Way::RawIpv6,
        Way::PacketRaw,
        Way::PacketDatagram,
        Way::Forwarded,
        Way::Sctp,
        Way::Dccp,
    ];
    connects.contains(&way) || packets.contains(&way)
}

/// What passes in Audit and is counted, where Enforce refuses it.
fn expected_in_audit(way: Way) -> Verdict {
    match (way, expected_in_enforce(way)) {
        (Way::ListenerPort | Way::LinksGuarded | Way::HandedOver, verdict) => verdict,
        (_, Verdict::Refused) => Verdict::LetThrough,
        (_, verdict) => verdict,
    }
}

/// What a connect becomes that no agent stands behind.
fn expected_without_agent(way: Way) -> Verdict {
    match expected_in_enforce(way) {
        verdict if way == Way::ExecCapture => verdict,
        Verdict::Brokered => Verdict::Refused,
        verdict => verdict,
    }
}

fn probe(world: &World) -> Probe {
    let test = std::env::current_exe().expect("an own path");
    let profile = test.ancestors().nth(2).expect("a profile's directory");
    Probe {
        pin_dir: world.config.pin_dir.clone(),
        cgroup: Some(world.cgroup.clone()),
        child: ChildProgram {
            program: profile.join("examples/coverage_child"),
            ..ChildProgram::default()
        },
    }
}

fn measured(world: &World) -> Coverage {
    measure(&probe(world), &mut |_| ControlFlow::Continue(())).expect("a measurement")
}

/// Detaches links that the agent holds and would put back at its next look.
fn detach_links(world: &World, names: &[impl AsRef<str>]) {
    let mut stranger = Stranger::start();
    for name in names {
        let pin = world.config.pin_dir.join(name.as_ref());
        stranger.does(&format!("detach {}", pin.display()));
    }
}

fn verdicts(outcomes: &[Outcome]) -> BTreeMap<&'static str, (Verdict, &str)> {
    let rows = outcomes.iter();
    rows.map(|row| (row.way.id(), (row.verdict, row.note.as_str())))
        .collect()
}

#[track_caller]
fn assert_outcomes(outcomes: &[Outcome], expected: impl Fn(Way) -> Verdict) {
    for outcome in outcomes {
        assert_eq!(
            outcome.verdict,
            expected(outcome.way),
            "{}: {} ({:#?})",
            outcome.way,
            outcome.note,
            verdicts(outcomes)
        );
    }
}

#[track_caller]
fn assert_coverage(coverage: &Coverage, expected: impl Fn(Way) -> Verdict + Copy) {
    assert_eq!(coverage.endpoints.len(), 2, "one of each family");
    for endpoint in &coverage.endpoints {
        assert!(endpoint.outcomes.len() > 12, "{endpoint:?}");
        assert_outcomes(&endpoint.outcomes, expected);
    }
    assert_outcomes(&coverage.machine, expected);
}

fn outcome(endpoint: &EndpointCoverage, way: Way) -> Option<&Outcome> {
    endpoint.outcomes.iter().find(|outcome| outcome.way == way)
}

/// What the probe must not leave in the cgroup that the programs are attached to.
fn nests(world: &World) -> Vec<PathBuf> {
    let entries = fs::read_dir(&world.cgroup).expect("a cgroup").flatten();
    let entries = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    entries.map(|entry| entry.path()).collect()
}

#[test]
fn every_way_has_its_verdict_in_enforce() {
    in_world(|world| {
        let _agent = world.agent(InterceptMode::Enforce);
        let coverage = measured(world);
        assert_coverage(&coverage, expected_in_enforce);
        let open = Way::ALL.iter().filter(|way| {
            expected_in_enforce(**way) == Verdict::Open && **way != Way::PacketBypass
        });
        let found = coverage.endpoints.iter().flat_map(|found| &found.outcomes);
        let found = found.filter(|outcome| outcome.is_finding);
        assert!(
            found
                .clone()
                .all(|outcome| outcome.way != Way::PacketBypass)
        );
        assert_eq!(coverage.findings(), found.count());
        assert_eq!(coverage.findings() > 0, open.count() > 0);
        assert_eq!(nests(world), Vec::<PathBuf>::new());
    });
}

#[test]
fn what_enforce_refuses_audit_lets_through_and_counts() {
    in_world(|world| {
        let _agent = world.agent(InterceptMode::Audit);
        let coverage = measured(world);
        assert_coverage(&coverage, expected_in_audit);
        assert_eq!(coverage.findings(), 0);
    });
}

#[test]
fn nothing_is_brokered_and_nothing_more_is_open_without_an_agent() {
    in_world(|world| {
        let _interceptor = world.attach(InterceptMode::Enforce);
        let coverage = measured(world);
        assert_coverage(&coverage, expected_without_agent);
    });
}

#[test]
fn missing_links_open_exactly_the_ways_that_they_closed() {
    in_world(|world| {
        let _agent = world.agent(InterceptMode::Enforce);
        detach_links(world, &["link_connect6", "link_egress"]);
        let coverage = measured(world);
        let over_ipv6 = [Way::Tcp6Mapped, Way::MptcpMapped, Way::Nat64];
        let below_connect = [Way::RawIpv4, Way::RawIpv4Header];
        for endpoint in &coverage.endpoints {
            let is_open = |way: Way| {
                let connects = [
                    Way::Nonblocking,
                    Way::UserNamespace,
                    Way::UdpConnected,
                    Way::Tcp6Native,
                ];
                over_ipv6.contains(&way)
                    || below_connect.contains(&way)
                    || endpoint.endpoint.is_ipv6() && connects.contains(&way)
            };
            for outcome in &endpoint.outcomes {
                let expected = if is_open(outcome.way) {
                    Verdict::Open
                } else {
                    expected_in_enforce(outcome.way)
                };
                assert_eq!(outcome.verdict, expected, "{outcome:?}");
                assert!(outcome.is_finding || !is_open(outcome.way), "{outcome:?}");
            }
        }
    });
}

/// Puts a network behind a device of this namespace, to which everything is routed.
fn connect_to_a_network() {
    let setup = "ip link add up0 type veth peer name far0 \
                 && echo 1 > /proc/sys/net/ipv6/conf/up0/disable_ipv6 \
                 && echo 1 > /proc/sys/net/ipv6/conf/far0/disable_ipv6 \
                 && ip addr del 169.254.169.254/32 dev lo && ip addr del fd00:ec2::254/128 dev lo \
                 && ip addr add 10.9.0.1/24 dev up0 && ip link set up0 up && ip link set far0 up \
                 && ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:09 dev up0 \
                 && ip route add default via 10.9.0.2 \
                 && echo 1 > /proc/sys/net/ipv4/ip_forward";
    let status = Command::new("sh").args(["-e", "-c", setup]).status();
    assert!(status.expect("run ip").success());
}

/// Returns how many packets left through the device.
fn sent_out() -> u64 {
    let table = fs::read_to_string("/proc/thread-self/net/dev").expect("a table of devices");
    let row = table
        .lines()
        .find_map(|line| line.trim().strip_prefix("up0:"));
    let field = row.expect("the device").split_ascii_whitespace().nth(9);
    field
        .and_then(|field| field.parse().ok())
        .expect("a number")
}

#[test]
fn no_packet_leaves_the_machine_whatever_is_attached() {
    in_world(|world| {
        connect_to_a_network();
        let knocked = UdpSocket::bind("10.9.0.1:0").expect("a socket");
        knocked.send_to(b"", "169.254.169.254:53").expect("a route");
        let before = sent_out();
        assert_eq!(before, 1, "what is sent out is counted");

        let agent = world.agent(InterceptMode::Enforce);
        let coverage = measured(world);
        assert_eq!(sent_out(), before);
        let unguarded = coverage
            .machine
            .iter()
            .find(|row| row.way == Way::LinksGuarded);
        assert!(unguarded.is_some_and(|row| row.note.contains("up0")));

        let names = attachments(&world.config.pin_dir).expect("links");
        let names: Vec<_> = names
            .iter()
            .map(|link| format!("link_{}", link.program))
            .collect();
        detach_links(world, &names);
        let coverage = measured(world);
        assert_eq!(sent_out(), before, "with no program attached");
        for endpoint in &coverage.endpoints {
            for outcome in &endpoint.outcomes {
                let expected = match expected_in_enforce(outcome.way) {
                    verdict if has_guard_of_the_probe(outcome.way) => verdict,
                    Verdict::Brokered | Verdict::Refused => Verdict::Open,
                    verdict => verdict,
                };
                assert_eq!(outcome.verdict, expected, "{outcome:?}");
            }
        }
        drop(agent);
    });
}

#[test]
fn attached_cgroup_is_found_by_the_links() {
    in_world(|world| {
        let _agent = world.agent(InterceptMode::Enforce);
        let searching = Probe {
            cgroup: None,
            ..probe(world)
        };
        let coverage = measure(&searching, &mut |_| ControlFlow::Continue(())).unwrap();
        let mut endpoints = coverage.endpoints.iter();
        let brokered = endpoints
            .find_map(|found| outcome(found, Way::Tcp4))
            .unwrap();
        assert_eq!(brokered.verdict, Verdict::Brokered);
    });
}

#[test]
fn stopped_measurement_and_killed_one_leave_nothing_behind() {
    in_world(|world| {
        let _agent = world.agent(InterceptMode::Enforce);
        // A process that is gone: pid_max is far below.
        fs::create_dir(world.cgroup.join("latchkey-probe-999999999")).unwrap();
        let stopped = measure(&probe(world), &mut |progress| {
            if progress.done < 3 {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
        assert!(
            matches!(stopped, Err(CoverageError::Stopped)),
            "{stopped:?}"
        );
        assert_eq!(nests(world), Vec::<PathBuf>::new());
    });
}

#[test]
fn child_that_does_not_answer_makes_its_ways_not_testable_and_holds_nobody_up() {
    in_world(|world| {
        let _agent = world.agent(InterceptMode::Enforce);
        let mut deaf = probe(world);
        deaf.child = ChildProgram {
            program: "/bin/true".into(),
            arguments: Vec::new(),
        };
        let coverage = measure(&deaf, &mut |_| ControlFlow::Continue(())).unwrap();
        for outcome in coverage.endpoints.iter().flat_map(|found| &found.outcomes) {
            assert_eq!(outcome.verdict, Verdict::NotTestable, "{outcome:?}");
        }
    });
}

#[test]
fn directory_without_pins_is_said_to_protect_nothing() {
    in_world(|world| {
        let measured = measure(&probe(world), &mut |_| ControlFlow::Continue(()));
        assert!(matches!(measured, Err(CoverageError::NotProtected { .. })));
    });
}
