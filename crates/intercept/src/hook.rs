//! The hooks and their pinned links; a program is exchanged inside its link, so a hook that was
//! ever attached is never without a program until somebody detaches it.

use std::fs;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aya::Ebpf;
use aya::programs::{Program, ProgramFd};

use crate::cgroup::Cgroup;
use crate::error::InterceptError;
use crate::held::{HeldLink, Target};
use crate::pinned::replacement;
use crate::sys::{self, CgroupTarget, LinkInfo};
use crate::watched::WATCHED;

/// A program of the object and the cgroup hook that it belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hook {
    pub(crate) program: &'static str,
    /// `enum bpf_attach_type` of `linux/bpf.h`.
    pub(crate) attach_type: u32,
    /// The kernel version that brought the newest thing that the program uses, and that thing.
    pub(crate) kernel: &'static str,
}

/// In the order of attaching: whatever a redirect relies on comes before the redirect itself.
pub(crate) const HOOKS: [Hook; 10] = [
    Hook {
        program: "sock_ops",
        attach_type: 3,
        kernel: "5.7: links to cgroups",
    },
    Hook {
        program: "getpeername4",
        attach_type: 29,
        kernel: "5.8: getpeername hooks",
    },
    Hook {
        program: "getpeername6",
        attach_type: 30,
        kernel: "5.8: getpeername hooks",
    },
    Hook {
        program: "bind4",
        attach_type: 8,
        kernel: "5.15: bpf_get_current_task_btf",
    },
    Hook {
        program: "bind6",
        attach_type: 9,
        kernel: "5.15: bpf_get_current_task_btf",
    },
    Hook {
        program: "sendmsg4",
        attach_type: 14,
        kernel: "5.18: bpf_set_retval",
    },
    Hook {
        program: "sendmsg6",
        attach_type: 15,
        kernel: "5.18: bpf_set_retval",
    },
    Hook {
        program: "connect4",
        attach_type: 10,
        kernel: "5.18: bpf_set_retval",
    },
    Hook {
        program: "connect6",
        attach_type: 11,
        kernel: "5.18: bpf_set_retval",
    },
    // Not before the agent's own sockets are marked.
    Hook {
        program: "egress",
        attach_type: 1,
        kernel: "5.7: links to cgroups",
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
    /// Returns the hook's name; every hook of ours is a watched one.
    pub(crate) fn name(self) -> &'static str {
        let mut watched = WATCHED.iter();
        let watched = watched.find(|watched| watched.attach_type == self.attach_type);
        watched.map_or(self.program, |watched| watched.name)
    }

    pub(crate) fn pin(self, pin_dir: &Path) -> PathBuf {
        pin_dir.join(format!("link_{}", self.program))
    }

    /// Where a link waits until it takes the place of one whose cgroup is gone.
    pub(crate) fn replacement_pin(self, pin_dir: &Path) -> PathBuf {
        replacement(&self.pin(pin_dir))
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
        program: ProgramFd,
        cgroup: &Arc<Cgroup>,
        pin_dir: &Path,
    ) -> Result<HeldLink, InterceptError> {
        let pin = self.pin(pin_dir);
        let target = Target::Cgroup {
            cgroup: Arc::clone(cgroup),
            attach_type: self.attach_type,
        };
        let link = match self.attachment(pin_dir)? {
            None => create_link(&target, program.as_fd(), &pin)?,
            Some(attached) if attached.cgroup_id == cgroup.id() => {
                let link = sys::open_pinned(&pin).map_err(InterceptError::file("open", &pin))?;
                sys::link_update(link.as_fd(), program.as_fd())
                    .map_err(InterceptError::file("exchange the program of", &pin))?;
                link
            }
            // The old cgroup is gone or no longer the right one: the new link comes first.
            Some(_) => {
                let replacement = self.replacement_pin(pin_dir);
                remove_if_present(&replacement)?;
                let link = create_link(&target, program.as_fd(), &replacement)?;
                fs::rename(&replacement, &pin).map_err(InterceptError::file("replace", &pin))?;
                link
            }
        };
        HeldLink::new(self.program, target, program, link)
    }

    /// Returns what the pinned link attaches, or `None` if there is no pin.
    pub(crate) fn attachment(self, pin_dir: &Path) -> Result<Option<Attachment>, InterceptError> {
        let pin = self.pin(pin_dir);
        let link = match sys::open_pinned(&pin) {
            Ok(link) => link,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(InterceptError::file("open", pin)(error)),
        };
        let info: LinkInfo<CgroupTarget> =
            sys::object_info(link.as_fd()).map_err(InterceptError::file("inspect", &pin))?;
        let target = info.target;
        if info.kind != CgroupTarget::LINK_KIND || target.attach_type != self.attach_type {
            return Err(InterceptError::PinnedByOther { path: pin });
        }
        Ok(Some(Attachment {
            program: self.program,
            link_id: info.link_id,
            program_id: info.program_id,
            cgroup_id: target.cgroup_id,
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

fn create_link(
    target: &Target,
    program: BorrowedFd<'_>,
    pin: &Path,
) -> Result<OwnedFd, InterceptError> {
    let link = target.attach(program)?;
    sys::pin(link.as_fd(), pin).map_err(InterceptError::file("pin a link at", pin))?;
    Ok(link)
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
