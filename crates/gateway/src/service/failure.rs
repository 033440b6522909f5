//! Why a request gets no answer of a service, and what of it the client is told: a reason. The rest goes to the log.

use latchkey_http1::ReadError;
use latchkey_protocol::{EndpointKind, Reason};
use tracing::{error, warn};

use crate::key_service::KeyServiceError;
use crate::machine::Machine;
use crate::upstream::ForwardError;

/// Why a request gets no answer of a service.
pub(super) enum Failure {
    /// It is refused.
    Refused(Reason),
    /// It passed, and the metadata service did not answer well.
    Unanswered(Reason),
    /// The client is gone.
    Gone,
}

impl From<Reason> for Failure {
    fn from(reason: Reason) -> Self {
        Self::Refused(reason)
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Refused(reason) => Self::Refused(reason),
            ReadError::Io(_) => Self::Gone,
        }
    }
}

/// Returns what a client is told; why it gets no answer goes to the log.
pub(super) fn unanswered(
    machine: &Machine,
    endpoint: EndpointKind,
    error: ForwardError,
) -> Failure {
    let reason = match error {
        ForwardError::Client(error) => return error.into(),
        ForwardError::Service(ref error) => error.reason(),
        ForwardError::Description(_) | ForwardError::Bug(_) => Reason::InternalError,
    };
    let error: &dyn std::error::Error = &error;
    warn!(machine = %machine.id, %endpoint, error, "request could not be forwarded");
    Failure::Unanswered(reason)
}

/// Returns the reason that a client is told; what went wrong inside goes to the log.
pub(super) fn blame(machine: &Machine, error: KeyServiceError) -> Reason {
    match error {
        KeyServiceError::Refused(reason) => reason,
        error => {
            let error: &dyn std::error::Error = &error;
            error!(machine = %machine.id, error, "key service failed, request refused");
            Reason::InternalError
        }
    }
}
