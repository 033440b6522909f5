//! Links and maps that this process keeps open: removing a pin detaches nothing while it lives, and
//! whatever a pin leads to is compared with what is held.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aya::programs::ProgramFd;

use crate::cgroup::Cgroup;
use crate::error::InterceptError;
use crate::finding::{Finding, Problem};
use crate::pinned::{PinState, finding_of_pin, pin_state, repin};
use crate::sys::{self, AnyTarget, CgroupTarget, LinkInfo, MapInfo, ProgramInfo};

/// Where a link hangs, and so how it is made anew.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// A hook of a cgroup.
    Cgroup {
        cgroup: Arc<Cgroup>,
        attach_type: u32,
    },
    /// The tracepoint that the program was loaded for.
    Tracepoint,
}

impl Target {
    /// Attaches a program by a new link.
    pub(crate) fn attach(&self, program: BorrowedFd<'_>) -> Result<OwnedFd, InterceptError> {
        match self {
            Self::Cgroup {
                cgroup,
                attach_type,
            } => cgroup.attach(program, *attach_type),
            Self::Tracepoint => sys::tracing::tracepoint_open(program).map_err(
                InterceptError::file("attach a program to", "its tracepoint"),
            ),
        }
    }

    /// Returns the number of the program that the link runs here, or `None` if it hangs nowhere.
    fn program_behind(&self, link: BorrowedFd<'_>) -> io::Result<Option<u32>> {
        match self {
            Self::Cgroup { cgroup, .. } => {
                let info: LinkInfo<CgroupTarget> = sys::object_info(link)?;
                let is_here = info.target.cgroup_id == cgroup.id();
                Ok(is_here.then_some(info.program_id))
            }
            // Such a link hangs there as long as it exists.
            Self::Tracepoint => {
                let info: LinkInfo<AnyTarget> = sys::object_info(link)?;
                Ok(Some(info.program_id))
            }
        }
    }

    /// Returns whether a pin leads to the link.
    fn is_pinned_at(&self, link: BorrowedFd<'_>, pin: &Path) -> io::Result<PinState> {
        match self {
            Self::Cgroup { .. } => pin_state::<LinkInfo<CgroupTarget>>(link, pin),
            Self::Tracepoint => pin_state::<LinkInfo<AnyTarget>>(link, pin),
        }
    }
}

/// A program in its link.
#[derive(Debug)]
pub(crate) struct HeldLink {
    name: &'static str,
    target: Target,
    program: ProgramFd,
    program_id: u32,
    link: OwnedFd,
}

impl HeldLink {
    pub(crate) fn new(
        name: &'static str,
        target: Target,
        program: ProgramFd,
        link: OwnedFd,
    ) -> Result<Self, InterceptError> {
        let info: ProgramInfo = sys::object_info(program.as_fd())
            .map_err(InterceptError::file("inspect the program", name))?;
        Ok(Self {
            name,
            target,
            program,
            program_id: info.id,
            link,
        })
    }

    /// Returns the kernel's number of the program that belongs into the link.
    pub(crate) fn program_id(&self) -> u32 {
        self.program_id
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn pin(&self, pin_dir: &Path) -> PathBuf {
        pin_dir.join(format!("link_{}", self.name))
    }

    /// Returns whether the program runs at its hook.
    pub(crate) fn is_attached(&self) -> bool {
        self.check().is_none()
    }

    /// Looks at the link itself.
    pub(crate) fn check(&self) -> Option<Finding> {
        let problem = match self.target.program_behind(self.link.as_fd()) {
            Ok(Some(id)) if id == self.program_id => return None,
            Ok(Some(_)) => Problem::ProgramReplaced,
            Ok(None) => Problem::LinkDetached,
            Err(_) => Problem::Unchecked,
        };
        Some(Finding::new(problem, self.name))
    }

    pub(crate) fn check_pin(&self, pin_dir: &Path) -> Option<Finding> {
        let pin = self.pin(pin_dir);
        let state = self.target.is_pinned_at(self.link.as_fd(), &pin);
        finding_of_pin(&state, &pin)
    }

    /// Brings the program back to its hook; a link that still hangs keeps its place in the order.
    pub(crate) fn restore(&mut self) -> Result<(), InterceptError> {
        let failed = InterceptError::file("inspect the link of", self.name);
        match self.target.program_behind(self.link.as_fd()) {
            Ok(Some(id)) if id == self.program_id => Ok(()),
            Ok(Some(_)) => sys::link_update(self.link.as_fd(), self.program.as_fd())
                .map_err(InterceptError::file("exchange the program of", self.name)),
            Ok(None) => {
                self.link = self.target.attach(self.program.as_fd())?;
                Ok(())
            }
            Err(error) => Err(failed(error)),
        }
    }

    pub(crate) fn restore_pin(&self, pin_dir: &Path) -> Result<(), InterceptError> {
        let pin = self.pin(pin_dir);
        let state = self.target.is_pinned_at(self.link.as_fd(), &pin);
        repin(self.link.as_fd(), state, &pin)
    }

    /// Makes the link hang on another cgroup from the next [`Self::restore`] on.
    pub(crate) fn move_to(&mut self, new: &Arc<Cgroup>) {
        if let Target::Cgroup { cgroup, .. } = &mut self.target {
            *cgroup = Arc::clone(new);
        }
    }
}

/// A map of the programs.
#[derive(Debug)]
pub(crate) struct HeldMap {
    pin_name: String,
    map: OwnedFd,
}

impl HeldMap {
    /// Takes hold of what the programs use, right after it was pinned.
    pub(crate) fn open(pin: &Path) -> Result<Self, InterceptError> {
        let map = sys::open_pinned(pin).map_err(InterceptError::file("open", pin))?;
        let pin_name = pin.file_name().unwrap_or_default();
        Ok(Self {
            pin_name: pin_name.display().to_string(),
            map,
        })
    }

    pub(crate) fn check_pin(&self, pin_dir: &Path) -> Option<Finding> {
        let pin = pin_dir.join(&self.pin_name);
        let state = pin_state::<MapInfo>(self.map.as_fd(), &pin);
        finding_of_pin(&state, &pin)
    }

    pub(crate) fn restore_pin(&self, pin_dir: &Path) -> Result<(), InterceptError> {
        let pin = pin_dir.join(&self.pin_name);
        let state = pin_state::<MapInfo>(self.map.as_fd(), &pin);
        repin(self.map.as_fd(), state, &pin)
    }
}
