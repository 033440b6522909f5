//! The one place where what went wrong becomes an answer of the native API.
//!
//! What happens inside stays inside: the client gets a code and the request's id, the log the rest.

use axum::Json;
use axum::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use latchkey_api::Permission;
use latchkey_api::problem::{Detail, Problem};
use tracing::error;

use crate::store::{CommitError, StoreError};

/// Why a request of the native API is not answered as asked.
#[derive(Debug)]
pub struct Refusal {
    status: StatusCode,
    code: &'static str,
    title: String,
    details: Vec<Detail>,
}

impl Refusal {
    /// Makes a refusal.
    pub fn new(status: StatusCode, code: &'static str, title: impl Into<String>) -> Self {
        Self {
            status,
            code,
            title: title.into(),
            details: Vec::new(),
        }
    }

    /// Says what is wrong with parts of the request.
    #[must_use]
    pub fn with_details(mut self, details: Vec<Detail>) -> Self {
        self.details = details;
        self
    }

    /// Nobody is signed in.
    #[must_use]
    pub fn unauthenticated() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
            "sign in, or send an API token as `Authorization: Bearer …`",
        )
    }

    /// Who is signed in may not do this.
    #[must_use]
    pub fn forbidden(permission: Permission) -> Self {
        let title = format!("this needs the permission `{permission}`");
        Self::new(StatusCode::FORBIDDEN, "forbidden", title)
    }

    /// There is no such thing.
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            format!("there is no {what}"),
        )
    }

    /// The request does not say what it must.
    pub fn invalid(title: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", title)
    }

    /// What was read has changed since.
    #[must_use]
    pub fn conflict() -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "conflict",
            "it was changed meanwhile: read it again and repeat the change",
        )
    }

    /// Returns the status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let source: &dyn std::error::Error = &error;
        error!(error = source, "the store failed");
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "store_unavailable",
            "the store cannot be used at the moment, try again",
        )
    }
}

impl From<CommitError> for Refusal {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Conflict { .. } => Self::conflict(),
            CommitError::Store(error) => error.into(),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let problem = Problem {
            code: self.code.to_owned(),
            title: self.title,
            status: self.status.as_u16(),
            request_id: None,
            details: self.details,
        };
        let mut response = (self.status, Json(problem)).into_response();
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(CONTENT_TYPE, kind);
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
