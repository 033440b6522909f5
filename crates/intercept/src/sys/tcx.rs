//! The bpf(2) calls for programs on network links (tcx, kernel 6.6), which a link index names and not
//! a descriptor.

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};

use super::{Command, bpf, bpf_answered};

/// `BPF_TCX_EGRESS`.
const EGRESS: u32 = 47;
/// `BPF_F_BEFORE`: without another program named, before all that are there.
const FIRST: u32 = 1 << 3;
/// More than the kernel lets share one hook (`BPF_MPROG_MAX` is 64).
const MAX_PROGRAMS: usize = 64;

/// A program on a link's egress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attached {
    pub(crate) program_id: u32,
    /// 0 when it was attached without a link.
    pub(crate) link_id: u32,
}

#[repr(C)]
struct CreateAttributes {
    program: RawFd,
    interface: u32,
    attach_type: u32,
    flags: u32,
    relative: u32,
    reserved: u32,
    expected_revision: u64,
}

/// Attaches a program to a network link's egress, before the programs of others.
pub(crate) fn create_link(program: BorrowedFd<'_>, interface: u32) -> io::Result<OwnedFd> {
    let attributes = CreateAttributes {
        program: program.as_raw_fd(),
        interface,
        attach_type: EGRESS,
        flags: FIRST,
        relative: 0,
        reserved: 0,
        expected_revision: 0,
    };
    // SAFETY: the attributes hold no pointer.
    let descriptor = unsafe { bpf(Command::LinkCreate, &attributes) }?;
    // SAFETY: BPF_LINK_CREATE answers with a descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// `union bpf_attr`'s `query`, which the kernel writes its number of programs into.
#[repr(C)]
struct QueryAttributes {
    interface: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    program_ids: u64,
    count: u32,
    reserved: u32,
    program_attach_flags: u64,
    link_ids: u64,
    link_attach_flags: u64,
    revision: u64,
}

/// Returns the programs on a network link's egress, in the order in which they run.
pub(crate) fn attached(interface: u32) -> io::Result<Vec<Attached>> {
    let mut programs = [0_u32; MAX_PROGRAMS];
    let mut links = [0_u32; MAX_PROGRAMS];
    let mut attributes = QueryAttributes {
        interface,
        attach_type: EGRESS,
        query_flags: 0,
        attach_flags: 0,
        program_ids: programs.as_mut_ptr().expose_provenance() as u64,
        count: u32::try_from(MAX_PROGRAMS).unwrap_or_default(),
        reserved: 0,
        program_attach_flags: 0,
        link_ids: links.as_mut_ptr().expose_provenance() as u64,
        link_attach_flags: 0,
        revision: 0,
    };
    // SAFETY: both arrays are live and writable for `count` elements, and so are the attributes.
    unsafe { bpf_answered(Command::ProgramQuery, &mut attributes) }?;
    let count = usize::try_from(attributes.count).unwrap_or_default();
    let found = programs.into_iter().zip(links).take(count);
    let found = found.map(|(program_id, link_id)| Attached {
        program_id,
        link_id,
    });
    Ok(found.collect())
}
