//! The directory of pins, through which links and maps outlive the agent; pinned maps of another
//! shape are refused, never reinterpreted.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use aya::maps::MapInfo;

use crate::counter::Counter;
use crate::error::InterceptError;
use crate::guard;
use crate::hook::{Attachment, HOOKS, remove_if_present};
use crate::layout::{
    self, Address, EndpointKey, EndpointValue, Executed, FlowKey, Heartbeat, Identity,
    LimitSettings, ProcessKey, Script, Settings,
};
use crate::mount::{self, MountError};
use crate::pinned::replacement;
use crate::tracing;

/// A map of the object and the shape that its pin must have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PinnedMap {
    pub(crate) name: &'static str,
    key_bytes: usize,
    value_bytes: usize,
    slots: usize,
}

const WORD: usize = size_of::<u32>();

/// Every map of the object.
pub(crate) const MAPS: [PinnedMap; 14] = [
    PinnedMap {
        name: "settings",
        key_bytes: WORD,
        value_bytes: size_of::<Settings>(),
        slots: 1,
    },
    PinnedMap {
        name: "heartbeat",
        key_bytes: WORD,
        value_bytes: size_of::<Heartbeat>(),
        slots: 1,
    },
    PinnedMap {
        name: "endpoints",
        key_bytes: size_of::<EndpointKey>(),
        value_bytes: size_of::<EndpointValue>(),
        slots: layout::ENDPOINT_SLOTS,
    },
    PinnedMap {
        name: "connections",
        key_bytes: WORD,
        value_bytes: layout::CONNECTION_BYTES,
        slots: 0,
    },
    PinnedMap {
        name: "flows",
        key_bytes: size_of::<FlowKey>(),
        value_bytes: size_of::<Identity>(),
        slots: layout::FLOW_SLOTS,
    },
    PinnedMap {
        name: "counters",
        key_bytes: WORD,
        value_bytes: size_of::<u64>(),
        slots: Counter::ALL.len(),
    },
    PinnedMap {
        name: "guarded_ports",
        key_bytes: WORD,
        value_bytes: size_of::<u64>(),
        slots: layout::PORT_WORDS,
    },
    PinnedMap {
        name: "guarded_addresses",
        key_bytes: size_of::<Address>(),
        value_bytes: WORD,
        slots: layout::ADDRESS_SLOTS,
    },
    PinnedMap {
        name: "limits",
        key_bytes: WORD,
        value_bytes: size_of::<LimitSettings>(),
        slots: 1,
    },
    PinnedMap {
        name: "buckets",
        key_bytes: size_of::<u64>(),
        value_bytes: size_of::<u64>(),
        slots: layout::BUCKET_SLOTS,
    },
    PinnedMap {
        name: "shares",
        key_bytes: size_of::<u64>(),
        value_bytes: size_of::<u64>(),
        slots: layout::FLOW_SLOTS,
    },
    PinnedMap {
        name: "scripts",
        key_bytes: size_of::<ProcessKey>(),
        value_bytes: size_of::<Script>(),
        slots: layout::SCRIPT_SLOTS,
    },
    PinnedMap {
        name: "handovers",
        key_bytes: size_of::<FlowKey>(),
        value_bytes: WORD,
        slots: layout::FLOW_SLOTS,
    },
    PinnedMap {
        name: "executed",
        key_bytes: WORD,
        value_bytes: size_of::<Executed>(),
        slots: 0,
    },
];

impl PinnedMap {
    pub(crate) fn pin(self, pin_dir: &Path) -> PathBuf {
        pin_dir.join(format!("map_{}", self.name))
    }

    /// Refuses a pin whose shape is not the one that this version's programs work with.
    pub(crate) fn check(self, pin_dir: &Path) -> Result<(), InterceptError> {
        let path = self.pin(pin_dir);
        let pinned = MapInfo::from_pin(&path).map_err(InterceptError::map(self.name))?;
        let fits = pinned.key_size() as usize == self.key_bytes
            && pinned.value_size() as usize == self.value_bytes
            && pinned.max_entries() as usize == self.slots;
        if fits {
            Ok(())
        } else {
            Err(InterceptError::PinnedByOther { path })
        }
    }
}

/// Makes the directory of pins, on a BPF file system and open to root alone.
pub(crate) fn prepare_directory(pin_dir: &Path) -> Result<(), InterceptError> {
    if pin_dir.starts_with(mount::BPFFS) {
        mount::ensure_bpffs()?;
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(pin_dir)
        .map_err(InterceptError::file("make the directory", pin_dir))?;
    if !mount::is_bpffs(pin_dir)? {
        let path = pin_dir.into();
        return Err(MountError::NotBpffs { path }.into());
    }
    check_owner(pin_dir).map_err(InterceptError::file("use the directory", pin_dir))
}

/// SECURITY: where the BPF file system is everybody's (its default mode is 1777), another user may
/// have made the directory before, and could remove pins or put others in their place.
fn check_owner(pin_dir: &Path) -> io::Result<()> {
    const WRITABLE_FOR_GROUP_OR_OTHERS: u32 = 0o022;
    let found = fs::symlink_metadata(pin_dir)?;
    let is_own = found.is_dir() && found.uid() == rustix::process::geteuid().as_raw();
    if is_own && found.mode() & WRITABLE_FOR_GROUP_OR_OTHERS == 0 {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        "it is not a directory that only the agent's user can write",
    ))
}

/// Returns the programs that pinned links attach, so that a watchdog can notice a change.
///
/// # Errors
///
/// [`InterceptError`] when a pin cannot be read or is not a link of this crate.
pub fn attachments(pin_dir: &Path) -> Result<Vec<Attachment>, InterceptError> {
    HOOKS
        .iter()
        .filter_map(|hook| hook.attachment(pin_dir).transpose())
        .collect()
}

/// Detaches every program and removes every pin: connections reach the endpoints directly again.
///
/// Works without loading anything and while no agent runs, in the agent's network namespace; an
/// agent that runs would attach them again, so it has to be stopped first. A directory that is not
/// there means that nothing is attached.
///
/// # Errors
///
/// [`InterceptError`] names the pin that could not be removed; running it again goes on there.
pub fn detach(pin_dir: &Path) -> Result<(), InterceptError> {
    // The redirect ends before what it relies on.
    guard::detach(pin_dir)?;
    for hook in HOOKS.iter().rev() {
        hook.detach(pin_dir)?;
    }
    tracing::detach(pin_dir)?;
    for map in MAPS {
        let pin = map.pin(pin_dir);
        remove_if_present(&pin)?;
        remove_if_present(&replacement(&pin))?;
    }
    match fs::remove_dir(pin_dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(InterceptError::file("remove the directory", pin_dir)(error))
        }
        _ => Ok(()),
    }
}
