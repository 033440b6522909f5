//! The `storageProfile` object of the instance document: image and disks.

use serde_json::{Value, json};

use crate::facts::{Disk, Encryption, Facts, Image, VaultedKey};

/// The size of a system's disk that is not given, in gigabytes.
const OS_DISK_GB: u32 = 30;
/// The size of a data disk that is not given, in gigabytes.
const DATA_DISK_GB: u32 = 32;

/// Returns the object with the fields of all versions.
pub(super) fn profile(facts: &Facts) -> Value {
    let disks = facts.storage.data_disks.iter().zip(0..);
    let data_disks: Vec<_> = disks
        .map(|(disk, position)| data_disk(facts, disk, disk.lun.unwrap_or(position)))
        .collect();
    json!({
        "dataDisks": data_disks,
        "imageReference": image_reference(&facts.image),
        "osDisk": os_disk(facts),
        "resourceDisk": { "size": facts.storage.resource_disk_kb.to_string() },
    })
}

fn image_reference(image: &Image) -> Value {
    json!({
        "communityGalleryImageId": image.community_gallery_image_id,
        "exactVersion": image.exact_version,
        "id": image.id,
        "offer": image.offer,
        "publisher": image.publisher,
        "sharedGalleryImageId": image.shared_gallery_image_id,
        "sku": image.sku,
        "version": image.version,
    })
}

fn os_disk(facts: &Facts) -> Value {
    let disk = &facts.storage.os_disk;
    let name = or(&disk.name, || format!("{}_OsDisk", facts.name));
    json!({
        "caching": or(&disk.caching, || "ReadWrite".to_owned()),
        "createOption": or(&disk.create_option, || "FromImage".to_owned()),
        "diffDiskSettings": { "option": disk.diff_disk_option },
        "diskSizeGB": disk.size_gb.unwrap_or(OS_DISK_GB).to_string(),
        "encryptionSettings": encryption(&disk.encryption),
        "image": { "uri": disk.image },
        "managedDisk": managed(facts, disk, &name),
        "name": name,
        "osType": facts.compute.os_type,
        "vhd": { "uri": disk.vhd },
        "writeAcceleratorEnabled": disk.write_accelerator_enabled.to_string(),
    })
}

fn data_disk(facts: &Facts, disk: &Disk, lun: u32) -> Value {
    let name = or(&disk.name, || format!("{}_DataDisk_{lun}", facts.name));
    let ultra = disk.ultra.as_ref();
    let limit = |value: Option<u64>| value.map(|value| value.to_string()).unwrap_or_default();
    json!({
        "bytesPerSecondThrottle": limit(ultra.map(|ultra| ultra.bytes_per_second)),
        "caching": or(&disk.caching, || "None".to_owned()),
        "createOption": or(&disk.create_option, || "Empty".to_owned()),
        "diskCapacityBytes": limit(ultra.map(|ultra| ultra.capacity_bytes)),
        "diskSizeGB": disk.size_gb.unwrap_or(DATA_DISK_GB).to_string(),
        "image": { "uri": disk.image },
        "isSharedDisk": ultra.map(|ultra| ultra.is_shared.to_string()).unwrap_or_default(),
        "isUltraDisk": ultra.is_some().to_string(),
        "lun": lun.to_string(),
        "managedDisk": managed(facts, disk, &name),
        "name": name,
        "opsPerSecondThrottle": limit(ultra.map(|ultra| ultra.operations_per_second)),
        "vhd": { "uri": disk.vhd },
        "writeAcceleratorEnabled": disk.write_accelerator_enabled.to_string(),
    })
}

/// A disk that lies in a place of its own is not managed.
fn managed(facts: &Facts, disk: &Disk, name: &str) -> Value {
    if !disk.vhd.is_empty() {
        return json!({ "id": "", "storageAccountType": "" });
    }
    let id = format!(
        "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.Compute/disks/{name}",
        facts.subscription_id, facts.resource_group
    );
    let kind = or(&disk.storage_account_type, || "Premium_LRS".to_owned());
    json!({ "id": id, "storageAccountType": kind })
}

fn encryption(encryption: &Encryption) -> Value {
    let vault = |key: &VaultedKey| json!({ "id": key.vault });
    let (disk_key, outer) = (&encryption.disk_key, &encryption.key_encryption_key);
    json!({
        "diskEncryptionKey": { "secretUrl": disk_key.url, "sourceVault": vault(disk_key) },
        "enabled": encryption.enabled.to_string(),
        "keyEncryptionKey": { "keyUrl": outer.url, "sourceVault": vault(outer) },
    })
}

fn or(given: &str, otherwise: impl FnOnce() -> String) -> String {
    if given.is_empty() {
        otherwise()
    } else {
        given.to_owned()
    }
}
