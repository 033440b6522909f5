//! Whether a caller still is what it was when it connected, asked for each request of a connection.
//!
//! The kernel compares: the process lives, has executed nothing since, has the same credentials, and
//! has executed what it shows as its executable.
//! A process that was given the socket is noticed when it sends, where the kernel tells who does.

use std::fs;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;

use crate::flow::{FlowError, FlowRecord, KernelTables};
use crate::layout::{Description, Executed, FlowKey, Thread};
use crate::process::{AgentProcess, Executable, ProcessError};
use crate::sys;
use crate::thread::{SupplementaryGroups, Tid};

/// What has become of a caller since it connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Nothing: it is the same process, with the same program and credentials.
    Unchanged,
    /// The process has ended.
    Gone,
    /// It has executed a file, even if the same again, changed its credentials, shows another file
    /// than it executed, or its number belongs to another process.
    Replaced,
    /// Another process has sent something over its connection.
    HandedOver,
}

/// The connection that a flow record is about, as the kernel keeps watch over it. The watch ends
/// with the last clone; the default is a connection that nobody watches.
#[derive(Clone, Debug, Default)]
pub struct Connection(Option<Arc<Watch>>);

#[derive(Debug)]
struct Watch {
    key: FlowKey,
    tables: Arc<KernelTables>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        // The kernel removes what is left when the socket closes.
        drop(sys::map_delete(self.tables.handovers.as_fd(), &self.key));
    }
}

impl PartialEq for Connection {
    fn eq(&self, other: &Self) -> bool {
        let key = |connection: &Self| connection.0.as_ref().map(|watch| watch.key);
        key(self) == key(other)
    }
}

impl Eq for Connection {}

impl Connection {
    pub(crate) fn new(key: FlowKey, tables: Arc<KernelTables>) -> Self {
        Self(Some(Arc::new(Watch { key, tables })))
    }

    /// SECURITY: a mark that is not there any more belongs to a socket that was closed.
    fn is_handed_over(&self) -> io::Result<bool> {
        let Some(watch) = &self.0 else {
            return Ok(false);
        };
        let mark: Option<u32> = sys::map_lookup(watch.tables.handovers.as_fd(), &watch.key, 0)?;
        Ok(mark.is_some_and(|mark| mark != 0))
    }
}

impl KernelTables {
    /// Finds out what has become of a caller; a few system calls, none of which waits.
    pub(crate) fn standing(&self, flow: &FlowRecord) -> Result<Standing, FlowError> {
        let standing = match &self.thread_iterator {
            Some(iterator) => self.by_kernel(iterator.as_fd(), flow),
            None => by_proc(flow),
        };
        match standing.map_err(FlowError::Caller)? {
            Standing::Unchanged
                if flow.connection.is_handed_over().map_err(FlowError::Table)? =>
            {
                Ok(Standing::HandedOver)
            }
            standing => Ok(standing),
        }
    }

    fn by_kernel(&self, iterator: BorrowedFd<'_>, flow: &FlowRecord) -> io::Result<Standing> {
        // The thread that connected may have ended and its number be somebody else's.
        for number in [flow.tid, Tid(flow.pid.0)] {
            let found: Option<Description> = sys::tracing::read_thread(iterator, number.0)?;
            match found {
                Some(found) if found.thread.tgid == flow.pid.0 => {
                    return Ok(self.compare(&found, flow));
                }
                _ => {}
            }
        }
        Ok(Standing::Gone)
    }

    fn compare(&self, found: &Description, flow: &FlowRecord) -> Standing {
        let is_same = is_unchanged(&found.thread, flow)
            && (!self.knows_executed || is_executed(&found.executed, flow));
        match (is_same, found.thread.process_has_ended) {
            (true, 0) => Standing::Unchanged,
            (false, 0) => Standing::Replaced,
            _ => Standing::Gone,
        }
    }
}

fn is_unchanged(thread: &Thread, flow: &FlowRecord) -> bool {
    thread.start_boottime_ns == flow.start_time.nanoseconds()
        && thread.exec_id == flow.exec_id.0
        && [thread.uid, thread.euid] == [flow.uid.0, flow.euid.0]
        && [thread.gid, thread.egid] == [flow.gid.0, flow.egid.0]
        && thread.user_namespace == flow.user_namespace
        && SupplementaryGroups::from(thread) == flow.supplementary_groups
}

/// SECURITY: what a process shows as its executable it may have chosen; what it executed it has not.
/// A process of which nothing is recorded shows nothing that could be believed.
fn is_executed(executed: &Executed, flow: &FlowRecord) -> bool {
    let file = Executable::new(executed.device, executed.inode).of_generation(executed.generation);
    executed.is_known != 0 && executed.exec_id == flow.exec_id.0 && file == flow.executable
}

/// Without the kernel's help only another file can be told from the one that connected.
fn by_proc(flow: &FlowRecord) -> io::Result<Standing> {
    let ticks = match AgentProcess::of(flow.pid) {
        Ok(process) => process.start_ticks(),
        Err(ProcessError::Read { .. }) => return Ok(Standing::Gone),
        Err(error) => return Err(io::Error::other(error)),
    };
    let executed = match fs::metadata(format!("/proc/{}/exe", flow.pid)) {
        Ok(file) => file.ino(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Standing::Gone),
        Err(error) => return Err(error),
    };
    let is_same = ticks == flow.start_time.clock_ticks() && executed == flow.executable.inode();
    Ok(if is_same {
        Standing::Unchanged
    } else {
        Standing::Replaced
    })
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use super::*;
    use crate::layout::Identity;
    use crate::process::{Executable, Pid, StartTime};

    /// The record of a process, as far as `/proc` can tell it.
    fn record_of(process: &Child) -> FlowRecord {
        let pid = Pid(process.id());
        let ticks = AgentProcess::of(pid).unwrap().start_ticks();
        let file = fs::metadata(format!("/proc/{pid}/exe")).unwrap();
        FlowRecord {
            pid,
            start_time: StartTime::from_nanoseconds(ticks * 10_000_000),
            executable: Executable::new(0, file.ino()),
            ..FlowRecord::new(&Identity::default(), None, Connection::default())
        }
    }

    #[test]
    fn only_the_file_of_the_same_exec_is_believed() {
        let identity = Identity {
            thread: Thread {
                exec_id: 5,
                ..Thread::default()
            },
            executable_device: 1,
            executable_inode: 2,
            executable_generation: 3,
            ..Identity::default()
        };
        let flow = FlowRecord::new(&identity, None, Connection::default());
        let executed = Executed {
            exec_id: 5,
            inode: 2,
            device: 1,
            generation: 3,
            is_known: 1,
            reserved: 0,
        };
        assert!(is_executed(&executed, &flow));
        let changes: [fn(&mut Executed); 5] = [
            |executed| executed.exec_id = 4,
            |executed| executed.inode = 0,
            |executed| executed.device = 0,
            |executed| executed.generation = 0,
            |executed| executed.is_known = 0,
        ];
        for change in changes {
            let mut other = executed;
            change(&mut other);
            assert!(!is_executed(&other, &flow), "{other:?}");
        }
    }

    #[test]
    fn proc_tells_another_program_and_the_end_of_a_process() {
        let mut process = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        // Until its exec the child is a copy of this test.
        let own = fs::metadata("/proc/self/exe").unwrap().ino();
        while fs::metadata(format!("/proc/{}/exe", process.id()))
            .unwrap()
            .ino()
            == own
        {
            std::thread::yield_now();
        }
        let record = record_of(&process);
        assert_eq!(by_proc(&record).unwrap(), Standing::Unchanged);
        let other_program = FlowRecord {
            executable: Executable::new(0, own),
            ..record.clone()
        };
        assert_eq!(by_proc(&other_program).unwrap(), Standing::Replaced);
        let other_process = FlowRecord {
            start_time: StartTime::from_nanoseconds(7),
            ..record.clone()
        };
        assert_eq!(by_proc(&other_process).unwrap(), Standing::Replaced);
        process.kill().unwrap();
        process.wait().unwrap();
        assert_eq!(by_proc(&record).unwrap(), Standing::Gone);
    }
}
