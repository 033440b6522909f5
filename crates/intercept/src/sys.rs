//! The bpf(2) calls that aya has no public form for; nothing here decides
//! anything, and no pointer outlives the call that it was made for.
#![expect(
    unsafe_code,
    reason = "system calls take raw pointers; each is wrapped once, here"
)]

pub(crate) mod tcx;

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use aya::Pod;

mod inspect;
pub(crate) mod tracing;

pub(crate) use inspect::{
    AnyTarget, CgroupTarget, HookPrograms, LinkInfo, MapInfo, ProgramInfo, Scope, cgroup_programs,
    object_info, program_info,
};

/// `BPF_F_LOCK`: copy the value under the spin lock that it begins with.
pub(crate) const UNDER_LOCK: u64 = 4;

/// `enum bpf_cmd` of `linux/bpf.h`.
#[derive(Clone, Copy)]
#[repr(i64)]
enum Command {
    MapLookup = 1,
    MapUpdate = 2,
    MapDelete = 3,
    ObjectPin = 6,
    ObjectOpen = 7,
    ProgramById = 13,
    ObjectInfo = 15,
    ProgramQuery = 16,
    RawTracepointOpen = 17,
    MapLookupAndDelete = 21,
    LinkCreate = 28,
    LinkUpdate = 29,
    IteratorCreate = 33,
    LinkDetach = 34,
}

/// Makes one bpf(2) call with `attributes` as the leading part of `union bpf_attr`.
///
/// # Safety
///
/// Every pointer in `attributes` is valid for what `command` reads or writes through it.
unsafe fn bpf<A>(command: Command, attributes: &A) -> io::Result<RawFd> {
    // SAFETY: the command leaves the attributes as they are; the caller vouches for the rest.
    unsafe { call(command, std::ptr::from_ref(attributes)) }
}

/// As [`bpf`], for a command that writes its answer into the attributes.
///
/// # Safety
///
/// As for [`bpf`]; and `A` has every field that the kernel may write.
unsafe fn bpf_answered<A>(command: Command, attributes: &mut A) -> io::Result<RawFd> {
    // SAFETY: the attributes are writable; the caller vouches for the rest.
    unsafe { call(command, std::ptr::from_mut(attributes)) }
}

unsafe fn call<A>(command: Command, attributes: *const A) -> io::Result<RawFd> {
    // SAFETY: the kernel reads size_of::<A>() bytes; the callers vouch for pointers among them.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, command as i64, attributes, size_of::<A>()) };
    RawFd::try_from(result)
        .ok()
        .filter(|result| *result >= 0)
        .ok_or_else(io::Error::last_os_error)
}

#[repr(C)]
struct ElementAttributes {
    map: RawFd,
    reserved: u32,
    key: u64,
    value: u64,
    flags: u64,
}

impl ElementAttributes {
    fn new<K>(map: BorrowedFd<'_>, key: &K, value: u64, flags: u64) -> Self {
        let key = std::ptr::from_ref(key).expose_provenance() as u64;
        Self {
            map: map.as_raw_fd(),
            reserved: 0,
            key,
            value,
            flags,
        }
    }
}

/// Writes one element; a key that is not there is made.
pub(crate) fn map_update<K: Pod, V: Pod>(
    map: BorrowedFd<'_>,
    key: &K,
    value: &V,
    flags: u64,
) -> io::Result<()> {
    let value = std::ptr::from_ref(value).expose_provenance() as u64;
    let attributes = ElementAttributes::new(map, key, value, flags);
    // SAFETY: key and value are live, and `attach` has compared their sizes with the map's.
    unsafe { bpf(Command::MapUpdate, &attributes) }.map(drop)
}

/// Reads one element into a fresh value, or `None` when the key is not there.
fn map_read<K: Pod, V: Pod + Default>(
    command: Command,
    map: BorrowedFd<'_>,
    key: &K,
    flags: u64,
) -> io::Result<Option<V>> {
    let mut value = V::default();
    let target = std::ptr::from_mut(&mut value).expose_provenance() as u64;
    let attributes = ElementAttributes::new(map, key, target, flags);
    // SAFETY: key and value are live, and `attach` has compared their sizes with the map's.
    match unsafe { bpf(command, &attributes) } {
        Ok(_) => Ok(Some(value)),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads one element.
pub(crate) fn map_lookup<K: Pod, V: Pod + Default>(
    map: BorrowedFd<'_>,
    key: &K,
    flags: u64,
) -> io::Result<Option<V>> {
    map_read(Command::MapLookup, map, key, flags)
}

/// Reads and removes one element of a hash map in one step (kernel 5.14).
pub(crate) fn map_take<K: Pod, V: Pod + Default>(
    map: BorrowedFd<'_>,
    key: &K,
) -> io::Result<Option<V>> {
    map_read(Command::MapLookupAndDelete, map, key, 0)
}

/// Removes one element; one that is not there is as good as removed.
pub(crate) fn map_delete<K: Pod>(map: BorrowedFd<'_>, key: &K) -> io::Result<()> {
    let attributes = ElementAttributes::new(map, key, 0, 0);
    // SAFETY: the key is live, and `attach` has compared its size with the map's.
    match unsafe { bpf(Command::MapDelete, &attributes) } {
        Err(error) if error.raw_os_error() != Some(libc::ENOENT) => Err(error),
        _ => Ok(()),
    }
}

#[repr(C)]
struct PathAttributes {
    path: u64,
    object: RawFd,
    flags: u32,
}

fn path_text(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(io::Error::from)
}

/// Pins a map or link under a path on a BPF file system.
pub(crate) fn pin(object: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let path = path_text(path)?;
    let attributes = PathAttributes {
        path: path.as_ptr().expose_provenance() as u64,
        object: object.as_raw_fd(),
        flags: 0,
    };
    // SAFETY: the path is live and ends with NUL.
    unsafe { bpf(Command::ObjectPin, &attributes) }.map(drop)
}

/// Opens a pinned object.
pub(crate) fn open_pinned(path: &Path) -> io::Result<OwnedFd> {
    let path = path_text(path)?;
    let attributes = PathAttributes {
        path: path.as_ptr().expose_provenance() as u64,
        object: 0,
        flags: 0,
    };
    // SAFETY: the path is live and ends with NUL.
    let descriptor = unsafe { bpf(Command::ObjectOpen, &attributes) }?;
    // SAFETY: BPF_OBJ_GET answers with a descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

#[repr(C)]
struct LinkAttributes {
    program_or_link: RawFd,
    target: RawFd,
    attach_type: u32,
    flags: u32,
}

/// Attaches a program to a cgroup by a link (kernel 5.7); several programs may share the hook.
pub(crate) fn link_create(
    program: BorrowedFd<'_>,
    cgroup: BorrowedFd<'_>,
    attach_type: u32,
) -> io::Result<OwnedFd> {
    let attributes = LinkAttributes {
        program_or_link: program.as_raw_fd(),
        target: cgroup.as_raw_fd(),
        attach_type,
        flags: 0,
    };
    // SAFETY: the attributes hold no pointer.
    let descriptor = unsafe { bpf(Command::LinkCreate, &attributes) }?;
    // SAFETY: BPF_LINK_CREATE answers with a descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Exchanges the program behind a link; there is no moment without one.
pub(crate) fn link_update(link: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    let attributes = LinkAttributes {
        program_or_link: link.as_raw_fd(),
        target: program.as_raw_fd(),
        attach_type: 0,
        flags: 0,
    };
    // SAFETY: the attributes hold no pointer.
    unsafe { bpf(Command::LinkUpdate, &attributes) }.map(drop)
}

/// Takes a link's program out of its hook at once, whoever still holds the link (kernel 5.9).
pub(crate) fn link_detach(link: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the attributes are one descriptor and hold no pointer.
    unsafe { bpf(Command::LinkDetach, &link.as_raw_fd()) }.map(drop)
}
