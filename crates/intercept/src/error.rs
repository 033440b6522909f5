//! Why interception could not be set up or changed; whatever was pinned before stays as it was.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use aya::maps::MapError;
use aya::programs::ProgramError;
use aya::{BtfError, EbpfError};

use crate::endpoint::EndpointError;
use crate::mount::MountError;
use crate::process::{Pid, ProcessError};

/// An operation on the programs, their links or their maps failed.
#[derive(Debug, thiserror::Error)]
pub enum InterceptError {
    /// A file system is missing.
    #[error(transparent)]
    Mount(#[from] MountError),
    /// The agent's process could not be named.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The endpoints cannot be protected.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// A listener that other machines could reach, or that has no port.
    #[error("the listener must have a loopback address and a port, not {address} port {port}")]
    Listener {
        /// Its address.
        address: IpAddr,
        /// Its port.
        port: u16,
    },
    /// A cgroup directory or pin could not be used.
    #[error("{operation} {path}")]
    File {
        /// What was tried.
        operation: &'static str,
        /// The directory or pin.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// A program of somebody else lets no other one in.
    #[error(
        "the program `{name}` (number {program_id}) is attached to {cgroup} at the hook {hook} in a \
         way that lets no other program in; let its owner attach it with BPF_F_ALLOW_MULTI, or \
         detach it: bpftool cgroup detach {cgroup} {bpftool} id {program_id}"
    )]
    Exclusive {
        /// The program's name, as its owner chose it.
        name: String,
        /// The kernel's number of the program.
        program_id: u32,
        /// The cgroup that it is attached to: ours, or one above it.
        cgroup: PathBuf,
        /// The hook.
        hook: &'static str,
        /// The hook as bpftool(8) calls it.
        bpftool: &'static str,
    },
    /// Another process is the agent now, so nothing is restored.
    #[error("process {0} has taken the agent's place; stop one of the two agents")]
    ClaimedByAnother(Pid),
    /// The agent's own network namespace could not be named.
    #[error("ask a socket for its network namespace (needs kernel 5.14)")]
    NetworkNamespace(#[source] io::Error),
    /// The kernel does not describe its types.
    #[error("read the kernel's type information (needs CONFIG_DEBUG_INFO_BTF)")]
    KernelTypes(#[source] BtfError),
    /// The embedded object could not be loaded.
    #[error("load the eBPF object")]
    Object(#[source] Box<EbpfError>),
    /// The kernel refused a program.
    #[error("load the eBPF program `{program}`")]
    Program {
        /// The program.
        program: &'static str,
        /// Why it was refused.
        #[source]
        source: Box<ProgramError>,
    },
    /// A program or map that the object must hold is missing or of another kind.
    #[error("BUG: the eBPF object has no `{name}` of the expected kind")]
    Missing {
        /// Its name.
        name: &'static str,
    },
    /// A map could not be used through aya.
    #[error("use the eBPF map `{map}`")]
    Map {
        /// The map.
        map: &'static str,
        /// Why not.
        #[source]
        source: Box<MapError>,
    },
    /// A map could not be read or written.
    #[error("{operation} the eBPF map `{map}`")]
    Element {
        /// `read` or `write`.
        operation: &'static str,
        /// The map.
        map: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The links of the network namespace could not be listed or watched.
    #[error("ask the kernel for the network links")]
    Links(#[source] io::Error),
    /// A pinned map has another shape than this version's programs expect.
    #[error(
        "{path} was pinned by another version of the agent; run that version, or remove all pins \
         (this ends the protection) and start again"
    )]
    PinnedByOther {
        /// The pinned map.
        path: PathBuf,
    },
}

impl InterceptError {
    /// Makes a [`Self::File`] of an I/O error.
    pub(crate) fn file(
        operation: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File {
            operation,
            path,
            source,
        }
    }

    pub(crate) fn map(map: &'static str) -> impl Fn(MapError) -> Self {
        move |source| Self::Map {
            map,
            source: Box::new(source),
        }
    }
}
