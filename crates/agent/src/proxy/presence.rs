//! Whether the one who connected still is the one who asks, looked at for every request.
//!
//! A connection outlives what its owner was: it may exec, drop its rights, end, or leave the socket
//! to somebody else. Whoever is not what connected any more is described as gone or replaced, which
//! no rule matches; the mode decides what becomes of the request.

use std::sync::Arc;

use latchkey_intercept::Standing;
use latchkey_protocol::Reason;

use super::{Proxy, Session};
use crate::identity::Identity;

/// Whether a second look found what the first one did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// The same caller asks.
    Unchanged,
    /// The caller is not what it was; a decision about it is void.
    Lost,
}

impl Proxy {
    /// Describes the caller for the next request of a connection.
    pub(super) async fn look(&self, session: &mut Session<'_>) {
        session.identity = self.identities.resolve(&session.flow).await;
        // What is the same now was the same while it was described.
        self.look_again(session);
    }

    /// Looks whether the caller is still the one that was described.
    pub(super) fn look_again(&self, session: &mut Session<'_>) -> Presence {
        if session.identity.caller.attributes.is_err() {
            return Presence::Unchanged;
        }
        let reason = match self.flows.standing(&session.flow) {
            Ok(Standing::Unchanged) => return Presence::Unchanged,
            Ok(Standing::Gone) => Reason::CallerGone,
            Ok(Standing::Replaced | Standing::HandedOver) => Reason::CallerReplaced,
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "caller cannot be looked at"
                );
                Reason::CallerUnreadable
            }
        };
        session.identity = Arc::new(Identity::lost(&session.flow, reason));
        Presence::Lost
    }
}
