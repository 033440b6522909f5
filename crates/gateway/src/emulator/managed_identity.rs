//! The identity endpoint: which of a machine's identities a request means, and a token of it.
//!
//! A request that names no identity means the machine's own; without one, the only
//! identity that was assigned. It never means one of several.

use http::StatusCode;
use jiff::Timestamp;
use serde_json::json;

use super::query::Query;
use super::token::TokenIssuer;
use crate::answer::{self, Answer};
use crate::facts::{Identities, Identity};

/// The query names that choose an identity; they exclude one another.
const SELECTORS: [Selector; 5] = [
    ("client_id", |identity| identity.client_id.to_string()),
    ("object_id", |identity| identity.object_id.to_string()),
    ("principal_id", |identity| identity.object_id.to_string()),
    ("msi_res_id", |identity| identity.resource_id.clone()),
    ("mi_res_id", |identity| identity.resource_id.clone()),
];

type Selector = (&'static str, fn(&Identity) -> String);

/// Answers with a token.
pub(super) fn token(
    identities: &Identities,
    query: &Query,
    issuer: &TokenIssuer,
    now: Timestamp,
) -> Answer {
    let Some(resource) = query
        .value("resource")
        .filter(|resource| !resource.is_empty())
    else {
        return refusal("Required query variable 'resource' is missing");
    };
    let identity = match choose(identities, query) {
        Ok(identity) => identity,
        Err(message) => return refusal(message),
    };
    match issuer.issue(identities.tenant_id, identity, resource, now) {
        Ok(token) => answer::json(StatusCode::OK, &token),
        Err(failure) => {
            let failure: &dyn std::error::Error = &failure;
            tracing::error!(error = failure, "token cannot be signed");
            let body = json!({ "error": "unknown_error", "error_description": "Internal error" });
            answer::json(StatusCode::INTERNAL_SERVER_ERROR, &body)
        }
    }
}

/// Answers with the tenant of the machine.
pub(super) fn info(identities: &Identities) -> Answer {
    answer::json(StatusCode::OK, &json!({ "tenantId": identities.tenant_id }))
}

/// Returns a refusal in the form of the identity endpoint.
pub(super) fn refusal(message: &str) -> Answer {
    let body = json!({ "error": "invalid_request", "error_description": message });
    answer::json(StatusCode::BAD_REQUEST, &body)
}

/// Finds the one identity that a request means.
fn choose<'a>(identities: &'a Identities, query: &Query) -> Result<&'a Identity, &'static str> {
    let mut selected = SELECTORS.iter().filter_map(|(name, of)| {
        let wanted = query.value(name).filter(|wanted| !wanted.is_empty())?;
        Some((wanted, of))
    });
    let Some((wanted, of)) = selected.next() else {
        return choose_unnamed(identities);
    };
    if selected.next().is_some() {
        return Err("Only one of client_id, object_id and msi_res_id may be specified");
    }
    let mut all = identities.iter();
    all.find(|identity| of(identity).eq_ignore_ascii_case(wanted))
        .ok_or("Identity not found")
}

fn choose_unnamed(identities: &Identities) -> Result<&Identity, &'static str> {
    match (&identities.system, identities.user_assigned.as_slice()) {
        (Some(own), _) => Ok(own),
        (None, [only]) => Ok(only),
        (None, []) => Err("Identity not found"),
        (None, _) => Err(
            "Multiple user assigned identities exist, please specify the clientId / resourceId \
             of the identity in the token request",
        ),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn identity(number: u128) -> Identity {
        Identity {
            client_id: Uuid::from_u128(number),
            object_id: Uuid::from_u128(0x100 + number),
            resource_id: format!("/Own/{number}"),
        }
    }

    fn chosen(
        system: Option<Identity>,
        user_assigned: Vec<Identity>,
        query: &str,
    ) -> Result<Identity, &'static str> {
        let identities = Identities {
            tenant_id: Uuid::nil(),
            system,
            user_assigned,
        };
        choose(&identities, &Query::parse(Some(query)).unwrap()).cloned()
    }

    #[test]
    fn unnamed_identity_is_the_machines_own_or_the_only_one() {
        let several = vec![identity(2), identity(3)];
        assert_eq!(
            chosen(Some(identity(1)), several.clone(), ""),
            Ok(identity(1))
        );
        assert_eq!(
            chosen(None, vec![identity(2)], "client_id="),
            Ok(identity(2))
        );
        assert_eq!(chosen(None, vec![], ""), Err("Identity not found"));
        let refusal = chosen(None, several, "").unwrap_err();
        assert!(refusal.starts_with("Multiple user assigned identities exist"));
    }

    #[test]
    fn every_selector_names_one_identity_in_any_letter_case() {
        let client = Uuid::from_u128(0xB).to_string().to_uppercase();
        let object = Uuid::from_u128(0x10B);
        for query in [
            format!("client_id={client}"),
            format!("object_id={object}"),
            format!("principal_id={object}"),
            "msi_res_id=/own/11".to_owned(),
            "mi_res_id=%2FOWN%2F11".to_owned(),
        ] {
            let several = vec![identity(2), identity(0xB)];
            assert_eq!(
                chosen(Some(identity(1)), several, &query),
                Ok(identity(0xB)),
                "{query}"
            );
        }
    }

    #[test]
    fn unknown_identity_and_two_selectors_are_refused() {
        let own = Uuid::from_u128(1);
        for query in [
            "client_id=1".to_owned(),
            format!("object_id={own}"),
            "msi_res_id=/own".to_owned(),
        ] {
            assert_eq!(
                chosen(Some(identity(1)), vec![], &query),
                Err("Identity not found")
            );
        }
        let two = format!("client_id={own}&msi_res_id=/own/1");
        let refusal = chosen(Some(identity(1)), vec![], &two).unwrap_err();
        assert!(refusal.starts_with("Only one of"), "{refusal}");
    }
}
