//! A machine's image and disks, as its documents describe them.

use serde::Deserialize;

/// The image of a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Image {
    /// Who publishes it.
    pub publisher: String,
    /// The product.
    pub offer: String,
    /// The edition.
    pub sku: String,
    /// The version.
    pub version: String,
    /// The resource id of an own image.
    pub id: String,
    /// The resource id of an image of a community gallery.
    pub community_gallery_image_id: String,
    /// The resource id of an image that was shared directly.
    pub shared_gallery_image_id: String,
    /// The version of a community or shared image.
    pub exact_version: String,
}

/// The disks of a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Storage {
    /// The disk that it starts from.
    pub os_disk: Disk,
    /// The others.
    pub data_disks: Vec<Disk>,
    /// The size of the local temporary disk in kilobytes; 0 for none.
    pub resource_disk_kb: u64,
}

/// One disk. What is left empty is derived from the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Disk {
    /// The name.
    pub name: String,
    /// The size in gigabytes.
    pub size_gb: Option<u32>,
    /// The logical unit number; of data disks alone.
    pub lun: Option<u32>,
    /// `None`, `ReadOnly` or `ReadWrite`.
    pub caching: String,
    /// How it came to be: `FromImage`, `Empty` or `Attach`.
    pub create_option: String,
    /// The kind of storage.
    pub storage_account_type: String,
    /// Where a disk lies that is not managed.
    pub vhd: String,
    /// The source of a disk that is not managed.
    pub image: String,
    /// `Local` for a disk on the host; of the system's disk alone.
    pub diff_disk_option: String,
    /// Whether writes are accelerated.
    pub write_accelerator_enabled: bool,
    /// How it is encrypted; of the system's disk alone.
    pub encryption: Encryption,
    /// Its limits, if it is an ultra disk; of data disks alone.
    pub ultra: Option<UltraDisk>,
}

/// How a disk is encrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Encryption {
    /// Whether it is.
    pub enabled: bool,
    /// Where the disk's key is.
    pub disk_key: VaultedKey,
    /// Where the key is that encrypts the disk's key.
    pub key_encryption_key: VaultedKey,
}

/// Where a key is; never the key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VaultedKey {
    /// The resource id of the vault.
    pub vault: String,
    /// The URL in the vault.
    pub url: String,
}

/// The limits of an ultra disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UltraDisk {
    /// Bytes read and written in a second.
    pub bytes_per_second: u64,
    /// Operations in a second.
    pub operations_per_second: u64,
    /// The size in bytes.
    pub capacity_bytes: u64,
    /// Whether other machines have it too.
    pub is_shared: bool,
}
