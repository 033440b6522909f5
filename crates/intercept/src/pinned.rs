//! What a pin leads to, compared with an object that is held, and how the object gets it back.

use std::fs;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::{Path, PathBuf};

use aya::Pod;

use crate::error::InterceptError;
use crate::finding::{Finding, Problem};
use crate::hook::remove_if_present;
use crate::sys;

/// What a pin leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PinState {
    Ours,
    Missing,
    Other,
}

/// Compares all that the kernel says: a number alone could be that of an object of another kind.
pub(crate) fn pin_state<I: Pod + Default + PartialEq>(
    held: BorrowedFd<'_>,
    pin: &Path,
) -> io::Result<PinState> {
    let pinned = match sys::open_pinned(pin) {
        Ok(pinned) => pinned,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(PinState::Missing),
        // An ordinary file or directory has taken the name.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Ok(PinState::Other);
        }
        Err(error) => return Err(error),
    };
    let (held, pinned): (I, I) = (sys::object_info(held)?, sys::object_info(pinned.as_fd())?);
    Ok(if held == pinned {
        PinState::Ours
    } else {
        PinState::Other
    })
}

pub(crate) fn finding_of_pin(state: &io::Result<PinState>, pin: &Path) -> Option<Finding> {
    let problem = match state {
        Ok(PinState::Ours) => return None,
        Ok(PinState::Missing) => Problem::PinRemoved,
        Ok(PinState::Other) => Problem::PinExchanged,
        Err(_) => Problem::Unchecked,
    };
    Some(Finding::new(problem, pin.display().to_string()))
}

/// Pins an object where it belongs; what has taken its name is let go only when ours is there.
pub(crate) fn repin(
    object: BorrowedFd<'_>,
    state: io::Result<PinState>,
    pin: &Path,
) -> Result<(), InterceptError> {
    let failed = |operation| InterceptError::file(operation, pin);
    match state.map_err(failed("open"))? {
        PinState::Ours => Ok(()),
        PinState::Missing => sys::pin(object, pin).map_err(failed("pin at")),
        PinState::Other => {
            let replacement = replacement(pin);
            remove_if_present(&replacement)?;
            sys::pin(object, &replacement).map_err(failed("pin beside"))?;
            fs::rename(&replacement, pin).map_err(failed("replace"))
        }
    }
}

/// Where an object waits until it takes the place of another one.
pub(crate) fn replacement(pin: &Path) -> PathBuf {
    let mut name = pin.as_os_str().to_owned();
    name.push("_new");
    name.into()
}
