//! How many connections each user may have open, so that nobody keeps all others out.
//!
//! SECURITY: an open connection costs its caller nothing, and one caller can have many users' ids
//! (`/etc/subuid`). Root is not held to a share, and one share is left for it: the platform's own
//! agents run as root, and root could stop this agent anyway.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use latchkey_intercept::FlowRecord;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// One user may have this part of all connections.
const PARTS: usize = 4;

/// How many connections that are refused unread may be told so at once.
///
/// SECURITY: such a connection stays open for a moment, so that its client can read the answer.
pub const MAX_PARTING: usize = 128;

/// Counts the open connections of each user.
#[derive(Clone, Debug)]
pub struct Users {
    share: usize,
    share_of_all: usize,
    open: Arc<Mutex<HashMap<u32, usize>>>,
    parting: Arc<Semaphore>,
}

/// The place that an open connection takes of its user's share; given back when dropped.
#[derive(Debug)]
pub struct UserPlace {
    users: Users,
    user: u32,
}

/// The user has as many connections open as one may, or all users together have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many connections of one user, or of all but root, are open")]
pub struct ShareTakenError;

impl Users {
    /// Makes a count in which each user may have a quarter of `max_connections`, and all but root
    /// three quarters.
    #[must_use]
    pub fn sharing(max_connections: usize) -> Self {
        let share = max_connections / PARTS;
        Self {
            share: share.max(1),
            share_of_all: max_connections - share,
            open: Arc::default(),
            parting: Arc::new(Semaphore::new(MAX_PARTING)),
        }
    }

    /// Takes a place for a connection; none is needed for root's.
    ///
    /// # Errors
    /// When the user's share is taken, or that of all users.
    pub fn admit(&self, flow: &FlowRecord) -> Result<Option<UserPlace>, ShareTakenError> {
        if flow.is_root() {
            return Ok(None);
        }
        let user = flow.euid.0;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let of_all: usize = open.values().sum();
        let of_user = open.get(&user).copied().unwrap_or_default();
        if of_user >= self.share || of_all >= self.share_of_all {
            return Err(ShareTakenError);
        }
        open.insert(user, of_user + 1);
        Ok(Some(UserPlace {
            users: self.clone(),
            user,
        }))
    }

    /// Takes a place for a connection that is told why it is refused; none when too many are.
    #[must_use]
    pub fn part(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.parting).try_acquire_owned().ok()
    }
}

impl Drop for UserPlace {
    fn drop(&mut self) {
        let open = &self.users.open;
        let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_user) = open.get_mut(&self.user) {
            *of_user -= 1;
            if *of_user == 0 {
                open.remove(&self.user);
            }
        }
    }
}
