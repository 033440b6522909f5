//! The guard by a pinned tcx link of its own: other programs on the same network link stay, and the
//! program is exchanged inside its link.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::Path;

use super::{GuardProgram, PinKind, pin_in_place};
use crate::sys::{self, AnyTarget, LinkInfo};

/// Puts the program onto a network link, or leaves it there.
pub(super) fn attach(program: &GuardProgram, index: u32, pin_dir: &Path) -> io::Result<()> {
    let pin = PinKind::Link.path(index, pin_dir);
    if keep(program, index, &pin)? == Kept::Yes {
        return Ok(());
    }
    let link = sys::tcx::create_link(program.descriptor.as_fd(), index)?;
    pin_in_place(link, &pin)
}

#[derive(PartialEq, Eq)]
enum Kept {
    Yes,
    No,
}

/// Keeps a pinned link that is on this very network link: indices are given again, and those of
/// different network namespaces are the same.
fn keep(program: &GuardProgram, index: u32, pin: &Path) -> io::Result<Kept> {
    let link = match sys::open_pinned(pin) {
        Ok(link) => link,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Kept::No),
        Err(error) => return Err(error),
    };
    let link_id = link_id(link.as_fd())?;
    let attached = sys::tcx::attached(index)?;
    match attached.iter().find(|each| each.link_id == link_id) {
        None => return Ok(Kept::No),
        Some(found) if found.program_id == program.id => {}
        Some(_) => sys::link_update(link.as_fd(), program.descriptor.as_fd())?,
    }
    Ok(Kept::Yes)
}

/// Returns whether the pinned link is on this very network link.
pub(super) fn is_on(index: u32, pin: &Path) -> io::Result<bool> {
    let link = sys::open_pinned(pin)?;
    let link_id = link_id(link.as_fd())?;
    let attached = sys::tcx::attached(index)?;
    Ok(attached.iter().any(|each| each.link_id == link_id))
}

/// Takes the program off at once, also while somebody else holds the link.
pub(super) fn detach(pin: &Path) -> io::Result<()> {
    let link = sys::open_pinned(pin)?;
    match sys::link_detach(link.as_fd()) {
        // The network link is gone.
        Err(error) if error.raw_os_error() == Some(libc::ENOLINK) => Ok(()),
        outcome => outcome,
    }
}

fn link_id(link: BorrowedFd<'_>) -> io::Result<u32> {
    let info: LinkInfo<AnyTarget> = sys::object_info(link)?;
    Ok(info.link_id)
}
