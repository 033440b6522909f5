//! The instance document: a machine's facts in the form of the instance metadata service, and the way into it.

mod compute;
mod network;
pub(super) mod since;
mod storage;

use serde_json::{Value, json};

use crate::facts::Facts;

/// Returns the whole document as `version` knows it.
pub(super) fn document(facts: &Facts, version: &str) -> Value {
    let mut document = json!({
        "compute": compute::compute(facts),
        "network": network::network(&facts.network),
    });
    since::prune(&mut document, &since::INSTANCE, version);
    document
}

/// Adds what provisioning asks for beside the document.
pub(super) fn extend(document: &mut Value) {
    let compute = json!({ "hasCustomData": false, "ppsType": "None" });
    if let Value::Object(fields) = document {
        fields.insert("extended".to_owned(), json!({ "compute": compute }));
    }
}

/// Follows path segments into a document: names in any letter case, positions in lists.
pub(super) fn descend<'a, 's>(
    document: &'a Value,
    mut segments: impl Iterator<Item = &'s str>,
) -> Option<&'a Value> {
    segments.try_fold(document, |value, segment| match value {
        Value::Object(fields) => {
            let found = fields
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(segment));
            found.map(|(_, value)| value)
        }
        Value::Array(values) => values.get(position(segment)?),
        _ => None,
    })
}

/// Reads a position in a list in its one spelling.
fn position(segment: &str) -> Option<usize> {
    let position: usize = segment.parse().ok()?;
    (position.to_string() == segment).then_some(position)
}

/// Returns a value as lines of text: a leaf as it is, of a branch the names below it.
pub(super) fn as_text(value: &Value) -> String {
    let line = |name: String, below: &Value| match below {
        Value::Object(_) | Value::Array(_) => name + "/",
        _ => name,
    };
    let lines: Vec<_> = match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, below)| line(name.clone(), below))
            .collect(),
        Value::Array(values) => values
            .iter()
            .enumerate()
            .map(|(index, below)| line(index.to_string(), below))
            .collect(),
        Value::String(text) => return text.clone(),
        other => return other.to_string(),
    };
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::tests::facts;
    use crate::facts::{Disk, UltraDisk};

    const NEWEST: &str = "2025-04-07";

    fn at(path: &str) -> Option<Value> {
        let document = document(&facts("vm"), NEWEST);
        descend(
            &document,
            path.split('/').filter(|segment| !segment.is_empty()),
        )
        .cloned()
    }

    #[test]
    fn every_part_of_the_document_is_reached_by_its_path() {
        assert_eq!(at("compute/name"), Some("vm".into()));
        assert_eq!(at("COMPUTE/vmsize"), Some("Standard_D2s_v5".into()));
        assert_eq!(
            at("network/interface/0/ipv4/ipAddress/0/privateIpAddress"),
            Some("10.0.0.4".into())
        );
        assert_eq!(at("compute/tags"), Some("team:web;env:test".into()));
        assert_eq!(at("compute/tagsList/1/value"), Some("test".into()));
        for path in [
            "compute/none",
            "compute/name/x",
            "network/interface/1",
            "network/interface/-1",
            "network/interface/+0",
            "network/interface/00",
            "network/interface/x",
        ] {
            assert_eq!(at(path), None, "{path}");
        }
    }

    #[test]
    fn branches_list_their_names_as_text() {
        let facts = facts("vm");
        let mut document = document(&facts, NEWEST);
        extend(&mut document);
        assert_eq!(as_text(&document), "compute/\nnetwork/\nextended/");
        assert_eq!(as_text(&document["network"]["interface"]), "0/");
        assert_eq!(as_text(&document["compute"]["name"]), "vm");
    }

    #[test]
    fn field_appears_with_the_version_that_brought_it() {
        let mut facts = facts("vm");
        facts.storage.data_disks = vec![Disk::default(), Disk::default()];
        let versions = crate::emulator::api_version::INSTANCE;
        for (path, first) in since::INSTANCE {
            let shown = |version| {
                let document = document(&facts, version);
                let path = path.replace('*', "1");
                descend(&document, path.split('/')).is_some()
            };
            assert!(shown(first), "{path} in {first}");
            let before = versions.before(first);
            assert!(!shown(before), "{path} in {before}");
        }
        let first = document(&facts, "2017-04-02");
        let names: Vec<_> = first["compute"].as_object().unwrap().keys().collect();
        assert_eq!(
            names,
            [
                "location",
                "name",
                "offer",
                "osType",
                "platformFaultDomain",
                "platformUpdateDomain",
                "publisher",
                "sku",
                "version",
                "vmId",
                "vmSize",
            ]
        );
    }

    #[test]
    fn every_single_value_is_text() {
        fn check(value: &Value, path: &str) {
            match value {
                Value::Object(fields) => fields
                    .iter()
                    .for_each(|(name, value)| check(value, &format!("{path}/{name}"))),
                Value::Array(values) => values.iter().for_each(|value| check(value, path)),
                Value::String(_) => {}
                other => panic!("{path} is {other}"),
            }
        }
        let mut facts = facts("vm");
        let ultra = UltraDisk {
            bytes_per_second: 1,
            ..UltraDisk::default()
        };
        facts.storage.data_disks = vec![Disk {
            ultra: Some(ultra),
            ..Disk::default()
        }];
        let document = document(&facts, NEWEST);
        check(&document, "");
        let disk = &document["compute"]["storageProfile"]["dataDisks"][0];
        assert_eq!(
            (&disk["isUltraDisk"], &disk["bytesPerSecondThrottle"]),
            (&"true".into(), &"1".into())
        );
    }
}
