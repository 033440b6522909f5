//! The guard on network links: stops packets to the endpoints that no socket call has shown, such as
//! forwarded ones and those of packet sockets. A link that cannot be guarded is reported, not ignored.

mod clsact;
mod measured;
mod tcx;

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use aya::Ebpf;
use aya::programs::{Program, ProgramFd};

use crate::error::InterceptError;
use crate::rtnetlink::{Link, Rtnetlink};
use crate::sys;

pub(crate) use measured::{LoneGuard, unguarded};

/// How a program gets onto a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GuardKind {
    /// By a pinned link of its own (kernel 6.6).
    Tcx,
    /// By a filter of a `clsact` queueing discipline.
    Clsact,
}

/// `LOOPBACK_IFINDEX`: every network namespace has it.
const LOOPBACK_INDEX: u32 = 1;

impl GuardKind {
    /// Returns the better way of those that the running kernel has.
    ///
    /// # Errors
    ///
    /// [`InterceptError::Links`] when the kernel does not let itself be asked.
    pub fn supported() -> Result<Self, InterceptError> {
        match sys::tcx::attached(LOOPBACK_INDEX) {
            Ok(_) => Ok(Self::Tcx),
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(Self::Clsact),
            Err(error) => Err(InterceptError::Links(error)),
        }
    }

    /// Returns the name for status and log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcx => "tcx",
            Self::Clsact => "clsact",
        }
    }
}

/// Why packets on a link are not looked at.
#[derive(Debug, thiserror::Error)]
pub enum LinkGuardError {
    /// What lies before the IP header is not known.
    #[error("frames of link layer {0} (ARPHRD) cannot be read")]
    Layer(u16),
    /// The kernel refused.
    #[error("attach the guard")]
    Attach(#[source] io::Error),
}

/// A link of the agent's network namespace.
#[derive(Debug)]
pub struct GuardedLink {
    /// Its name.
    pub name: String,
    /// The kernel's number of it.
    pub index: u32,
    /// How it is guarded, or why it is not.
    pub guard: Result<GuardKind, LinkGuardError>,
}

/// Link layers of `linux/if_arp.h` that the libc crate does not name.
const ARPHRD_RAWIP: u16 = 519;
const ARPHRD_IP6GRE: u16 = 823;

/// What lies before the IP header on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layer {
    Loopback,
    Frames,
    Packets,
    Unknown,
}

impl Layer {
    fn of(link: &Link) -> Self {
        match link.layer {
            libc::ARPHRD_LOOPBACK => Self::Loopback,
            libc::ARPHRD_ETHER => Self::Frames,
            libc::ARPHRD_NONE
            | ARPHRD_RAWIP
            | libc::ARPHRD_PPP
            | libc::ARPHRD_TUNNEL
            | libc::ARPHRD_TUNNEL6
            | libc::ARPHRD_SIT
            | libc::ARPHRD_IPGRE
            | ARPHRD_IP6GRE => Self::Packets,
            _ => Self::Unknown,
        }
    }
}

/// A loaded program.
#[derive(Debug)]
struct GuardProgram {
    descriptor: ProgramFd,
    id: u32,
}

impl GuardProgram {
    fn load(object: &mut Ebpf, name: &'static str) -> Result<Self, InterceptError> {
        let Some(Program::SchedClassifier(program)) = object.program_mut(name) else {
            return Err(InterceptError::Missing { name });
        };
        let loaded = program.load().and_then(|()| {
            Ok(Self {
                descriptor: program.fd()?.try_clone()?,
                id: program.info()?.id(),
            })
        });
        loaded.map_err(|source| InterceptError::Program {
            program: name,
            source: Box::new(source),
        })
    }
}

/// The programs for links, and what they were put onto.
#[derive(Debug)]
pub(crate) struct LinkGuard {
    kind: GuardKind,
    frames: GuardProgram,
    packets: GuardProgram,
    rtnetlink: Rtnetlink,
    pin_dir: PathBuf,
    links: Vec<GuardedLink>,
}

impl LinkGuard {
    /// Loads the programs; from now on the guard belongs to the thread's network namespace.
    pub(crate) fn load(
        object: &mut Ebpf,
        kind: GuardKind,
        pin_dir: &Path,
    ) -> Result<Self, InterceptError> {
        Ok(Self {
            kind,
            frames: GuardProgram::load(object, "link_frames")?,
            packets: GuardProgram::load(object, "link_packets")?,
            rtnetlink: Rtnetlink::open().map_err(InterceptError::Links)?,
            pin_dir: pin_dir.into(),
            links: Vec::new(),
        })
    }

    pub(crate) fn links(&self) -> &[GuardedLink] {
        &self.links
    }

    /// Guards every link that is there, and forgets those that are gone.
    pub(crate) fn refresh(&mut self) -> Result<(), InterceptError> {
        let found = self.rtnetlink.links().map_err(InterceptError::Links)?;
        self.links = found
            .iter()
            .filter_map(|link| {
                let guard = self.guard(link).transpose()?;
                Some(GuardedLink {
                    name: link.name.clone(),
                    index: link.index,
                    guard,
                })
            })
            .collect();
        let indices: Vec<_> = found.iter().map(|link| link.index).collect();
        for pin in pins(&self.pin_dir)? {
            if !indices.contains(&pin.index) {
                remove(&pin.path)?;
            }
        }
        Ok(())
    }

    /// Returns `None` for a link that leads nowhere else.
    fn guard(&self, link: &Link) -> Result<Option<GuardKind>, LinkGuardError> {
        let program = match Layer::of(link) {
            Layer::Loopback => return Ok(None),
            Layer::Unknown => return Err(LinkGuardError::Layer(link.layer)),
            Layer::Frames => &self.frames,
            Layer::Packets => &self.packets,
        };
        match self.kind {
            GuardKind::Tcx => tcx::attach(program, link.index, &self.pin_dir),
            GuardKind::Clsact => {
                clsact::attach(&self.rtnetlink, program, link.index, &self.pin_dir)
            }
        }
        .map_err(LinkGuardError::Attach)?;
        Ok(Some(self.kind))
    }
}

/// What a pin of the guard stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PinKind {
    /// A tcx link.
    Link,
    /// The program of a filter under a queueing discipline that was there already.
    Filter,
    /// The program of a filter under a queueing discipline that was made for it.
    Qdisc,
}

impl PinKind {
    const ALL: [Self; 3] = [Self::Link, Self::Filter, Self::Qdisc];

    fn prefix(self) -> &'static str {
        match self {
            Self::Link => "link_guard_",
            Self::Filter => "filter_guard_",
            Self::Qdisc => "qdisc_guard_",
        }
    }

    fn path(self, index: u32, pin_dir: &Path) -> PathBuf {
        pin_dir.join(format!("{}{index}", self.prefix()))
    }
}

/// A pin of the guard.
#[derive(Debug)]
struct GuardPin {
    kind: PinKind,
    index: u32,
    path: PathBuf,
}

/// What stands beside a pin until it takes its place.
const REPLACEMENT: &str = "_new";

impl GuardPin {
    fn of(path: PathBuf) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let name = name.strip_suffix(REPLACEMENT).unwrap_or(name);
        let (kind, index) = PinKind::ALL
            .iter()
            .find_map(|kind| Some((*kind, name.strip_prefix(kind.prefix())?)))?;
        let index = index.parse().ok()?;
        Some(Self { kind, index, path })
    }
}

/// Pins an object in the place of what is pinned there; there is no moment without either.
fn pin_in_place(object: impl AsFd, path: &Path) -> io::Result<()> {
    let mut replacement = path.as_os_str().to_owned();
    replacement.push(REPLACEMENT);
    match fs::remove_file(&replacement) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    sys::pin(object.as_fd(), Path::new(&replacement))?;
    fs::rename(&replacement, path)
}

fn pins(pin_dir: &Path) -> Result<Vec<GuardPin>, InterceptError> {
    let entries = match fs::read_dir(pin_dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(InterceptError::file("list", pin_dir)(error)),
    };
    let mut pins = Vec::new();
    for entry in entries {
        let entry = entry.map_err(InterceptError::file("list", pin_dir))?;
        pins.extend(GuardPin::of(entry.path()));
    }
    Ok(pins)
}

fn remove(pin: &Path) -> Result<(), InterceptError> {
    crate::hook::remove_if_present(pin)
}

/// Takes the guard off every link, in the network namespace of the calling thread.
pub(crate) fn detach(pin_dir: &Path) -> Result<(), InterceptError> {
    let pins = pins(pin_dir)?;
    if pins.is_empty() {
        return Ok(());
    }
    let rtnetlink = Rtnetlink::open().map_err(InterceptError::Links)?;
    for GuardPin { kind, index, path } in pins {
        match kind {
            PinKind::Link => tcx::detach(&path),
            PinKind::Filter | PinKind::Qdisc => clsact::detach(&rtnetlink, kind, index, &path),
        }
        .map_err(InterceptError::file(
            "take the guard off the link of",
            &path,
        ))?;
        remove(&path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_of_the_guard_are_told_from_others() {
        let index = |name: &str| {
            GuardPin::of(Path::new("/pins").join(name)).map(|pin| (pin.kind, pin.index))
        };
        assert_eq!(index("link_guard_12"), Some((PinKind::Link, 12)));
        assert_eq!(index("link_guard_12_new"), Some((PinKind::Link, 12)));
        assert_eq!(index("filter_guard_3"), Some((PinKind::Filter, 3)));
        assert_eq!(index("qdisc_guard_3"), Some((PinKind::Qdisc, 3)));
        for other in ["link_connect4", "link_guard_", "link_guard_x", "map_flows"] {
            assert_eq!(index(other), None, "{other}");
        }
    }
}
