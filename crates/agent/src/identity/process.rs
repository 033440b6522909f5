//! Reads one process out of `/proc` and holds it against what the kernel saw at connect.
//!
//! All is read through one handle on the process's folder, which never passes to another
//! process that gets the same number. A process that ended is gone; one with another
//! start time, executable or credentials is replaced; neither is described.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;

use latchkey_intercept::{AgentProcess, Executable, FlowRecord, Gid};
use latchkey_protocol::Reason;
use rustix::fs::{AtFlags, Mode, OFlags, StatxFlags};

/// What is known of a living process.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Process {
    /// The path of its executable, if that is where the executable lies now.
    pub(super) executable: Option<String>,
    /// Its effective and supplementary groups.
    pub(super) groups: Vec<Gid>,
}

/// Describes the process of a flow.
///
/// # Errors
/// [`Reason::CallerGone`], [`Reason::CallerReplaced`] or [`Reason::CallerUnreadable`].
pub(super) fn describe(flow: &FlowRecord) -> Result<Process, Reason> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::open(format!("/proc/{}", flow.pid), flags, Mode::empty())
        .map_err(|error| unreadable(&error.into()))?;
    let found = AgentProcess::of(flow.pid).map_err(|_unread| Reason::CallerGone)?;
    if found.start_ticks() != flow.start_time.clock_ticks() {
        return Err(Reason::CallerReplaced);
    }
    let credentials = Credentials::read(&folder)?;
    if !credentials.agree_with(flow) {
        return Err(Reason::CallerReplaced);
    }
    let executable = executable_path(&folder, flow)?;
    let mut groups = vec![flow.egid];
    groups.extend(
        credentials
            .supplementary
            .into_iter()
            .filter(|gid| *gid != flow.egid),
    );
    Ok(Process { executable, groups })
}

fn unreadable(error: &io::Error) -> Reason {
    let is_gone = error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error());
    if is_gone {
        Reason::CallerGone
    } else {
        Reason::CallerUnreadable
    }
}

fn open(folder: &OwnedFd, name: &str, flags: OFlags) -> Result<File, Reason> {
    rustix::fs::openat(folder, name, flags | OFlags::CLOEXEC, Mode::empty())
        .map(File::from)
        .map_err(|error| unreadable(&error.into()))
}

/// The ids of a process's main thread.
#[derive(Debug, Default, PartialEq, Eq)]
struct Credentials {
    real_and_effective_user: [u32; 2],
    real_and_effective_group: [u32; 2],
    supplementary: Vec<Gid>,
}

impl Credentials {
    fn read(folder: &OwnedFd) -> Result<Self, Reason> {
        let mut text = String::new();
        open(folder, "status", OFlags::RDONLY)?
            .read_to_string(&mut text)
            .map_err(|error| unreadable(&error))?;
        Self::parse(&text).ok_or(Reason::CallerUnreadable)
    }

    /// Reads the lines `Uid`, `Gid` and `Groups` of `/proc/PID/status`.
    fn parse(status: &str) -> Option<Self> {
        let line = |name: &str| {
            let values = status.lines().find_map(|line| line.strip_prefix(name))?;
            values
                .split_ascii_whitespace()
                .map(|value| value.parse().ok())
                .collect::<Option<Vec<u32>>>()
        };
        let real_and_effective = |name: &str| match *line(name)?.as_slice() {
            [real, effective, _, _] => Some([real, effective]),
            _ => None,
        };
        Some(Self {
            real_and_effective_user: real_and_effective("Uid:")?,
            real_and_effective_group: real_and_effective("Gid:")?,
            supplementary: line("Groups:")?.into_iter().map(Gid).collect(),
        })
    }

    fn agree_with(&self, flow: &FlowRecord) -> bool {
        self.real_and_effective_user == [flow.uid.0, flow.euid.0]
            && self.real_and_effective_group == [flow.gid.0, flow.egid.0]
    }
}

/// Returns the executable's path if this process's view of files is ours and the path leads to
/// the very file that is executed: not deleted, not covered by a mount, not in memory.
fn executable_path(folder: &OwnedFd, flow: &FlowRecord) -> Result<Option<String>, Reason> {
    let file = open(folder, "exe", OFlags::PATH)?;
    let executed = file.metadata().map_err(|error| unreadable(&error))?;
    if !flow.executable.is_file(&executed)
        && !is_on_device(folder, &file, &executed, flow.executable)?
    {
        return Err(Reason::CallerReplaced);
    }
    if !is_own_mount_namespace(flow.mount_namespace) {
        return Ok(None);
    }
    let path = rustix::fs::readlinkat(folder, "exe", Vec::new())
        .map_err(|error| unreadable(&error.into()))?;
    let Ok(path) = path.into_string() else {
        return Ok(None);
    };
    Ok(leads_to(&path, &executed).then_some(path))
}

/// Compares by the device of the file system, as the kernel saw it. On overlayfs and btrfs stat(2)
/// shows another one for each layer or subvolume; the process's table of mounts has the right one.
fn is_on_device(
    folder: &OwnedFd,
    file: &File,
    executed: &Metadata,
    executable: Executable,
) -> Result<bool, Reason> {
    let found = rustix::fs::statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)
        .map_err(|error| unreadable(&error.into()))?;
    if found.stx_mask & StatxFlags::MNT_ID.bits() == 0 {
        return Ok(false);
    }
    let mut mounts = Vec::new();
    open(folder, "mountinfo", OFlags::RDONLY)?
        .read_to_end(&mut mounts)
        .map_err(|error| unreadable(&error))?;
    let device = (executable.major(), executable.minor());
    Ok(executed.ino() == executable.inode()
        && device_of_mount(&mounts, found.stx_mnt_id) == Some(device))
}

/// Returns the third field, major and minor, of a mount's line in `/proc/PID/mountinfo`. The paths
/// in it are chosen by users and need not be UTF-8.
fn device_of_mount(mounts: &[u8], mount: u64) -> Option<(u32, u32)> {
    let mut lines = mounts.split(|byte| *byte == b'\n');
    lines.find_map(|line| {
        let mut fields = line.split(|byte| *byte == b' ');
        let mut next = || std::str::from_utf8(fields.next()?).ok();
        if next()?.parse() != Ok(mount) {
            return None;
        }
        let _parent = next()?;
        let (major, minor) = next()?.split_once(':')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    })
}

fn leads_to(path: &str, executed: &Metadata) -> bool {
    let is_executed = |file: Metadata| (file.dev(), file.ino()) == (executed.dev(), executed.ino());
    path.starts_with('/') && fs::symlink_metadata(path).is_ok_and(is_executed)
}

pub(super) fn is_own_mount_namespace(inode: u32) -> bool {
    fs::metadata("/proc/self/ns/mnt").is_ok_and(|own| own.ino() == u64::from(inode))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use latchkey_intercept::{
        AddressFamily, Connection, ExecId, Pid, StartTime, SupplementaryGroups, Tid, Uid,
    };

    use super::*;

    /// The record that the kernel would write for this very test process.
    fn own_flow() -> FlowRecord {
        let pid = Pid(std::process::id());
        let executable = fs::metadata("/proc/self/exe").unwrap();
        let device = executable.dev();
        let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
        let namespace = fs::metadata("/proc/self/ns/mnt").unwrap().ino();
        FlowRecord {
            pid,
            tid: Tid(pid.0),
            start_time: StartTime::from_nanoseconds(
                AgentProcess::of(pid).unwrap().start_ticks() * 10_000_000,
            ),
            uid: Uid(rustix::process::getuid().as_raw()),
            gid: Gid(rustix::process::getgid().as_raw()),
            euid: Uid(rustix::process::geteuid().as_raw()),
            egid: Gid(rustix::process::getegid().as_raw()),
            supplementary_groups: SupplementaryGroups::Known(Vec::new()),
            initial_user_namespace: true,
            executable: Executable::new(major << 20 | minor, executable.ino()),
            exec_id: ExecId(1),
            script: None,
            cgroup_id: 1,
            mount_namespace: u32::try_from(namespace).unwrap(),
            user_namespace: 1,
            network_namespace: 1,
            task_network_namespace: 1,
            comm: [0; 16],
            original_destination: SocketAddr::from(([127, 0, 0, 1], 80)),
            address_family: AddressFamily::Ipv4,
            endpoint_index: 0,
            connection: Connection::default(),
        }
    }

    #[test]
    fn living_process_is_described_by_its_executable() {
        let own = std::env::current_exe().unwrap();
        let process = describe(&own_flow()).unwrap();
        assert_eq!(process.executable.as_deref(), own.to_str());
    }

    #[test]
    fn process_that_is_not_what_connected_is_replaced() {
        type Change = fn(&mut FlowRecord);
        let changes: [(&str, Change); 5] = [
            ("start time", |flow| {
                flow.start_time = StartTime::from_nanoseconds(7)
            }),
            ("executable", |flow| flow.executable = Executable::new(1, 1)),
            ("real user", |flow| flow.uid = Uid(flow.uid.0 + 1)),
            ("effective user", |flow| flow.euid = Uid(flow.euid.0 + 1)),
            ("group", |flow| flow.egid = Gid(flow.egid.0 + 1)),
        ];
        for (what, change) in changes {
            let mut flow = own_flow();
            change(&mut flow);
            assert_eq!(describe(&flow), Err(Reason::CallerReplaced), "{what}");
        }
    }

    #[test]
    fn process_that_ended_is_gone() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = Pid(child.id());
        child.wait().unwrap();
        assert_eq!(
            describe(&FlowRecord { pid, ..own_flow() }),
            Err(Reason::CallerGone)
        );
    }

    #[test]
    fn executable_seen_from_another_mount_namespace_has_no_path() {
        let flow = FlowRecord {
            mount_namespace: 1,
            ..own_flow()
        };
        assert_eq!(describe(&flow).unwrap().executable, None);
    }

    #[test]
    fn device_of_a_mount_is_read_from_its_own_line() {
        let mounts = b"21 1 0:33 / /\xff rw - btrfs /dev/sda1 rw,subvol=/root\n\
                      2 21 0:44 / /2\\04021 rw,relatime shared:1 - overlay overlay rw\n";
        assert_eq!(device_of_mount(mounts, 21), Some((0, 33)));
        assert_eq!(device_of_mount(mounts, 2), Some((0, 44)));
        for absent in [1, 0, 33] {
            assert_eq!(device_of_mount(mounts, absent), None);
        }
    }

    #[test]
    fn credentials_are_read_from_the_status_file() {
        let status = "Name:\tx\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t9 10 \n";
        let read = Credentials::parse(status).unwrap();
        assert_eq!(read.real_and_effective_user, [1, 2]);
        assert_eq!(read.real_and_effective_group, [5, 6]);
        assert_eq!(read.supplementary, [Gid(9), Gid(10)]);
        assert_eq!(
            Credentials::parse("Uid:\t1\nGid:\t1\t2\t3\t4\nGroups:\t"),
            None
        );
    }
}
