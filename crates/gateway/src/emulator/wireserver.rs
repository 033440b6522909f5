//! The `WireServer`: versions, goal state, configuration documents, certificates, reports that are taken.
//!
//! The documents have the fields that provisioning and the deployed agents read. What a
//! machine's owner gave for its goal state is in them; what nobody gave is not made up.

mod certificates;
mod configuration;
mod extensions;
mod goal_state;
mod remote_access;
mod transport;
mod versions;

use std::error::Error;

use http::{Method, StatusCode};
use latchkey_protocol::RequestHead;
use latchkey_protocol::target::canonical_path;

use super::goal_state::{GoalStateError, Present};
use super::query::Query;
use super::xml::Escaped;
use crate::answer::{self, Answer};
use transport::{Transport, TransportError};

/// Answers a request of a machine; says whether the body is to be kept. `own` is the service's
/// host and port.
pub(super) fn answer(present: &Present<'_>, head: &RequestHead, own: &str) -> (Answer, bool) {
    let (path, query) = head.path_and_query();
    let (Ok((path, _)), Ok(query)) = (canonical_path(path), Query::parse(query)) else {
        return (invalid("The request is not understood."), false);
    };
    let component = query.value("comp").map(str::to_ascii_lowercase);
    match head.method {
        Method::GET | Method::HEAD => {
            let document = document(present, head, own, &path, component.as_deref(), &query);
            (document.unwrap_or_else(|refusal| refusal.answer()), false)
        }
        _ => match (path.as_str(), component.as_deref()) {
            ("/machine", Some("health" | "telemetrydata")) | ("/healthservice", None) => {
                (answer::empty(StatusCode::OK), true)
            }
            // Agents take any other success for a failure.
            ("/machine", Some("roleproperties")) => (answer::empty(StatusCode::ACCEPTED), true),
            _ => (Refusal::NotFound.answer(), false),
        },
    }
}

/// Why there is no document.
enum Refusal {
    /// There is none there.
    NotFound,
    /// It was there, before the goal state changed.
    Gone,
    /// It is encrypted to whom asks, who cannot be told.
    Transport(TransportError),
    /// The host cannot make it.
    Internal(GoalStateError),
}

impl From<TransportError> for Refusal {
    fn from(error: TransportError) -> Self {
        Self::Transport(error)
    }
}

impl<E: Into<GoalStateError>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::Internal(error.into())
    }
}

impl Refusal {
    fn answer(&self) -> Answer {
        match self {
            Self::NotFound => error(
                StatusCode::NOT_FOUND,
                "ResourceNotAvailable",
                "The resource requested is not available.",
            ),
            Self::Gone => error(
                StatusCode::GONE,
                "ResourceNotAvailable",
                "The resource requested is no longer available. Please refresh your cache.",
            ),
            Self::Transport(error) => invalid(&error.to_string()),
            Self::Internal(failure) => {
                let failure: &dyn Error = failure;
                tracing::error!(error = failure, "goal state cannot be told");
                error(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "InternalError",
                    "The server encountered an internal error. Please retry the request.",
                )
            }
        }
    }
}

fn document(
    present: &Present<'_>,
    head: &RequestHead,
    own: &str,
    path: &str,
    component: Option<&str>,
    query: &Query,
) -> Result<Answer, Refusal> {
    let document = match (path, component) {
        ("/", Some("versions")) => versions::document(),
        ("/machine", Some("goalstate")) => goal_state::document(present, own),
        (path, Some(component)) if path == instance_path(present) => {
            let asked = query.value("incarnation");
            if asked.is_some_and(|asked| asked != present.incarnation.number.to_string()) {
                return Err(Refusal::Gone);
            }
            let kind = query.value("type").map(str::to_ascii_lowercase);
            match (component, kind.as_deref()) {
                ("config", Some("sharedconfig")) => configuration::shared(present),
                ("config", Some("hostingenvironmentconfig")) => configuration::hosting(present),
                ("config", Some("extensionsconfig")) => extensions::document(present)?,
                ("config", Some("remoteaccessinfo")) => {
                    remote_access::document(present, &Transport::read(&head.headers)?)?
                }
                ("certificates", _) => {
                    certificates::document(present, &Transport::read(&head.headers)?)?
                }
                _ => return Err(Refusal::NotFound),
            }
        }
        _ => return Err(Refusal::NotFound),
    };
    Ok(answer::xml(StatusCode::OK, document))
}

/// Returns the canonical path of the machine's own documents.
fn instance_path(present: &Present<'_>) -> String {
    let names = &present.names;
    format!("/machine/{}/{}", names.container, names.instance).to_ascii_lowercase()
}

fn invalid(message: &str) -> Answer {
    error(StatusCode::BAD_REQUEST, "InvalidInput", message)
}

fn error(status: StatusCode, code: &str, message: &str) -> Answer {
    let body = format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<Error xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema">
    <Code>{code}</Code>
    <Message>{message}</Message>
    <Details></Details>
</Error>
"#,
        message = Escaped(message),
    );
    answer::xml(status, body)
}
