//! What the kernel says about links, programs and maps, and which programs a cgroup's hook has.

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};

use aya::Pod;

use super::{Command, bpf, bpf_answered};

/// The part of `struct bpf_link_info` that every link fills, and what its own kind adds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct LinkInfo<T> {
    pub(crate) kind: u32,
    pub(crate) link_id: u32,
    pub(crate) program_id: u32,
    reserved: u32,
    pub(crate) target: T,
}

/// What a link adds that hangs on a cgroup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct CgroupTarget {
    /// 0 when the link was detached, or the cgroup is gone.
    pub(crate) cgroup_id: u64,
    pub(crate) attach_type: u32,
    reserved: u32,
}

impl CgroupTarget {
    /// `BPF_LINK_TYPE_CGROUP`.
    pub(crate) const LINK_KIND: u32 = 3;
}

/// What a link of another kind adds, of which nothing is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct AnyTarget([u32; 2]);

/// The leading part of `struct bpf_prog_info`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct ProgramInfo {
    /// `enum bpf_prog_type`.
    pub(crate) kind: u32,
    pub(crate) id: u32,
    /// A digest of the instructions.
    pub(crate) tag: [u8; 8],
    reserved: [u64; 6],
    pub(crate) name: [u8; 16],
}

/// The leading part of `struct bpf_map_info`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct MapInfo {
    kind: u32,
    id: u32,
    key_bytes: u32,
    value_bytes: u32,
    slots: u32,
    flags: u32,
    name: [u8; 16],
}

// SAFETY: integers, repr(C); 32 bytes with a target of 16, no padding.
unsafe impl Pod for LinkInfo<CgroupTarget> {}
// SAFETY: integers, repr(C); 24 bytes with a target of 8, no padding.
unsafe impl Pod for LinkInfo<AnyTarget> {}
// SAFETY: integers and byte arrays, repr(C); 80 bytes, no padding.
unsafe impl Pod for ProgramInfo {}
// SAFETY: integers and byte arrays, repr(C); 40 bytes, no padding.
unsafe impl Pod for MapInfo {}

const _: () = {
    assert!(size_of::<LinkInfo<CgroupTarget>>() == 32, "linux/bpf.h");
    assert!(size_of::<ProgramInfo>() == 80, "linux/bpf.h");
    assert!(size_of::<MapInfo>() == 40, "linux/bpf.h");
    assert!(size_of::<QueryAttributes>() == 64, "linux/bpf.h");
};

#[repr(C)]
struct InfoAttributes {
    object: RawFd,
    bytes: u32,
    target: u64,
}

/// Asks what is behind a descriptor of a link, program or map.
pub(crate) fn object_info<I: Pod + Default>(object: BorrowedFd<'_>) -> io::Result<I> {
    let mut info = I::default();
    let attributes = InfoAttributes {
        object: object.as_raw_fd(),
        bytes: u32::try_from(size_of::<I>()).map_err(io::Error::other)?,
        target: std::ptr::from_mut(&mut info).expose_provenance() as u64,
    };
    // SAFETY: `info` is live, plain data and writable for the number of bytes that is given.
    unsafe { bpf(Command::ObjectInfo, &attributes) }?;
    Ok(info)
}

/// Asks for a loaded program by its number, or `None` when it is gone.
pub(crate) fn program_info(id: u32) -> io::Result<Option<ProgramInfo>> {
    // SAFETY: the attributes are one number and hold no pointer.
    let descriptor = match unsafe { bpf(Command::ProgramById, &id) } {
        Ok(descriptor) => descriptor,
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(None),
        Err(error) => return Err(error),
    };
    // SAFETY: BPF_PROG_GET_FD_BY_ID answers with a descriptor that nobody else owns.
    let program = unsafe { OwnedFd::from_raw_fd(descriptor) };
    object_info(std::os::fd::AsFd::as_fd(&program)).map(Some)
}

/// Whose programs a query is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Scope {
    /// Those that are attached to the cgroup itself.
    Attached = 0,
    /// Those that its processes run, in the order in which they run (`BPF_F_QUERY_EFFECTIVE`).
    Effective = 1,
}

/// The programs at one hook of a cgroup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HookPrograms {
    pub(crate) ids: Vec<u32>,
    /// `BPF_F_ALLOW_OVERRIDE`, `BPF_F_ALLOW_MULTI`, or neither; 0 for [`Scope::Effective`].
    pub(crate) flags: u32,
}

/// Whole, although older kernels have no revision: newer ones write it without asking for the size.
#[repr(C)]
struct QueryAttributes {
    target: RawFd,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    program_ids: u64,
    program_count: u32,
    reserved: u32,
    program_attach_flags: u64,
    link_ids: u64,
    link_attach_flags: u64,
    revision: u64,
}

/// Room for program ids: a hook of one cgroup has at most 64, one on a long path can have more.
const ROOM: [u32; 2] = [64, 4096];

/// Asks which programs one hook of a cgroup has.
pub(crate) fn cgroup_programs(
    cgroup: BorrowedFd<'_>,
    attach_type: u32,
    scope: Scope,
) -> io::Result<HookPrograms> {
    let [few, many] = ROOM;
    match query(cgroup, attach_type, scope, few) {
        Err(error) if error.raw_os_error() == Some(libc::ENOSPC) => {
            query(cgroup, attach_type, scope, many)
        }
        other => other,
    }
}

fn query(
    cgroup: BorrowedFd<'_>,
    attach_type: u32,
    scope: Scope,
    room: u32,
) -> io::Result<HookPrograms> {
    let mut ids = vec![0_u32; usize::try_from(room).map_err(io::Error::other)?];
    let mut attributes = QueryAttributes {
        target: cgroup.as_raw_fd(),
        attach_type,
        query_flags: scope as u32,
        attach_flags: 0,
        program_ids: ids.as_mut_ptr().expose_provenance() as u64,
        program_count: room,
        reserved: 0,
        program_attach_flags: 0,
        link_ids: 0,
        link_attach_flags: 0,
        revision: 0,
    };
    // SAFETY: `ids` is live and writable for as many numbers as `program_count` says.
    unsafe { bpf_answered(Command::ProgramQuery, &mut attributes) }?;
    ids.truncate(usize::try_from(attributes.program_count).map_err(io::Error::other)?);
    Ok(HookPrograms {
        ids,
        flags: attributes.attach_flags,
    })
}
