//! Reads one process out of `/proc` and holds it against what the kernel saw at connect.
//!
//! A process that ended is gone; one with another start time, executable or credentials is
//! replaced; neither is described. It is compared before and after everything else is read, so
//! that what is described is one process that executed one file all the while.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;

use latchkey_intercept::{AgentProcess, FlowRecord, Gid, SupplementaryGroups};
use latchkey_protocol::{Flag, Flags, Reason};
use latchkey_record::caller::{AncestorRecord, ExecutableState};
use rustix::fs::OFlags;

use super::ancestry;
use super::credentials::{self, Credentials};
use super::environment;
use super::executable::{self, Executed};
use super::folder::Folder;
use super::script::{self, Script};

/// What is known of a living process.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) executed: Executed,
    /// The executable, to be read, if it can be.
    pub(super) content: Option<File>,
    /// Its effective and supplementary groups.
    pub(super) groups: Vec<Gid>,
    /// The script that it runs, if it is known to run one.
    pub(super) script: Option<Script>,
    pub(super) flags: Flags,
    /// Names of what it may have loaded other code from.
    pub(super) preloads: Vec<String>,
    pub(super) ancestors: Vec<AncestorRecord>,
}

/// Whether somebody will read the executable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Content {
    Open,
    Leave,
}

/// Describes the process of a flow.
///
/// # Errors
/// [`Reason::CallerGone`], [`Reason::CallerReplaced`] or [`Reason::CallerUnreadable`].
pub(super) fn describe(flow: &FlowRecord, content: Content) -> Result<Process, Reason> {
    let folder = Folder::open(flow.pid)?;
    let credentials = compare(&folder, flow)?;
    let executed = Executed::read(&folder, flow)?;
    let preloads = environment::preloads(&folder);
    let is_traced = credentials::is_traced(&folder, &credentials);
    let flags = flags(flow, executed.state)
        .with(Flag::Traced, is_traced)
        .with(
            Flag::Preloaded,
            preloads.as_ref().ok().map(|names| !names.is_empty()),
        );
    let process = Process {
        content: match content {
            Content::Open => open(&folder, flow),
            Content::Leave => None,
        },
        executed,
        groups: groups(flow, credentials),
        script: script::describe(flow),
        flags,
        preloads: preloads.unwrap_or_default(),
        ancestors: ancestry::ancestors(&folder),
    };
    // SECURITY: it may have executed another file, or taken on other credentials, meanwhile.
    compare(&folder, flow)?;
    executable::of(&folder, flow)?;
    Ok(process)
}

/// Returns the credentials of a process that is the one of the flow.
fn compare(folder: &Folder, flow: &FlowRecord) -> Result<Credentials, Reason> {
    let found = AgentProcess::of(flow.pid).map_err(|_unread| Reason::CallerGone)?;
    if found.start_ticks() != flow.start_time.clock_ticks() {
        return Err(Reason::CallerReplaced);
    }
    let credentials = Credentials::read(folder)?;
    if credentials.agree_with(flow) {
        Ok(credentials)
    } else {
        Err(Reason::CallerReplaced)
    }
}

/// The kernel's word about the connecting task, if it has all of its groups; each thread may have others.
fn groups(flow: &FlowRecord, credentials: Credentials) -> Vec<Gid> {
    let supplementary = match &flow.supplementary_groups {
        SupplementaryGroups::Known(groups) => groups.clone(),
        SupplementaryGroups::TooMany { .. } => credentials.supplementary,
    };
    let others = supplementary.into_iter().filter(|gid| *gid != flow.egid);
    std::iter::once(flow.egid).chain(others).collect()
}

/// What the kernel and the executable say.
fn flags(flow: &FlowRecord, state: ExecutableState) -> Flags {
    let is_memory = state == ExecutableState::Memory;
    Flags::default()
        .with(Flag::UserNamespace, Some(!flow.initial_user_namespace))
        .with(Flag::MemoryExecutable, Some(is_memory))
        .with(
            Flag::DeletedExecutable,
            Some(is_memory || state == ExecutableState::Deleted),
        )
}

/// Opens the very file that is executed, whatever its path leads to by now.
fn open(folder: &Folder, flow: &FlowRecord) -> Option<File> {
    let executed = executable::of(folder, flow).ok()?;
    let flags = OFlags::RDONLY | OFlags::NOCTTY | OFlags::NONBLOCK;
    let file = folder.file("exe", flags).ok()?;
    let opened = file.metadata().ok()?;
    let is_executed = (opened.dev(), opened.ino()) == (executed.dev(), executed.ino());
    (is_executed && opened.is_file()).then_some(file)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::SocketAddr;

    use latchkey_intercept::{
        AddressFamily, Connection, ExecId, Executable, Pid, StartTime, Tid, Uid,
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
        let process = describe(&own_flow(), Content::Open).unwrap();
        assert_eq!(process.executed.path.as_deref(), own.to_str());
        assert_eq!(process.executed.state, ExecutableState::Present);
        assert!(process.flags.is_clear(Flag::Traced));
        assert!(process.content.is_some());
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
            assert_eq!(
                describe(&flow, Content::Leave).err(),
                Some(Reason::CallerReplaced),
                "{what}"
            );
        }
    }

    #[test]
    fn process_that_ended_is_gone() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = Pid(child.id());
        child.wait().unwrap();
        assert_eq!(
            describe(&FlowRecord { pid, ..own_flow() }, Content::Leave).err(),
            Some(Reason::CallerGone)
        );
    }

    #[test]
    fn executable_seen_from_another_mount_namespace_has_no_path() {
        let flow = FlowRecord {
            mount_namespace: 1,
            ..own_flow()
        };
        let process = describe(&flow, Content::Leave).unwrap();
        assert_eq!(process.executed.path, None);
        assert_eq!(
            process.executed.state,
            ExecutableState::ForeignMountNamespace
        );
    }

    #[test]
    fn groups_are_those_that_the_kernel_saw_if_it_saw_all() {
        let of = |supplementary_groups| {
            let flow = FlowRecord {
                supplementary_groups,
                ..own_flow()
            };
            describe(&flow, Content::Leave).unwrap().groups
        };
        let own = own_flow().egid;
        let known = |groups| of(SupplementaryGroups::Known(groups));
        assert_eq!(known(vec![Gid(7), own]), [own, Gid(7)]);
        assert_eq!(known(vec![]), [own]);
        let too_many = of(SupplementaryGroups::TooMany { count: 65 });
        assert_eq!(too_many.first(), Some(&own));
    }
}
