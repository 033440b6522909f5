//! What the profiles of the deployed agent's log make of requests beside those that were seen: another
//! method, a path above or below, another caller.

use latchkey_policy::learn::Options;
use latchkey_protocol::EndpointKind;
use latchkey_protocol::authorization::Privilege;

use crate::asked::allows;
use crate::deployed_log::{caller, learned, profile};

const GUEST_DAEMON: (&str, &str) = ("root", "/usr/sbin/azure-guestd");
const EVENTS: (&str, &str) = ("eventsd", "/usr/bin/eventsd");

/// Returns whether a caller may make a request line in Enforce.
fn may(endpoint: EndpointKind, line: &str, who: (&'static str, &'static str)) -> bool {
    let learned = learned(Options::default());
    let ruled = match endpoint {
        EndpointKind::Imds => EndpointKind::Imds,
        EndpointKind::WireServer | EndpointKind::HostGa => EndpointKind::WireServer,
    };
    let line = line.split_once(' ').unwrap();
    allows(
        profile(&learned, ruled),
        endpoint,
        line,
        &caller(who.0, who.1),
    )
}

/// Returns the privileges of a path with their methods, and whether what lies below is covered.
fn privileges(path: &str) -> Vec<(Vec<String>, bool)> {
    let learned = learned(Options::default());
    let entries = learned.report.entries.iter().map(|entry| &entry.privilege);
    let own = entries.filter(|privilege| privilege.path == path);
    let read = |own: &Privilege| {
        (
            own.methods.clone().unwrap_or_default(),
            own.path_match.is_none(),
        )
    };
    own.map(read).collect()
}

#[test]
fn privilege_has_the_methods_that_were_seen_and_no_other() {
    assert_eq!(privileges("/status"), [(vec!["PUT".to_owned()], false)]);
    assert_eq!(
        privileges("/metadata/scheduledevents"),
        [(vec!["GET".to_owned(), "POST".to_owned()], false)]
    );
    for (endpoint, line, who, is_allowed) in [
        (EndpointKind::HostGa, "PUT /status", GUEST_DAEMON, true),
        (EndpointKind::HostGa, "GET /status", GUEST_DAEMON, false),
        (EndpointKind::HostGa, "PUT /vmAgentLog", GUEST_DAEMON, true),
        (
            EndpointKind::HostGa,
            "POST /vmAgentLog",
            GUEST_DAEMON,
            false,
        ),
        (EndpointKind::HostGa, "GET /vmSettings", GUEST_DAEMON, true),
        (
            EndpointKind::HostGa,
            "DELETE /vmSettings",
            GUEST_DAEMON,
            false,
        ),
        (
            EndpointKind::WireServer,
            "POST /machine?comp=health",
            GUEST_DAEMON,
            true,
        ),
        (
            EndpointKind::WireServer,
            "GET /machine?comp=health",
            GUEST_DAEMON,
            false,
        ),
        (
            EndpointKind::WireServer,
            "POST /machine?comp=goalstate",
            GUEST_DAEMON,
            false,
        ),
        (
            EndpointKind::Imds,
            "GET /metadata/scheduledevents?api-version=2030-01-01",
            EVENTS,
            true,
        ),
        (
            EndpointKind::Imds,
            "POST /metadata/scheduledevents?api-version=2030-01-01",
            EVENTS,
            true,
        ),
        (
            EndpointKind::Imds,
            "PUT /metadata/scheduledevents?api-version=2020-07-01",
            EVENTS,
            false,
        ),
        (
            EndpointKind::Imds,
            "POST /metadata/instance/compute/tagsList",
            EVENTS,
            false,
        ),
    ] {
        assert_eq!(may(endpoint, line, who), is_allowed, "{line}");
    }
}

#[test]
fn privilege_ends_at_the_path_that_was_seen_unless_an_id_stood_below() {
    assert_eq!(
        privileges("/metadata/instance/compute/tagslist"),
        [(vec!["GET".to_owned()], false)]
    );
    assert_eq!(
        privileges("/extensionartifact"),
        [(vec!["GET".to_owned()], true)]
    );
    for (endpoint, line, who, is_allowed) in [
        (
            EndpointKind::Imds,
            "GET /metadata/instance/compute/tagsList",
            EVENTS,
            true,
        ),
        (
            EndpointKind::Imds,
            "GET /metadata/instance/compute/tagsList/",
            EVENTS,
            true,
        ),
        (
            EndpointKind::Imds,
            "GET /metadata/instance/compute/tagsList/0",
            EVENTS,
            false,
        ),
        (
            EndpointKind::Imds,
            "GET /metadata/instance/compute/tags",
            EVENTS,
            false,
        ),
        (
            EndpointKind::Imds,
            "GET /metadata/instance/compute",
            EVENTS,
            false,
        ),
        (
            EndpointKind::Imds,
            "GET /metadata/scheduledevents/1",
            EVENTS,
            false,
        ),
        (EndpointKind::HostGa, "PUT /status/1", GUEST_DAEMON, false),
        (
            EndpointKind::HostGa,
            "GET /extensionArtifact/0b1c2d3e-0000-4b3d-9c7b-0000000000ff/manifest",
            GUEST_DAEMON,
            true,
        ),
        (
            EndpointKind::HostGa,
            "PUT /extensionArtifact/0b1c2d3e-0000-4b3d-9c7b-0000000000ff/manifest",
            GUEST_DAEMON,
            false,
        ),
        (
            EndpointKind::HostGa,
            "GET /extensionArtifacts",
            GUEST_DAEMON,
            false,
        ),
        (EndpointKind::HostGa, "GET /", GUEST_DAEMON, false),
    ] {
        assert_eq!(may(endpoint, line, who), is_allowed, "{line}");
    }
}

#[test]
fn method_that_was_answered_with_a_refusal_becomes_no_rule() {
    let line = "DELETE /metadata/instance/compute/userData?api-version=2021-02-01";
    assert!(!may(EndpointKind::Imds, line, EVENTS));
    let report = learned(Options::default()).report;
    let left = report
        .not_learned
        .iter()
        .find(|left| left.why == "the answer was 405");
    assert_eq!(left.unwrap().evidence.count, 1);
}

#[test]
fn privilege_of_one_program_is_not_another_programs_of_the_same_user() {
    for (endpoint, line, who) in [
        (
            EndpointKind::HostGa,
            "PUT /status",
            ("root", "/usr/sbin/other"),
        ),
        (
            EndpointKind::Imds,
            "POST /metadata/scheduledevents",
            ("eventsd", "/usr/bin/curl"),
        ),
        (
            EndpointKind::Imds,
            "POST /metadata/scheduledevents",
            ("alice", "/usr/bin/eventsd"),
        ),
    ] {
        assert!(!may(endpoint, line, who), "{line}");
    }
}
