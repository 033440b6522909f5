//! The hooks and their pinned links; a program is exchanged inside its link, so a hook that was
//! ever attached is never without a program until somebody detaches it.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use aya::Ebpf;
use aya::programs::{Program, ProgramFd};

use crate::error::InterceptError;
use crate::sys::{self, CgroupLink};

/// A program of the object and the cgroup hook that it belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hook {
    pub(crate) program: &'static str,
    /// `enum bpf_attach_type` of `linux/bpf.h`.
    attach_type: u32,
}

/// In the order of attaching: whatever a redirect relies on comes before the redirect itself.
pub(crate) const HOOKS: [Hook; 10] = [
    Hook {
        program: "sock_ops",
        attach_type: 3,
    },
    Hook {
        program: "getpeername4",
        attach_type: 29,
    },
    Hook {
        program: "getpeername6",
        attach_type: 30,
    },
    Hook {
        program: "bind4",
        attach_type: 8,
    },
    Hook {
        program: "bind6",
        attach_type: 9,
    },
    Hook {
        program: "sendmsg4",
        attach_type: 14,
    },
    Hook {
        program: "sendmsg6",
        attach_type: 15,
    },
    Hook {
        program: "connect4",
        attach_type: 10,
    },
    Hook {
        program: "connect6",
        attach_type: 11,
    },
    // Not before the agent's own sockets are marked.
    Hook {
        program: "egress",
        attach_type: 1,
    },
];

/// A program that is attached by a pinned link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The program's name.
    pub program: &'static str,
    /// The kernel's number of the link; it stays the same when the program is exchanged.
    pub link_id: u32,
    /// The kernel's number of the program.
    pub program_id: u32,
    /// The cgroup that it is attached to, or 0 when that cgroup was removed.
    pub cgroup_id: u64,
}

impl Hook {
    pub(crate) fn pin(self, pin_dir: &Path) -> PathBuf {
        pin_dir.join(format!("link_{}", self.program))
    }

    /// Where a link waits until it takes the place of one whose cgroup is gone.
    pub(crate) fn replacement_pin(self, pin_dir: &Path) -> PathBuf {
        pin_dir.join(format!("link_{}_new", self.program))
    }

    /// Asks the kernel's verifier to accept the program.
    pub(crate) fn load(self, object: &mut Ebpf) -> Result<ProgramFd, InterceptError> {
        let program = self.program;
        let loaded = match object.program_mut(program) {
            Some(Program::CgroupSockAddr(hook)) => hook.load().and_then(|()| hook.fd()),
            Some(Program::CgroupSkb(hook)) => hook.load().and_then(|()| hook.fd()),
            Some(Program::SockOps(hook)) => hook.load().and_then(|()| hook.fd()),
            _ => return Err(InterceptError::Missing { name: program }),
        };
        let loaded = loaded.and_then(|descriptor| Ok(descriptor.try_clone()?));
        loaded.map_err(|source| InterceptError::Program {
            program,
            source: Box::new(source),
        })
    }

    /// Puts the program into its pinned link, or attaches it by a new one.
    pub(crate) fn attach(
        self,
        program: BorrowedFd<'_>,
        cgroup: &Cgroup,
        pin_dir: &Path,
    ) -> Result<(), InterceptError> {
        let pin = self.pin(pin_dir);
        let Some(attached) = self.attachment(pin_dir)? else {
            return self.create_link(program, cgroup, &pin);
        };
        if attached.cgroup_id == cgroup.id {
            let link = sys::open_pinned(&pin).map_err(InterceptError::file("open", &pin))?;
            return sys::link_update(link.as_fd(), program)
                .map_err(InterceptError::file("exchange the program of", &pin));
        }
        // The old cgroup is gone or no longer the right one: the new link comes before the old goes.
        let replacement = self.replacement_pin(pin_dir);
        remove_if_present(&replacement)?;
        self.create_link(program, cgroup, &replacement)?;
        fs::rename(&replacement, &pin).map_err(InterceptError::file("replace", &pin))
    }

    fn create_link(
        self,
        program: BorrowedFd<'_>,
        cgroup: &Cgroup,
        pin: &Path,
    ) -> Result<(), InterceptError> {
        let link = sys::link_create(program, cgroup.directory.as_fd(), self.attach_type)
            .map_err(InterceptError::file("attach a program to", &cgroup.path))?;
        sys::pin(link.as_fd(), pin).map_err(InterceptError::file("pin a link at", pin))
    }

    /// Returns what the pinned link attaches, or `None` if there is no pin.
    pub(crate) fn attachment(self, pin_dir: &Path) -> Result<Option<Attachment>, InterceptError> {
        let pin = self.pin(pin_dir);
        let link = match sys::open_pinned(&pin) {
            Ok(link) => link,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(InterceptError::file("open", pin)(error)),
        };
        let info = sys::link_info(link.as_fd()).map_err(InterceptError::file("inspect", &pin))?;
        if info.kind != CgroupLink::KIND || info.attach_type != self.attach_type {
            return Err(InterceptError::PinnedByOther { path: pin });
        }
        Ok(Some(Attachment {
            program: self.program,
            link_id: info.link_id,
            program_id: info.program_id,
            cgroup_id: info.cgroup_id,
        }))
    }

    /// Detaches the program at once and removes its pin.
    pub(crate) fn detach(self, pin_dir: &Path) -> Result<(), InterceptError> {
        for pin in [self.pin(pin_dir), self.replacement_pin(pin_dir)] {
            match sys::open_pinned(&pin) {
                Ok(link) => sys::link_detach(link.as_fd())
                    .map_err(InterceptError::file("detach the program of", &pin))?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(InterceptError::file("open", pin)(error)),
            }
            remove_if_present(&pin)?;
        }
        Ok(())
    }
}

/// The cgroup whose processes are intercepted, with all cgroups below it.
#[derive(Debug)]
pub(crate) struct Cgroup {
    directory: File,
    id: u64,
    path: PathBuf,
}

impl Cgroup {
    pub(crate) fn open(path: &Path) -> Result<Self, InterceptError> {
        let directory = File::open(path).map_err(InterceptError::file("open the cgroup", path))?;
        let metadata = directory
            .metadata()
            .map_err(InterceptError::file("inspect the cgroup", path))?;
        Ok(Self {
            directory,
            id: metadata.ino(),
            path: path.into(),
        })
    }
}

/// Removes a pin; one that is not there is as good as removed.
pub(crate) fn remove_if_present(pin: &Path) -> Result<(), InterceptError> {
    match fs::remove_file(pin) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(InterceptError::file("remove", pin)(error))
        }
        _ => Ok(()),
    }
}
