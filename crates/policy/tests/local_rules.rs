//! The deployed agent's own merges of local rule files, put to ours.
//!
//! Every case gives the same item, but for the ids that are no contract, which stay plain, and those
//! in `testdata/local_rules_differences.json`, where each has our item and the reason. A
//! difference that is not listed fails, and so does a listed one that is none. Entries
//! under `foreseen` speak about cases that are not in the file: absent ones are skipped.

use std::collections::BTreeMap;

use latchkey_policy::local::Contract;
use latchkey_protocol::authorization::AuthorizationItem;
use serde::Deserialize;

const VECTORS: &str = include_str!("../testdata/local_rules.json");
const DIFFERENCES: &str = include_str!("../testdata/local_rules_differences.json");

#[derive(Deserialize)]
struct VectorFile {
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    id: String,
    remote: AuthorizationItem,
    file_present: bool,
    #[serde(default)]
    file_text: String,
    effective: AuthorizationItem,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DifferenceFile {
    #[serde(rename = "description")]
    _description: String,
    differences: BTreeMap<String, Difference>,
    foreseen: BTreeMap<String, Difference>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    /// The row or section of the wire specification that argues for our answer.
    spec: String,
    ours: Ours,
    why: String,
}

/// What holds with us.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Ours {
    /// Nothing is allowed, in this mode, without rules.
    Closed(String),
    /// This item.
    #[serde(rename = "item")]
    Other(Box<AuthorizationItem>),
}

/// What the deployed merge appends to an id that is no contract.
const PLAIN_SUFFIX: &str = "-useLocalFileRules-false";

/// What should hold, before the listed differences: the deployed item, its id without the suffix
/// where the host has sent no contract.
fn expected(vector: &Vector) -> AuthorizationItem {
    let mut item = vector.effective.clone();
    if item.id.strip_suffix(PLAIN_SUFFIX) == Some(&vector.remote.id) {
        item.id.clone_from(&vector.remote.id);
    }
    item
}

/// What holds when a machine starts with this file.
fn effective(vector: &Vector) -> AuthorizationItem {
    let contract = Contract::read(&vector.remote.id);
    if !(contract.uses_local_rules() && vector.file_present) {
        return contract.host_alone(&vector.remote);
    }
    contract
        .merge(&vector.remote, vector.file_text.as_bytes())
        .unwrap_or_else(|_| contract.closed(&vector.remote))
}

/// Words compare in any letter case.
fn folded(mut item: AuthorizationItem) -> AuthorizationItem {
    item.mode.make_ascii_lowercase();
    item.default_access.make_ascii_lowercase();
    item
}

fn is_ours(found: &AuthorizationItem, ours: &Ours) -> bool {
    match ours {
        Ours::Closed(mode) => {
            let is_closed = found.rules.is_none() && found.default_access == "Deny";
            is_closed && found.mode.eq_ignore_ascii_case(mode)
        }
        Ours::Other(item) => folded((**item).clone()) == folded(found.clone()),
    }
}

#[test]
fn local_files_are_merged_as_deployed_but_where_that_is_listed() {
    let file: VectorFile = serde_json::from_str(VECTORS).unwrap();
    let mut listed: DifferenceFile = serde_json::from_str(DIFFERENCES).unwrap();
    let mut wrong = Vec::new();
    for vector in &file.vectors {
        let found = effective(vector);
        let is_same = folded(found.clone()) == folded(expected(vector));
        let difference = listed.differences.remove(&vector.id);
        let foreseen = listed.foreseen.get(&vector.id);
        let is_listed = |listed: &Difference| is_ours(&found, &listed.ours);
        let is_right = match (&difference, foreseen) {
            (Some(difference), _) => !is_same && is_listed(difference),
            (None, foreseen) => is_same || foreseen.is_some_and(is_listed),
        };
        if !is_right {
            wrong.push((vector.id.clone(), found));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let absent: Vec<_> = listed.differences.keys().collect();
    assert!(absent.is_empty(), "not in the file: {absent:?}");
}

#[test]
fn plain_ids_stay_as_sent_and_contracts_keep_their_suffix() {
    let file: VectorFile = serde_json::from_str(VECTORS).unwrap();
    let ids = |id: &str| {
        let vector = file.vectors.iter().find(|vector| vector.id == id).unwrap();
        (vector.remote.id.clone(), effective(vector).id)
    };
    for plain in ["l02", "l03", "l07", "l08"] {
        let (remote, found) = ids(plain);
        assert_eq!(found, remote, "{plain}");
    }
    assert_eq!(ids("l04").1, "rid-useLocalFileRules-false");
    assert_eq!(ids("l10").1, "rid-useLocalFileRules-true");
}

#[test]
fn closed_endpoint_keeps_the_mode_of_the_host_and_the_end_of_its_audit() {
    for mode in ["Audit", "Disabled", "Enforce"] {
        let host = AuthorizationItem {
            mode: mode.to_owned(),
            default_access: "Allow".to_owned(),
            audit_until: Some("2026-12-01T00:00:00Z".to_owned()),
            ..AuthorizationItem::default()
        };
        let closed = Contract::read(&host.id).closed(&host);
        let expected = AuthorizationItem {
            default_access: "Deny".to_owned(),
            ..host
        };
        assert_eq!(closed, expected);
    }
}

#[test]
fn every_difference_is_argued() {
    let listed: DifferenceFile = serde_json::from_str(DIFFERENCES).unwrap();
    for (id, difference) in listed.differences.iter().chain(&listed.foreseen) {
        let is_row = difference.spec.starts_with('W') || difference.spec.starts_with("section ");
        assert!(is_row && difference.why.ends_with('.'), "{id}");
    }
}

#[test]
fn bare_file_is_told_what_it_lacks() {
    let remote = AuthorizationItem {
        id: "eyJpZCI6InIiLCJ1c2VMb2NhbEZpbGVSdWxlcyI6dHJ1ZX0=".to_owned(),
        mode: "Enforce".to_owned(),
        default_access: "Deny".to_owned(),
        ..AuthorizationItem::default()
    };
    let contract = Contract::read(&remote.id);
    assert!(contract.uses_local_rules());
    let file = br#"{"rules": {"roles": [{"name": "r", "privileges": ["p"]}]}}"#;
    let error = contract.merge(&remote, file).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        source.contains("1:51: `/rules/roles/0/privileges/0`"),
        "{source}"
    );
}
