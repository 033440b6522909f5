//! What Enforce has against a guest's request, and what the mode makes of it.
//!
//! Enforce refuses for any objection; Audit records it and lets the request pass, but for the
//! deployed rule of root-only services; Disabled does not look.

use latchkey_protocol::request::Meaning;
use latchkey_protocol::signature::Signable;
use latchkey_protocol::{Claims, Elevation, Endpoint, Mode, Reason, Request, RequestHead};
use latchkey_record::observation::SignatureFinding;

use super::Gateway;
use super::failure::{Failure, blame};
use crate::key_service::KeyKnown;
use crate::machine::Machine;
use crate::observe::Witness;
use crate::verify::{Signature, require_covered};

impl Gateway {
    /// Finds what Enforce has against a guest's request.
    pub(super) async fn judge(
        &self,
        machine: &Machine,
        endpoint: &Endpoint,
        request: &Request,
        body: &[u8],
        witness: &mut Witness<'_>,
    ) -> Result<(), Reason> {
        match self.verify(machine, request.head(), body).await {
            Ok(claims) => {
                witness.found(SignatureFinding::Valid, Some(claims));
                // SECURITY: first, since it alone holds in Audit too: an ambiguous request would pass there.
                if endpoint.kind.is_root_only() && claims.elevation != Elevation::Root {
                    return Err(Reason::RootRequired);
                }
                ambiguity(request)?;
                require_covered(&request.head().headers)
            }
            Err(reason) => {
                let finding = match reason {
                    Reason::SignatureMissing => SignatureFinding::Absent,
                    _ => SignatureFinding::Invalid,
                };
                witness.found(finding, None);
                Err(reason)
            }
        }
    }

    async fn verify(
        &self,
        machine: &Machine,
        head: &RequestHead,
        body: &[u8],
    ) -> Result<Claims, Reason> {
        let signature = Signature::read(&head.headers)?.ok_or(Reason::SignatureMissing)?;
        let key = self.keys.accepted(machine, signature.key()).await;
        let key = key.map_err(|error| blame(machine, error))?;
        let signable = Signable {
            method: &head.method,
            target: &head.target,
            headers: &head.headers,
            body,
        };
        let (key, known) = match &key {
            Some(key) => (&key.issued().key, KeyKnown::Known),
            None => (self.keys.decoy(), KeyKnown::No),
        };
        signature.verify(&signable, key, known, self.clock.now())
    }

    /// Applies the mode to an objection: Enforce refuses, Audit records, Disabled does not look.
    pub(super) fn weigh(
        &self,
        mode: Mode,
        objection: Result<(), Reason>,
        witness: &mut Witness<'_>,
    ) -> Result<(), Failure> {
        match (mode, objection) {
            (_, Ok(())) | (Mode::Disabled, Err(_)) => Ok(()),
            // The deployed rule of root-only services holds in Audit too.
            (Mode::Enforce, Err(reason)) | (Mode::Audit, Err(reason @ Reason::RootRequired)) => {
                Err(reason.into())
            }
            (Mode::Audit, Err(reason)) => {
                self.counters.audit_findings.increment();
                witness.blamed(reason);
                Ok(())
            }
        }
    }
}

/// Finds out whether two parsers could read a request differently.
pub(super) fn ambiguity(request: &Request) -> Result<(), Reason> {
    match request.meaning() {
        Meaning::Canonical(_) => Ok(()),
        Meaning::Ambiguous(reason) => Err(*reason),
    }
}
