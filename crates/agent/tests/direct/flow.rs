//! Flow records as the kernel would write them, for this very process and for callers that are not what they were.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Arc, Mutex};

use latchkey_agent::proxy::FlowSource;
use latchkey_intercept::{
    AddressFamily, AgentProcess, Connection, ExecId, Executable, FlowError, FlowRecord, Gid, Pid,
    Standing, StartTime, SupplementaryGroups, Tid, Uid,
};
use tokio::net::TcpStream;

/// The kernel's flow table in memory: by the client's address, taken once.
#[derive(Clone, Default)]
pub(crate) struct Flows {
    table: Arc<Mutex<HashMap<SocketAddr, FlowRecord>>>,
    /// What has become of all callers; of nobody anything at first.
    standing: Arc<Mutex<Option<Standing>>>,
}

impl Flows {
    pub(crate) fn publish(&self, client: SocketAddr, flow: FlowRecord) {
        self.table.lock().unwrap().insert(client, flow);
    }

    pub(crate) fn callers_become(&self, standing: Standing) {
        *self.standing.lock().unwrap() = Some(standing);
    }
}

impl FlowSource for Flows {
    fn take(&self, accepted: &TcpStream) -> Result<Option<FlowRecord>, FlowError> {
        let client = accepted.peer_addr().unwrap();
        Ok(self.table.lock().unwrap().remove(&client))
    }

    fn standing(&self, _flow: &FlowRecord) -> Result<Standing, FlowError> {
        let standing = *self.standing.lock().unwrap();
        Ok(standing.unwrap_or(Standing::Unchanged))
    }
}

/// The record of this test process, asking for `destination`.
pub(crate) fn own(destination: SocketAddr) -> FlowRecord {
    let pid = Pid(std::process::id());
    let executable = std::fs::metadata("/proc/self/exe").unwrap();
    let device = executable.dev();
    let device = rustix::fs::major(device) << 20 | rustix::fs::minor(device);
    let namespace = std::fs::metadata("/proc/self/ns/mnt").unwrap().ino();
    let ticks = AgentProcess::of(pid).unwrap().start_ticks();
    FlowRecord {
        pid,
        tid: Tid(pid.0),
        start_time: StartTime::from_nanoseconds(ticks * 10_000_000),
        uid: Uid(rustix::process::getuid().as_raw()),
        gid: Gid(rustix::process::getgid().as_raw()),
        euid: Uid(rustix::process::geteuid().as_raw()),
        egid: Gid(rustix::process::getegid().as_raw()),
        supplementary_groups: SupplementaryGroups::Known(Vec::new()),
        initial_user_namespace: true,
        executable: Executable::new(device, executable.ino()),
        exec_id: ExecId(1),
        script: None,
        cgroup_id: 1,
        mount_namespace: u32::try_from(namespace).unwrap(),
        user_namespace: 1,
        network_namespace: 1,
        task_network_namespace: 1,
        comm: *b"direct\0\0\0\0\0\0\0\0\0\0",
        original_destination: destination,
        address_family: AddressFamily::Ipv4,
        endpoint_index: 0,
        connection: Connection::default(),
    }
}

/// This process, but without power over the initial user namespace: never root.
pub(crate) fn unprivileged(destination: SocketAddr) -> FlowRecord {
    FlowRecord {
        initial_user_namespace: false,
        ..own(destination)
    }
}

/// A process that ended after it connected.
pub(crate) fn gone(destination: SocketAddr) -> FlowRecord {
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let pid = Pid(child.id());
    child.wait().unwrap();
    FlowRecord {
        pid,
        ..own(destination)
    }
}

/// A process number that was given to another process since.
pub(crate) fn replaced(destination: SocketAddr) -> FlowRecord {
    FlowRecord {
        start_time: StartTime::from_nanoseconds(7),
        ..own(destination)
    }
}
