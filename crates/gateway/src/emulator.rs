//! Answers as the metadata services themselves do, from one set of facts for each machine.
//!
//! Nothing here decides about signatures: requests arrive when the gateway lets them. A
//! path that a service does not have is not found, and nothing is made up for it.

mod api_version;
pub mod attested;
mod goal_state;
mod hostga;
mod imds;
pub mod inbox;
mod incarnation;
mod instance;
mod keyring;
mod load_balancer;
mod managed_identity;
mod query;
mod scheduled_events;
mod throttle;
pub mod token;
mod upload;
mod wireserver;
mod xml;

use std::collections::HashSet;
use std::sync::Arc;

use http::Method;
use jiff::Timestamp;
use latchkey_protocol::{EndpointKind, Request, RequestHead};

use crate::answer::Answer;
use crate::certificate::CertificateError;
use crate::machine::{Machine, MachineTable};
use attested::Attestor;
use goal_state::GoalStates;
use imds::{Asked, Imds};
use inbox::{Inbox, Posted};
use token::TokenIssuer;
pub(crate) use upload::Upload;

/// The emulated services.
#[derive(Debug)]
pub struct Emulator {
    imds: Imds,
    inbox: Inbox,
    wire_server: String,
    goal_states: GoalStates,
}

impl Emulator {
    /// Makes services whose tokens come from `issuer` and whose documents name `wire_server`
    /// (host and port) as the place of the others.
    #[must_use]
    pub fn new(issuer: Arc<TokenIssuer>, wire_server: String) -> Self {
        Self {
            imds: Imds::new(issuer),
            inbox: Inbox::default(),
            wire_server,
            goal_states: GoalStates::default(),
        }
    }

    /// Has attested documents signed; without, they are not found.
    #[must_use]
    pub fn attesting(mut self, attestor: Attestor) -> Self {
        self.imds.attestor = Some(attestor);
        self
    }

    /// Returns who signs attested documents.
    #[must_use]
    pub const fn attestor(&self) -> Option<&Attestor> {
        self.imds.attestor.as_ref()
    }

    /// Returns the issuer of tokens.
    #[must_use]
    pub const fn issuer(&self) -> &Arc<TokenIssuer> {
        &self.imds.issuer
    }

    /// Returns what guests posted.
    #[must_use]
    pub const fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    /// Makes what the goal states of these machines need and what takes a while: so that no
    /// request waits for it.
    ///
    /// # Errors
    /// When a certificate cannot be made.
    pub fn prepare(&self, table: &MachineTable, now: Timestamp) -> Result<(), CertificateError> {
        self.goal_states.prepare(table, now)
    }

    /// Forgets what is remembered of machines that are not in the table: they may be many in the
    /// life of a host, and the facts of one hold its secrets.
    pub(crate) fn keep(&self, table: &MachineTable) {
        let machines: HashSet<_> = table.as_slice().iter().map(|one| &one.id).collect();
        self.imds.keep(&machines);
        self.goal_states.keep(&machines);
    }

    /// Answers a machine's request to a service of this kind.
    pub(crate) fn answer(
        &self,
        machine: &Machine,
        kind: EndpointKind,
        head: &RequestHead,
        body: &[u8],
        now: Timestamp,
    ) -> Answer {
        let (answer, is_taken) = match kind {
            EndpointKind::Imds => {
                let asked = Asked {
                    machine,
                    head,
                    body,
                    now,
                };
                let answer = self.imds.answer(asked);
                let is_taken = head.method == Method::POST && answer.status().is_success();
                (answer, is_taken)
            }
            EndpointKind::HostGa => hostga::answer(&self.goal_states.of(machine, now), head),
            EndpointKind::WireServer => {
                let present = self.goal_states.of(machine, now);
                wireserver::answer(&present, head, &self.wire_server)
            }
        };
        if is_taken {
            self.inbox.put(Posted::new(
                machine,
                kind,
                head,
                body,
                body.len() as u64,
                now,
            ));
        }
        answer
    }

    /// Begins to take an upload of a machine.
    pub(crate) fn upload<'a>(
        &'a self,
        machine: &'a Machine,
        kind: EndpointKind,
        request: &'a Request,
        now: Timestamp,
    ) -> Upload<'a> {
        Upload {
            inbox: &self.inbox,
            machine,
            kind,
            request,
            now,
        }
    }
}
