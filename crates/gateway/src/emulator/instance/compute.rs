//! The `compute` object of the instance document: every value is text, and what does not apply is empty.

use serde_json::{Map, Value, json};

use super::storage;
use crate::facts::{Compute, Facts, OsType, SecurityProfile};

/// Returns the object with the fields of all versions.
pub(super) fn compute(facts: &Facts) -> Value {
    let mut fields = what_it_is(facts);
    fields.extend(where_it_runs(&facts.compute));
    fields.extend(what_it_was_made_of(facts));
    fields.sort_keys();
    Value::Object(fields)
}

fn what_it_is(facts: &Facts) -> Map<String, Value> {
    object(json!({
        "location": facts.location,
        "name": facts.name,
        "resourceGroupName": facts.resource_group,
        "resourceId": facts.resource_id(),
        "subscriptionId": facts.subscription_id,
        "tags": tags(facts),
        "tagsList": tags_list(facts),
        "vmId": facts.vm_id,
        "vmSize": facts.vm_size,
        "zone": facts.zone,
    }))
}

fn where_it_runs(compute: &Compute) -> Map<String, Value> {
    object(json!({
        "additionalCapabilities": {
            "hibernationEnabled": compute.hibernation_enabled.to_string(),
        },
        "azEnvironment": compute.az_environment,
        "evictionPolicy": compute.eviction_policy,
        "extendedLocation": compute.extended_location,
        "host": { "id": compute.host },
        "hostGroup": { "id": compute.host_group },
        "isHostCompatibilityLayerVm": compute.is_host_compatibility_layer_vm.to_string(),
        "physicalZone": compute.physical_zone,
        "placementGroupId": compute.placement_group_id,
        "platformFaultDomain": compute.platform_fault_domain,
        "platformSubFaultDomain": compute.platform_sub_fault_domain,
        "platformUpdateDomain": compute.platform_update_domain,
        "priority": compute.priority,
        "provider": compute.provider,
        "securityProfile": security(&compute.security_profile),
        "virtualMachineScaleSet": { "id": compute.scale_set.id },
        "vmScaleSetName": compute.scale_set.name,
    }))
}

fn what_it_was_made_of(facts: &Facts) -> Map<String, Value> {
    let (image, compute) = (&facts.image, &facts.compute);
    object(json!({
        "customData": "",
        "licenseType": compute.license_type,
        "offer": image.offer,
        "osProfile": os_profile(facts),
        "osType": compute.os_type,
        "plan": compute.plan,
        "publicKeys": public_keys(facts),
        "publisher": image.publisher,
        "sku": image.sku,
        "storageProfile": storage::profile(facts),
        "userData": facts.user_data,
        "version": image.version,
    }))
}

/// Returns the fields of an object; `json!` makes nothing else of braces.
fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn security(profile: &SecurityProfile) -> Value {
    json!({
        "encryptionAtHost": profile.encryption_at_host.to_string(),
        "secureBootEnabled": profile.secure_boot_enabled.to_string(),
        "securityType": profile.security_type,
        "virtualTpmEnabled": profile.virtual_tpm_enabled.to_string(),
    })
}

fn os_profile(facts: &Facts) -> Value {
    let only_keys = match facts.compute.os_type {
        OsType::Linux => facts.compute.disable_password_authentication.to_string(),
        OsType::Windows => String::new(),
    };
    json!({
        "adminUsername": facts.admin_user,
        "computerName": facts.computer_name,
        "disablePasswordAuthentication": only_keys,
    })
}

fn public_keys(facts: &Facts) -> Vec<Value> {
    let path = format!("/home/{}/.ssh/authorized_keys", facts.admin_user);
    facts
        .public_keys
        .iter()
        .map(|key| json!({ "keyData": key, "path": path }))
        .collect()
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
