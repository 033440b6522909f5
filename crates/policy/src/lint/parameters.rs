//! Constraints on query parameters that hold for a moment, for one version of a client, or by mistake.

use std::collections::HashMap;

use latchkey_protocol::authorization::QueryParameters;

use super::appearance::Appearance;
use super::reading::{Reading, privilege_at};
use super::{Code, Finding};

/// Parameters whose values name something lasting, also where they look like ids: which managed identity
/// a token is for, and for which service.
const LASTING: [&str; 6] = [
    "client_id",
    "mi_res_id",
    "msi_res_id",
    "object_id",
    "principal_id",
    "resource",
];
/// Parameters whose values change from request to request, whatever they look like.
const PASSING: [&str; 8] = [
    "_",
    "correlationid",
    "incarnation",
    "last_etag",
    "nonce",
    "requestid",
    "timestamp",
    "ts",
];

pub(super) fn look(reading: &Reading<'_>, findings: &mut Vec<Finding>) {
    for (at, privilege) in reading.privileges.iter().enumerate() {
        let Some(QueryParameters(parameters)) = &privilege.form.query_parameters else {
            continue;
        };
        let owner = &privilege.form.name;
        let mut simplified: HashMap<String, &str> = HashMap::new();
        for (name, value) in parameters {
            let pointer = pointer(at, name);
            findings.extend(value_finding(pointer.clone(), owner, name, value));
            if let Some(like) = simplified.insert(simple(name), name) {
                findings.push(Finding::new(
                    Code::SimilarParameters,
                    pointer,
                    format!("`{owner}` asks for `{like}` and for `{name}`, and requests hardly have both"),
                    "keep the one that clients send",
                ));
            }
        }
    }
}

/// Returns the pointer to the value of a parameter.
pub(super) fn pointer(privilege: usize, name: &str) -> String {
    let name = name.replace('~', "~0").replace('/', "~1");
    format!("{}/queryParameters/{name}", privilege_at(privilege))
}

fn value_finding(pointer: String, owner: &str, name: &str, value: &str) -> Option<Finding> {
    let folded = name.to_ascii_lowercase();
    if folded == "api-version" {
        return Some(Finding::new(
            Code::FixedApiVersion,
            pointer,
            format!(
                "`{owner}` covers only `{name}` {value}, and clients ask for another one after an update"
            ),
            "leave the API version out: it says nothing about what is asked for",
        ));
    }
    if LASTING.contains(&folded.as_str()) {
        return None;
    }
    let looks = match Appearance::of(value) {
        Some(looks) => looks.as_str(),
        None if PASSING.contains(&folded.as_str()) => "a value that changes",
        None => return None,
    };
    Some(Finding::new(
        Code::VolatileValue,
        pointer,
        format!("`{owner}` covers only `{name}` `{value}`, which looks like {looks}"),
        "leave the parameter out, so that any value is covered",
    ))
}

/// Returns what is left of a name without what people write in different ways.
fn simple(name: &str) -> String {
    let letters = name.chars().filter(|letter| letter.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}
