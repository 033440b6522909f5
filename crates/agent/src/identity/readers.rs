//! How many callers are read at once: fewer than the runtime has threads for what blocks, and not all of one user's.
//!
//! SECURITY: a process can make reading its memory, and a user its file systems, take for ever.
//! Whoever comes too many waits, and others are still read. Root is not held to a share: it
//! could stop the agent anyway.

use std::convert::Infallible;
use std::sync::Arc;

use latchkey_intercept::FlowRecord;
use quick_cache::sync::Cache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::CAPACITY;

/// Of all users but root; the runtime has 512 threads for what blocks.
const MAX_READERS: usize = 192;
/// Of one user.
const MAX_READERS_OF_USER: usize = 48;

/// The places of a reader, given back when dropped; root's has none.
#[derive(Debug)]
pub(super) struct Reader {
    _places: Option<[OwnedSemaphorePermit; 2]>,
}

impl Reader {
    pub(super) const fn of_root() -> Self {
        Self { _places: None }
    }
}

/// Gives out places to readers.
#[derive(Debug)]
pub(super) struct Readers {
    all: Arc<Semaphore>,
    of_user: Cache<u32, Arc<Semaphore>>,
}

impl Readers {
    pub(super) fn new() -> Self {
        Self {
            all: Arc::new(Semaphore::new(MAX_READERS)),
            of_user: Cache::new(CAPACITY),
        }
    }

    /// Waits for a place.
    pub(super) async fn enter(&self, flow: &FlowRecord) -> Option<Reader> {
        if flow.is_root() {
            return Some(Reader::of_root());
        }
        let of_user = lane(&self.of_user, share(flow), MAX_READERS_OF_USER);
        let of_user = of_user.acquire_owned().await.ok()?;
        let of_all = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(Reader {
            _places: Some([of_user, of_all]),
        })
    }
}

/// Returns the number of those who share places: a user, or all in user namespaces of their own.
///
/// SECURITY: there one user has thousands of subordinate ids, and could take every place with a few.
pub(super) const fn share(flow: &FlowRecord) -> u32 {
    const OTHER_NAMESPACES: u32 = u32::MAX;
    if flow.initial_user_namespace {
        flow.euid.0
    } else {
        OTHER_NAMESPACES
    }
}

/// Returns what those of one number share.
pub(super) fn lane(
    lanes: &Cache<u32, Arc<Semaphore>>,
    number: u32,
    width: usize,
) -> Arc<Semaphore> {
    let make = || Ok::<_, Infallible>(Arc::new(Semaphore::new(width)));
    let Ok(lane) = lanes.get_or_insert_with(&number, make);
    lane
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use latchkey_intercept::{
        AddressFamily, Connection, ExecId, Executable, Gid, Pid, StartTime, SupplementaryGroups,
        Tid, Uid,
    };

    use super::*;

    fn flow(uid: u32) -> FlowRecord {
        FlowRecord {
            pid: Pid(1),
            tid: Tid(1),
            start_time: StartTime::from_nanoseconds(1),
            uid: Uid(uid),
            gid: Gid(uid),
            euid: Uid(uid),
            egid: Gid(uid),
            supplementary_groups: SupplementaryGroups::Known(Vec::new()),
            initial_user_namespace: true,
            executable: Executable::new(1, 1),
            exec_id: ExecId(1),
            script: None,
            cgroup_id: 1,
            mount_namespace: 1,
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

    #[tokio::test(start_paused = true)]
    async fn user_whose_readers_never_end_keeps_nobody_else_waiting() {
        let readers = Readers::new();
        let enter = |uid| {
            let readers = &readers;
            async move {
                let limit = std::time::Duration::from_secs(1);
                let entered = tokio::time::timeout(limit, readers.enter(&flow(uid))).await;
                entered.ok().flatten()
            }
        };
        let mut held = Vec::new();
        while let Some(reader) = enter(1001).await {
            held.push(reader);
        }
        assert_eq!(held.len(), MAX_READERS_OF_USER);
        for other in [1002, 0] {
            assert!(enter(other).await.is_some(), "{other}");
        }
        held.pop();
        assert!(enter(1001).await.is_some());
    }

    #[test]
    fn subordinate_ids_share_the_places_of_one_user() {
        let subordinate = |uid| FlowRecord {
            initial_user_namespace: false,
            ..flow(uid)
        };
        assert_eq!(share(&subordinate(100_000)), share(&subordinate(100_001)));
        assert_ne!(share(&subordinate(1001)), share(&flow(1001)));
    }
}
