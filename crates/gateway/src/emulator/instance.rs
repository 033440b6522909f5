//! The instance document: a machine's facts in the form of the instance metadata service, and the way into it.

use serde_json::{Value, json};

use crate::facts::{Facts, Network};

/// Returns the whole document; `extended` adds what provisioning asks for.
pub(super) fn document(facts: &Facts, extended: bool) -> Value {
    let mut document = json!({ "compute": compute(facts), "network": network(&facts.network) });
    if let (true, Some(fields)) = (extended, document.as_object_mut()) {
        let compute = json!({ "hasCustomData": false, "ppsType": "None" });
        fields.insert("extended".to_owned(), json!({ "compute": compute }));
    }
    document
}

fn compute(facts: &Facts) -> Value {
    let mut fields = json!({
        "azEnvironment": "AzurePublicCloud",
        "customData": "",
        "evictionPolicy": "",
        "isHostCompatibilityLayerVm": "false",
        "licenseType": "",
        "location": facts.location,
        "name": facts.name,
        "offer": facts.image.offer,
        "osProfile": {
            "adminUsername": facts.admin_user,
            "computerName": facts.computer_name,
            "disablePasswordAuthentication": "true",
        },
        "osType": "Linux",
        "placementGroupId": "",
        "plan": { "name": "", "product": "", "publisher": "" },
        "platformFaultDomain": "0",
        "platformUpdateDomain": "0",
        "priority": "",
        "provider": "Microsoft.Compute",
        "publicKeys": public_keys(facts),
        "publisher": facts.image.publisher,
        "resourceGroupName": facts.resource_group,
        "resourceId": facts.resource_id(),
        "securityProfile": { "secureBootEnabled": "false", "virtualTpmEnabled": "false" },
        "sku": facts.image.sku,
    });
    let rest = json!({
        "storageProfile": storage(facts),
        "subscriptionId": facts.subscription_id,
        "tags": tags(facts),
        "tagsList": tags_list(facts),
        "userData": facts.user_data,
        "version": facts.image.version,
        "virtualMachineScaleSet": { "id": "" },
        "vmId": facts.vm_id,
        "vmScaleSetName": "",
        "vmSize": facts.vm_size,
        "zone": facts.zone,
    });
    if let (Some(fields), Value::Object(rest)) = (fields.as_object_mut(), rest) {
        fields.extend(rest);
    }
    fields
}

fn public_keys(facts: &Facts) -> Vec<Value> {
    let path = format!("/home/{}/.ssh/authorized_keys", facts.admin_user);
    facts
        .public_keys
        .iter()
        .map(|key| json!({ "keyData": key, "path": path }))
        .collect()
}

fn storage(facts: &Facts) -> Value {
    let image = &facts.image;
    json!({
        "dataDisks": [],
        "imageReference": {
            "id": "",
            "offer": image.offer,
            "publisher": image.publisher,
            "sku": image.sku,
            "version": image.version,
        },
        "osDisk": {
            "caching": "ReadWrite",
            "createOption": "FromImage",
            "diskSizeGB": "30",
            "name": format!("{}_OsDisk", facts.name),
            "osType": "Linux",
            "writeAcceleratorEnabled": "false",
        },
    })
}

fn tags(facts: &Facts) -> String {
    let pairs: Vec<_> = facts
        .tags
        .iter()
        .map(|(name, value)| format!("{name}:{value}"))
        .collect();
    pairs.join(";")
}

fn tags_list(facts: &Facts) -> Vec<Value> {
    facts
        .tags
        .iter()
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect()
}

fn network(network: &Network) -> Value {
    let public = network
        .public_address
        .map(|address| address.to_string())
        .unwrap_or_default();
    json!({ "interface": [{
        "ipv4": {
            "ipAddress": [{
                "privateIpAddress": network.private_address,
                "publicIpAddress": public,
            }],
            "subnet": [{ "address": network.subnet, "prefix": network.prefix.to_string() }],
        },
        "ipv6": { "ipAddress": [] },
        "macAddress": network.mac,
    }]})
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
        Value::Array(values) => values.get(segment.parse::<usize>().ok()?),
        _ => None,
    })
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

    fn at(path: &str) -> Option<Value> {
        let document = document(&facts("vm"), false);
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
            "network/interface/x",
        ] {
            assert_eq!(at(path), None, "{path}");
        }
    }

    #[test]
    fn branches_list_their_names_as_text() {
        let facts = facts("vm");
        let document = document(&facts, true);
        assert_eq!(as_text(&document), "compute/\nnetwork/\nextended/");
        assert_eq!(as_text(&document["network"]["interface"]), "0/");
        assert_eq!(as_text(&document["compute"]["name"]), "vm");
    }
}
