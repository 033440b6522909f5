//! The agent's guard on network devices, as far as the probe needs it: put on a device of the
//! probe's own, and looked for on the real ones.

use std::fs;
use std::io;
use std::path::Path;

/// The guard on one device, until it is dropped.
#[derive(Debug)]
pub(super) struct Guard;

/// Puts the agent's own guard on a device of the calling thread's network namespace; `None` when the
/// agent has attached no such program.
pub(super) fn put_on(_pin_dir: &Path, _device_index: u32) -> io::Result<Option<Guard>> {
    Ok(None)
}

/// Returns the devices of the calling thread's network namespace that the guard is not on, by name.
pub(super) fn unguarded(_pin_dir: &Path) -> io::Result<Vec<String>> {
    let table = fs::read_to_string("/proc/thread-self/net/dev")?;
    let names = table.lines().skip(2).filter_map(|row| row.split_once(':'));
    let names = names.map(|(name, _)| name.trim().to_owned());
    Ok(names.filter(|name| name != "lo").collect())
}
