//! How many connections each user may have open, so that nobody keeps all others out.
//!
//! SECURITY: an open connection costs its caller nothing. Root is not held to a share: the
//! platform's own agents run as root, and root could stop this agent anyway.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use latchkey_intercept::FlowRecord;

/// One user may have this part of all connections.
const PARTS: usize = 4;

/// Counts the open connections of each user.
#[derive(Clone, Debug)]
pub struct Users {
    share: usize,
    open: Arc<Mutex<HashMap<u32, usize>>>,
}

/// The place that an open connection takes of its user's share; given back when dropped.
#[derive(Debug)]
pub struct UserPlace {
    users: Users,
    user: u32,
}

/// The user has as many connections open as one may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many connections of one user are open")]
pub struct ShareTakenError;

impl Users {
    /// Makes a count in which each user may have a quarter of `max_connections`.
    #[must_use]
    pub fn sharing(max_connections: usize) -> Self {
        Self {
            share: (max_connections / PARTS).max(1),
            open: Arc::default(),
        }
    }

    /// Takes a place for a connection; none is needed for root's.
    ///
    /// # Errors
    /// When the user's share is taken.
    pub fn admit(&self, flow: &FlowRecord) -> Result<Option<UserPlace>, ShareTakenError> {
        if flow.is_root() {
            return Ok(None);
        }
        let user = flow.euid.0;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let of_user = open.entry(user).or_default();
        if *of_user >= self.share {
            return Err(ShareTakenError);
        }
        *of_user += 1;
        Ok(Some(UserPlace {
            users: self.clone(),
            user,
        }))
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
