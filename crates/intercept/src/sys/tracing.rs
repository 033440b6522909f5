//! The bpf(2) calls around tracing programs: links to tracepoints, and one run of an iterator.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};

use aya::Pod;

use super::{Command, bpf};

#[repr(C)]
struct TracepointAttributes {
    /// 0: the program was loaded for one tracepoint and names it by itself.
    name: u64,
    program: RawFd,
    reserved: u32,
}

/// Attaches a program to the tracepoint that it was loaded for.
pub(crate) fn tracepoint_open(program: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let attributes = TracepointAttributes {
        name: 0,
        program: program.as_raw_fd(),
        reserved: 0,
    };
    // SAFETY: the attributes hold no pointer.
    let descriptor = unsafe { bpf(Command::RawTracepointOpen, &attributes) }?;
    // SAFETY: BPF_RAW_TRACEPOINT_OPEN answers with a descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// The member `task` of `union bpf_iter_link_info`, padded to the size of the union.
#[repr(C)]
struct TaskSelection {
    thread: u32,
    process: u32,
    process_descriptor: u32,
    reserved: u32,
}

#[repr(C)]
struct IteratorLinkAttributes {
    program: RawFd,
    target: RawFd,
    attach_type: u32,
    flags: u32,
    selection: u64,
    selection_bytes: u32,
    reserved: u32,
}

/// `BPF_TRACE_ITER`.
const TRACE_ITERATOR: u32 = 28;

fn iterator_link(program: BorrowedFd<'_>, thread: u32) -> io::Result<OwnedFd> {
    let selection = TaskSelection {
        thread,
        process: 0,
        process_descriptor: 0,
        reserved: 0,
    };
    let attributes = IteratorLinkAttributes {
        program: program.as_raw_fd(),
        target: 0,
        attach_type: TRACE_ITERATOR,
        flags: 0,
        selection: std::ptr::from_ref(&selection).expose_provenance() as u64,
        selection_bytes: 16,
        reserved: 0,
    };
    // SAFETY: the selection is live and has the bytes that are given.
    let descriptor = unsafe { bpf(Command::LinkCreate, &attributes) }?;
    // SAFETY: BPF_LINK_CREATE answers with a descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Opens what runs the program once, while it is read, over one thread or, by the number 0, over
/// all threads that the caller's pid namespace has.
fn open_iterator(program: BorrowedFd<'_>, thread: u32) -> io::Result<File> {
    let link = iterator_link(program, thread)?;
    let attributes = [link.as_raw_fd(), 0];
    // SAFETY: the attributes hold no pointer.
    let descriptor = unsafe { bpf(Command::IteratorCreate, &attributes) }?;
    // SAFETY: BPF_ITER_CREATE answers with a descriptor that nobody else owns.
    Ok(File::from(unsafe { OwnedFd::from_raw_fd(descriptor) }))
}

/// Runs a task iterator over every thread and returns how many bytes the program wrote.
pub(crate) fn visit_threads(program: BorrowedFd<'_>) -> io::Result<u64> {
    io::copy(&mut open_iterator(program, 0)?, &mut io::sink())
}

/// Runs a task iterator over one thread, by its number in the caller's pid namespace, and returns
/// what the program wrote, or `None` when there is no such thread (kernel 6.1).
pub(crate) fn read_thread<V: Pod + Default>(
    program: BorrowedFd<'_>,
    thread: u32,
) -> io::Result<Option<V>> {
    let mut iterator = open_iterator(program, thread)?;
    let mut value = V::default();
    // SAFETY: V is plain data, so any bytes make one; the slice covers exactly the value.
    let bytes =
        unsafe { std::slice::from_raw_parts_mut((&raw mut value).cast::<u8>(), size_of::<V>()) };
    match iterator.read_exact(bytes) {
        Ok(()) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}
