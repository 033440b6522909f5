//! The guard as the coverage probe needs it: put on a link of the probe's own, and looked for on the
//! real ones. Nothing is pinned and nothing is changed on a link of somebody else.

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use aya::Btf;

use super::{GuardKind, GuardProgram, Layer, PinKind, clsact, pins, tcx};
use crate::error::InterceptError;
use crate::interceptor::load_object;
use crate::rtnetlink::Rtnetlink;
use crate::sys;

/// The guard on one link; it ends with its handle (tcx) or with the link's network namespace.
#[derive(Debug)]
pub(crate) struct LoneGuard {
    _link: Option<OwnedFd>,
}

impl LoneGuard {
    /// Puts the guard with the pinned maps on a link that carries frames, in the network namespace
    /// of the calling thread.
    pub(crate) fn put_on(index: u32, pin_dir: &Path) -> Result<Self, InterceptError> {
        let kernel_types = Btf::from_sys_fs().map_err(InterceptError::KernelTypes)?;
        let mut object = load_object(pin_dir, &kernel_types)?;
        let program = GuardProgram::load(&mut object, "link_frames")?;
        let link = match GuardKind::supported()? {
            GuardKind::Tcx => {
                let link = sys::tcx::create_link(program.descriptor.as_fd(), index);
                Some(link.map_err(InterceptError::Links)?)
            }
            GuardKind::Clsact => {
                let rtnetlink = Rtnetlink::open().map_err(InterceptError::Links)?;
                clsact::attach_unpinned(&rtnetlink, &program, index)
                    .map_err(InterceptError::Links)?;
                None
            }
        };
        Ok(Self { _link: link })
    }
}

/// Returns the links of the calling thread's network namespace that the guard is not on, by name.
pub(crate) fn unguarded(pin_dir: &Path) -> Result<Vec<String>, InterceptError> {
    let rtnetlink = Rtnetlink::open().map_err(InterceptError::Links)?;
    let pins = pins(pin_dir)?;
    let mut names = Vec::new();
    for link in rtnetlink.links().map_err(InterceptError::Links)? {
        let of_link = pins.iter().find(|pin| pin.index == link.index);
        let is_guarded = match of_link.map(|pin| (pin.kind, pin.path.as_path())) {
            _ if Layer::of(&link) == Layer::Loopback => Ok(true),
            None => Ok(false),
            Some((PinKind::Link, pin)) => tcx::is_on(link.index, pin),
            Some((PinKind::Filter | PinKind::Qdisc, pin)) => {
                clsact::is_on(&rtnetlink, link.index, pin)
            }
        };
        if !is_guarded.map_err(InterceptError::Links)? {
            names.push(link.name);
        }
    }
    Ok(names)
}
