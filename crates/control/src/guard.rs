//! Routes that cannot be declared without saying who may use them.
//!
//! [`Routes::add`] is the only way to a route of the native and the compatible API, and takes an
//! [`Access`]; the check runs before the handler and before the body is read.

use std::fmt;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use latchkey_api::Permission;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter, UtoipaMethodRouterExt as _};

use crate::context::Context;
use crate::principal::Principal;
use crate::respond::Refusal;

/// What it takes to use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing: signing in itself, health, the `OpenAPI` document.
    Public,
    /// To be signed in: what is about nobody but oneself.
    SignedIn,
    /// A permission.
    Permitted(Permission),
}

/// Routes with their access and their part of the `OpenAPI` document.
#[derive(Default)]
pub struct Routes {
    router: OpenApiRouter<Context>,
    declared: Vec<(String, String, Access)>,
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routes")
            .field("declared", &self.declared)
            .finish_non_exhaustive()
    }
}

impl Routes {
    /// Adds routes of one path.
    #[must_use]
    pub fn add(mut self, access: Access, routes: UtoipaMethodRouter<Context>) -> Self {
        for (path, item) in &routes.1.paths {
            for method in methods(item) {
                self.declared
                    .push((method.to_owned(), path.clone(), access));
            }
        }
        let guarded = routes.map(|router| router.layer(from_fn_with_state(access, check)));
        self.router = self.router.routes(guarded);
        self
    }

    /// Adds all routes of another set.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.declared.extend(other.declared);
        self
    }

    /// Returns method, path and access of every route.
    #[must_use]
    pub fn declared(&self) -> &[(String, String, Access)] {
        &self.declared
    }

    /// Returns the router and its document.
    pub fn split(self) -> (Router<Context>, OpenApi) {
        self.router.split_for_parts()
    }
}

fn methods(item: &utoipa::openapi::PathItem) -> impl Iterator<Item = &'static str> {
    let operations = [
        ("GET", &item.get),
        ("PUT", &item.put),
        ("POST", &item.post),
        ("DELETE", &item.delete),
        ("PATCH", &item.patch),
        ("HEAD", &item.head),
    ];
    operations
        .into_iter()
        .filter_map(|(method, operation)| operation.as_ref().map(|_| method))
}

/// Refuses who may not.
pub async fn check(State(access): State<Access>, request: Request, next: Next) -> Response {
    let principal = request.extensions().get::<Principal>();
    let refusal = match (access, principal) {
        (Access::Public, _) | (Access::SignedIn, Some(_)) => None,
        (Access::SignedIn | Access::Permitted(_), None) => Some(Refusal::unauthenticated()),
        (Access::Permitted(permission), Some(principal)) => {
            (!principal.may(permission)).then(|| Refusal::forbidden(permission))
        }
    };
    match refusal {
        None => next.run(request).await,
        Some(refusal) => refusal.into_response(),
    }
}
