//! Scheduled events: what will happen to a machine, how far it has come, and the guest's approval.
//!
//! An event begins to run when its machine could first have read of it. It starts when
//! the guest approves it or its notice is over, stays in the list for a while, and leaves
//! it. All of that is known in memory alone: a host that restarts begins anew.

mod ledger;

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::imds::Asked;
use crate::answer::{self, Answer};
use crate::machine::MachineId;
use ledger::Ledger;

/// The events of all machines, as far as guests have asked about them.
#[derive(Debug, Default)]
pub(super) struct EventBook(Mutex<HashMap<MachineId, Ledger>>);

/// A guest's approvals.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Approvals {
    start_requests: Vec<Approval>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Approval {
    event_id: Uuid,
}

impl EventBook {
    /// Forgets the events of all machines but these.
    pub(super) fn keep(&self, machines: &HashSet<&MachineId>) {
        let mut ledgers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ledgers.retain(|id, _| machines.contains(id));
    }

    /// Answers a request under a version.
    pub(super) fn answer(&self, asked: Asked<'_>, version: &str) -> Answer {
        let (machine, now) = (asked.machine, asked.now);
        let is_approval = asked.head.method == Method::POST;
        // Large bodies are read before other machines have to wait.
        let approvals = is_approval.then(|| read_approvals(asked.body));
        let mut ledgers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ledger = ledgers.entry(machine.id.clone()).or_default();
        let events = &machine.facts.events;
        ledger.advance(events, now);
        let Some(approvals) = approvals else {
            return answer::json(StatusCode::OK, &ledger.document(version));
        };
        let approved = approvals.and_then(|ids| {
            let approved = ledger.approve(&ids, now);
            approved.map_err(|unknown| format!("Bad request. There is no event {unknown}"))
        });
        match approved {
            Ok(()) => {
                ledger.advance(events, now);
                answer::empty(StatusCode::OK)
            }
            Err(error) => answer::json(StatusCode::BAD_REQUEST, &json!({ "error": error })),
        }
    }
}

/// Reads which events a guest approves.
fn read_approvals(body: &[u8]) -> Result<Vec<Uuid>, String> {
    let approvals: Approvals = serde_json::from_slice(body)
        .map_err(|error| format!("Bad request. The body is no list of StartRequests: {error}"))?;
    let requests = approvals.start_requests.iter();
    Ok(requests.map(|approval| approval.event_id).collect())
}
