//! What the coverage probe says of a whole guest, with a real agent and host behind it, and that
//! nobody but its reader hears of it.

use std::collections::BTreeMap;

use latchkey_lab::binaries::{self, Binary};
use latchkey_lab::curl::Curl;
use latchkey_lab::system::LIMIT;
use latchkey_lab::{GuestPlan, System};
use latchkey_protocol::Mode;
use latchkey_record::Coverage;
use latchkey_record::coverage::{COVERAGE_VERSION, EndpointCoverage, Verdict};

use crate::world::{INSTANCE, World};

/// The ways that no hook of a guest's kernel closes, whatever is attached.
const ALWAYS_OPEN: &str = "packet_qdisc_bypass";

fn verdicts(endpoint: &EndpointCoverage) -> BTreeMap<&str, Verdict> {
    let ways = endpoint.ways.iter();
    ways.map(|way| (way.way.as_str(), way.verdict)).collect()
}

/// Checks what holds for the three endpoints of a guest in this mode.
#[track_caller]
fn assert_covered(coverage: &Coverage, mode: Mode) {
    let refused = match mode {
        Mode::Audit => Verdict::LetThrough,
        Mode::Enforce | Mode::Disabled => Verdict::Refused,
    };
    assert_eq!(coverage.version, COVERAGE_VERSION);
    let endpoints: Vec<_> = coverage
        .endpoints
        .iter()
        .map(|found| &*found.endpoint)
        .collect();
    assert_eq!(
        endpoints,
        [
            "168.63.129.16:80",
            "168.63.129.16:32526",
            "169.254.169.254:80"
        ]
    );
    for endpoint in &coverage.endpoints {
        assert_eq!(endpoint.mode, mode);
        let verdicts = verdicts(endpoint);
        for (way, expected) in [
            ("tcp4", Verdict::Brokered),
            ("tcp6_mapped", Verdict::Brokered),
            ("tcp_fastopen_send", Verdict::Brokered),
            ("mptcp4", Verdict::Brokered),
            ("io_uring", Verdict::Brokered),
            ("io_uring_sqpoll", Verdict::Brokered),
            ("same_source_port", Verdict::Brokered),
            ("nat64", Verdict::Brokered),
            ("udp_send", refused),
            ("raw4", refused),
            ("raw6", refused),
            ("packet_raw", refused),
            ("forwarded", refused),
            ("other_netns", refused),
            ("user_namespace", refused),
            (ALWAYS_OPEN, Verdict::Open),
            ("other_port_udp", Verdict::Untouched),
            ("other_port_tcp", Verdict::Untouched),
        ] {
            assert_eq!(verdicts.get(way), Some(&expected), "{way}: {endpoint:?}");
        }
    }
    let ways = coverage.endpoints.iter().flat_map(|found| &found.ways);
    for way in ways.chain(&coverage.machine) {
        assert!(!way.finding, "{way:?}");
    }
}

/// Runs the doctor in a guest and returns its answer and exit code.
fn doctor(system: &System, guest: &str) -> (Coverage, Option<i32>) {
    let guest = system.guest(guest).unwrap();
    let command = guest
        .command("root", binaries::find(Binary::Cli).unwrap())
        .args(["doctor", "--coverage", "--format", "json", "--pins"])
        .arg(guest.pin_dir());
    let output = command.output(LIMIT).unwrap();
    let coverage = serde_json::from_str(&output.stdout_text());
    (
        coverage.unwrap_or_else(|error| panic!("{error}: {output:?}")),
        output.code(),
    )
}

#[test]
fn doctor_measures_a_guest_and_nobody_else_hears_of_it() {
    let world = World::start([GuestPlan::enforce("strict"), GuestPlan::audit("lenient")]);
    let (strict, code) = doctor(&world.system, "strict");
    assert_covered(&strict, Mode::Enforce);
    assert_eq!((strict.findings, code), (0, Some(0)));
    let (lenient, code) = doctor(&world.system, "lenient");
    assert_covered(&lenient, Mode::Audit);
    assert_eq!((lenient.findings, code), (0, Some(0)));
    for guest in ["strict", "lenient"] {
        assert_eq!(world.observed(guest), [], "the host hears nothing");
        let status = world.ask(guest, "app", &Curl::imds(INSTANCE)).status;
        assert_eq!(status, Some(200), "the agent serves as before");
    }
    world.end(&[("strict", 1), ("lenient", 1)]);
}

#[test]
fn doctor_of_a_killed_agent_brokers_nothing_and_opens_nothing() {
    let mut world = World::start([GuestPlan::enforce("vm")]);
    let (before, _) = doctor(&world.system, "vm");
    world.system.kill_agent("vm").unwrap();
    let (after, _) = doctor(&world.system, "vm");
    assert_eq!(after.findings, before.findings);
    for endpoint in &after.endpoints {
        for way in &endpoint.ways {
            assert_ne!(way.verdict, Verdict::Brokered, "{way:?}");
        }
        assert_eq!(verdicts(endpoint).get("tcp4"), Some(&Verdict::Refused));
    }
    assert_eq!(world.observed("vm"), []);
    world.end(&[]);
}

#[test]
fn doctor_says_that_it_needs_root() {
    let world = World::start([GuestPlan::enforce("vm")]);
    let guest = world.guest("vm");
    let command = guest
        .command("app", binaries::find(Binary::Cli).unwrap())
        .args(["doctor", "--coverage", "--pins"])
        .arg(guest.pin_dir());
    let output = command.output(LIMIT).unwrap();
    assert_eq!(output.code(), Some(1), "{output:?}");
    assert_eq!(
        output.stderr,
        "latchkey: measuring the coverage needs root\n"
    );
    world.end(&[("vm", 0)]);
}

#[test]
fn agent_measures_at_its_start_and_its_status_tells() {
    let mut world = World::start([GuestPlan::enforce("vm").with_coverage_at_start()]);
    let measured = "the coverage is measured";
    world.system.wait_for_agent_line("vm", measured).unwrap();
    let status = world
        .system
        .wait_for_status("vm", measured, |status| status.coverage.is_some())
        .unwrap();
    let coverage = status.coverage.unwrap();
    assert_covered(&coverage, Mode::Enforce);
    assert!(status.healthy);
    assert_eq!(world.observed("vm"), []);
    world.end(&[("vm", 0)]);
}

#[test]
fn agent_that_ends_while_it_measures_does_not_wait_for_it() {
    let mut world = World::start([GuestPlan::enforce("vm").with_coverage_at_start()]);
    let status = world.system.terminate_agent("vm").unwrap();
    assert!(status.success(), "{status}");
    world.system.start_agent("vm").unwrap();
    world.system.wait_until_served("vm").unwrap();
    world.end(&[("vm", 0)]);
}
