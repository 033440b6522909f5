//! A system under test, and what holds for every one of them when its test ends.

use latchkey_lab::curl::{Answer, Curl};
use latchkey_lab::system::{SystemBuilder, is_channel_call};
use latchkey_lab::{Guest, GuestPlan, System};
use latchkey_protocol::{EndpointKind, Mode};
use latchkey_record::observation::SignatureFinding;
use latchkey_record::{AuditRecord, Observation};

use crate::leftovers::Traces;

/// What `app`, `root` and `www` may read under the standard profile.
pub(crate) const INSTANCE: &str = "/metadata/instance?api-version=2021-08-01";

/// What `app` alone may have under the standard profile.
pub(crate) const TOKEN: &str = "/metadata/identity/oauth2/token?api-version=2018-02-01\
                                &resource=https%3A%2F%2Fmanagement.azure.com";

/// What root may read at the `WireServer`.
pub(crate) const GOAL_STATE: &str = "/machine/?comp=goalstate";

/// A system under test. End it with [`World::end`], which checks what must hold at the end.
pub(crate) struct World {
    pub(crate) system: System,
    traces: Traces,
}

impl World {
    /// Starts a system with these guests and waits until all agents serve.
    pub(crate) fn start(plans: impl IntoIterator<Item = GuestPlan>) -> Self {
        Self::start_with(plans, |builder| builder)
    }

    /// As [`World::start`], of a system that has something else in it too.
    pub(crate) fn start_with(
        plans: impl IntoIterator<Item = GuestPlan>,
        add: impl FnOnce(SystemBuilder) -> SystemBuilder,
    ) -> Self {
        let guests = plans.into_iter();
        let builder = guests.fold(System::builder(), SystemBuilder::guest);
        Self::of(add(builder).start().unwrap())
    }

    /// As [`World::start`], with no agent started yet.
    pub(crate) fn start_without_agents(plans: impl IntoIterator<Item = GuestPlan>) -> Self {
        let guests = plans.into_iter();
        let builder = guests.fold(System::builder(), SystemBuilder::guest);
        Self::of(builder.start_host().unwrap())
    }

    fn of(system: System) -> Self {
        let traces = Traces::of(system.lab());
        Self { system, traces }
    }

    pub(crate) fn guest(&self, name: &str) -> &Guest {
        self.system.guest(name).unwrap()
    }

    /// Makes a request in a guest as a user.
    pub(crate) fn ask(&self, guest: &str, user: &str, request: &Curl) -> Answer {
        request.run(self.guest(guest), user).unwrap()
    }

    /// Makes a request and expects an answer of this status.
    #[track_caller]
    pub(crate) fn expect(&self, guest: &str, user: &str, request: &Curl, status: u16) -> Answer {
        let answer = self.ask(guest, user, request);
        assert_eq!(
            answer.status,
            Some(status),
            "{user}: {request:?}: {answer:?}"
        );
        answer
    }

    /// Makes a request and expects that the agent refuses it for this reason.
    #[track_caller]
    pub(crate) fn expect_refusal(
        &self,
        guest: &str,
        user: &str,
        request: &Curl,
        (status, reason): (u16, &str),
    ) {
        let answer = self.expect(guest, user, request, status);
        assert_eq!(answer.reason(), Some(reason), "{answer:?}");
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
        let problem: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(problem["status"], status, "{problem}");
        assert!(problem["title"].is_string(), "{problem}");
        assert!(problem.to_string().contains(reason), "{problem}");
    }

    /// Makes a request and expects that the kernel refuses the connection.
    #[track_caller]
    pub(crate) fn expect_no_connection(&self, guest: &str, user: &str, request: &Curl) {
        let answer = self.ask(guest, user, request);
        assert_eq!((answer.exit, answer.status), (Some(7), None), "{answer:?}");
        // Refused by the kernel, and not silently dropped.
        assert!(
            answer.said.contains("Couldn't connect to server"),
            "{answer:?}"
        );
    }

    /// Waits for the audit record with this number, counted from 1, and returns it.
    #[track_caller]
    pub(crate) fn record(&self, guest: &str, number: usize) -> AuditRecord {
        let mut records = self.system.wait_for_audit(guest, number).unwrap();
        assert_eq!(records.len(), number, "{records:?}");
        records.pop().unwrap()
    }

    /// Returns what the host has observed of a guest until now, the secure channel left out.
    pub(crate) fn observed(&self, guest: &str) -> Vec<Observation> {
        self.system.observed(guest).unwrap()
    }

    /// Waits until the host has observed this many requests of a guest, and returns them.
    #[track_caller]
    pub(crate) fn wait_for_observed(&self, guest: &str, count: usize) -> Vec<Observation> {
        let limit = latchkey_lab::system::LIMIT;
        let found = latchkey_lab::wait::until(limit, || {
            let seen = self.observed(guest);
            Ok::<_, std::convert::Infallible>((seen.len() >= count).then_some(seen))
        });
        let Some(seen) = found.unwrap() else {
            panic!("{count} observations: {:?}", self.observed(guest));
        };
        assert_eq!(seen.len(), count, "{seen:?}");
        seen
    }

    /// Ends agents and host and checks that each agent whose guest is named wrote exactly so many
    /// records, that nothing unsigned came from a guest in Enforce, and that nothing is left.
    #[track_caller]
    pub(crate) fn end(self, records: &[(&str, usize)]) {
        self.end_with_strays(records, 0);
    }

    /// As [`World::end`], where the test itself sent so many requests past the agents.
    #[track_caller]
    pub(crate) fn end_with_strays(mut self, records: &[(&str, usize)], strays: usize) {
        for &(guest, count) in records {
            let status = self.system.terminate_agent(guest).unwrap();
            assert!(status.success(), "agent in {guest}: {status}");
            assert_complete(&self.system.audit(guest).unwrap(), count);
        }
        let status = self.system.terminate_host().unwrap();
        assert!(status.success(), "host: {status}");
        assert_nothing_unsigned(&self.system.observations().unwrap(), strays);
        self.system.stop().unwrap();
        self.traces.assert_gone();
    }
}

/// One record for each request, none lost: each run of the agent counts from 1 without a gap.
#[track_caller]
fn assert_complete(records: &[AuditRecord], count: usize) {
    assert_eq!(records.len(), count, "{records:?}");
    let mut last: Option<&AuditRecord> = None;
    for record in records {
        let expected = match last {
            Some(last) if last.run == record.run => last.sequence + 1,
            _ => 1,
        };
        assert_eq!(record.sequence, expected, "{record:?}");
        last = Some(record);
    }
}

/// In Enforce the host accepted nothing without a valid signature but uploads and the secure
/// channel, and got nothing else either but `strays` requests.
#[track_caller]
fn assert_nothing_unsigned(observations: &[Observation], strays: usize) {
    let mut unsigned = 0;
    let in_enforce = observations
        .iter()
        .filter(|seen| seen.mode == Some(Mode::Enforce));
    for seen in in_enforce {
        match seen.signature {
            SignatureFinding::Valid => {}
            SignatureFinding::Exempt => {
                assert!(is_channel_call(seen) || is_upload(seen), "{seen:?}")
            }
            SignatureFinding::Absent | SignatureFinding::Invalid => {
                assert!(!seen.accepted, "{seen:?}");
                unsigned += 1;
            }
        }
    }
    assert_eq!(unsigned, strays, "unsigned in Enforce: {observations:?}");
}

fn is_upload(seen: &Observation) -> bool {
    let call = (seen.method.as_deref(), seen.target.as_deref());
    seen.endpoint != EndpointKind::Imds
        && matches!(
            call,
            (Some("PUT"), Some("/vmAgentLog"))
                | (Some("POST"), Some("/machine/?comp=telemetrydata"))
        )
}
