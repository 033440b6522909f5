//! What the firmware of a virtual machine of Azure says of it (DMI), by which its programs know
//! where they run.

use std::fs;
use std::path::Path;

use crate::files::{self, FileError, Named as _};

/// The files of `/sys/class/dmi/id` and what they hold.
const FIELDS: [(&str, &str); 9] = [
    ("bios_vendor", "Microsoft Corporation"),
    ("board_vendor", "Microsoft Corporation"),
    ("chassis_vendor", "Microsoft Corporation"),
    ("sys_vendor", "Microsoft Corporation"),
    ("product_name", "Virtual Machine"),
    // The tag that all machines of Azure have, and no other machine on the same hypervisor.
    ("chassis_asset_tag", "7783-7084-3265-9085-8269-3286-77"),
    ("product_uuid", "02aab8a4-74ef-476e-8182-f6d2ba4166a6"),
    ("product_serial", "0000-0001"),
    ("product_version", "7.0"),
];

/// Writes the fields to a directory, which is created.
pub(super) fn write(directory: &Path) -> Result<(), FileError> {
    fs::create_dir_all(directory).named("create directory", directory)?;
    for (name, value) in FIELDS {
        files::write(&directory.join(name), &format!("{value}\n"))?;
    }
    Ok(())
}
