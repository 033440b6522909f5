//! Which API version brought which field: older versions do not show it.

use serde_json::Value;

/// A field by its path, with `*` for every element of a list, and the version that brought it.
pub(in crate::emulator) type Since = (&'static str, &'static str);

/// The fields of the instance document that came after its first version.
pub(super) const INSTANCE: [Since; 42] = [
    ("compute/placementGroupId", "2017-08-01"),
    ("compute/resourceGroupName", "2017-08-01"),
    ("compute/subscriptionId", "2017-08-01"),
    ("compute/tags", "2017-08-01"),
    ("compute/vmScaleSetName", "2017-12-01"),
    ("compute/zone", "2017-12-01"),
    ("compute/plan", "2018-04-02"),
    ("compute/publicKeys", "2018-04-02"),
    ("compute/azEnvironment", "2018-10-01"),
    ("compute/provider", "2018-10-01"),
    ("compute/customData", "2019-02-01"),
    ("compute/resourceId", "2019-03-11"),
    ("compute/storageProfile", "2019-06-01"),
    ("compute/tagsList", "2019-06-04"),
    ("compute/isHostCompatibilityLayerVm", "2020-06-01"),
    ("compute/securityProfile", "2020-06-01"),
    ("compute/osProfile", "2020-07-15"),
    ("compute/licenseType", "2020-09-01"),
    (
        "compute/osProfile/disablePasswordAuthentication",
        "2020-10-01",
    ),
    ("compute/evictionPolicy", "2020-12-01"),
    ("compute/priority", "2020-12-01"),
    ("compute/userData", "2021-01-01"),
    ("compute/storageProfile/resourceDisk", "2021-02-01"),
    ("compute/extendedLocation", "2021-03-01"),
    ("compute/virtualMachineScaleSet", "2021-03-01"),
    (
        "compute/storageProfile/dataDisks/*/bytesPerSecondThrottle",
        "2021-05-01",
    ),
    (
        "compute/storageProfile/dataDisks/*/diskCapacityBytes",
        "2021-05-01",
    ),
    (
        "compute/storageProfile/dataDisks/*/isSharedDisk",
        "2021-05-01",
    ),
    (
        "compute/storageProfile/dataDisks/*/isUltraDisk",
        "2021-05-01",
    ),
    (
        "compute/storageProfile/dataDisks/*/opsPerSecondThrottle",
        "2021-05-01",
    ),
    ("compute/platformSubFaultDomain", "2021-10-01"),
    ("compute/additionalCapabilities", "2021-11-01"),
    ("compute/securityProfile/encryptionAtHost", "2021-11-01"),
    (
        "compute/storageProfile/osDisk/encryptionSettings/diskEncryptionKey",
        "2021-11-01",
    ),
    (
        "compute/storageProfile/osDisk/encryptionSettings/keyEncryptionKey",
        "2021-11-01",
    ),
    ("compute/host", "2021-11-15"),
    ("compute/hostGroup", "2021-11-15"),
    ("compute/securityProfile/securityType", "2021-12-13"),
    (
        "compute/storageProfile/imageReference/communityGalleryImageId",
        "2023-07-01",
    ),
    (
        "compute/storageProfile/imageReference/exactVersion",
        "2023-07-01",
    ),
    (
        "compute/storageProfile/imageReference/sharedGalleryImageId",
        "2023-07-01",
    ),
    ("compute/physicalZone", "2023-11-15"),
];

/// Removes the fields that `version` does not know.
pub(in crate::emulator) fn prune(document: &mut Value, fields: &[Since], version: &str) {
    for (path, first) in fields {
        if version < *first {
            remove(document, path);
        }
    }
}

fn remove(value: &mut Value, path: &str) {
    let Some((head, below)) = path.split_once('/') else {
        if let Value::Object(fields) = value {
            fields.shift_remove(path);
        }
        return;
    };
    match value {
        Value::Array(values) if head == "*" => {
            values.iter_mut().for_each(|value| remove(value, below));
        }
        Value::Object(fields) => {
            if let Some(value) = fields.get_mut(head) {
                remove(value, below);
            }
        }
        _ => {}
    }
}
