//! How many files the agent may have open, and so how many connections it can serve.
//!
//! SECURITY: with fewer descriptors than connections, any user who opens connections and says
//! nothing takes those that the way to the host, the key files and the audit trail need.

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use latchkey_http1::client::MAX_UNDER_WAY;

use crate::admission::MAX_PARTING;

/// What the agent has open besides connections: kernel maps and links, state files, the processes
/// that it looks at, the runtime's own.
const OTHERS: u64 = 128;
/// The fewest connections that are worth an agent.
const LEAST: u64 = 64;

/// The agent may not open as many files as it needs.
#[derive(Debug, thiserror::Error)]
pub enum DescriptorError {
    /// The limit cannot be raised, though it is not the hard one.
    #[error("raise the limit of open files to {0}")]
    Raise(u64, #[source] Errno),
    /// The hard limit is too low.
    #[error(
        "the hard limit of open files is {limit}, and the agent needs {needed}: raise `nofile` (`LimitNOFILE=`)"
    )]
    TooFew {
        /// The hard limit.
        limit: u64,
        /// What is needed at least.
        needed: u64,
    },
}

/// Raises the limit of open files to what `wanted` connections to so many destinations need, as far
/// as it may be raised; returns how many connections fit.
///
/// # Errors
/// When hardly any connection fits, or the system refuses.
pub fn make_room(wanted: usize, destinations: usize) -> Result<usize, DescriptorError> {
    let limits = getrlimit(Resource::Nofile);
    let hard = limits.maximum.unwrap_or(u64::MAX);
    let reserved = reserved(destinations);
    let fitting = connections_within(hard, wanted, reserved)?;
    let needed = reserved + fitting as u64;
    if limits.current.is_some_and(|soft| soft < needed) {
        let raised = Rlimit {
            current: Some(needed),
            ..limits
        };
        setrlimit(Resource::Nofile, raised)
            .map_err(|errno| DescriptorError::Raise(needed, errno))?;
    }
    if fitting < wanted {
        tracing::warn!(
            wanted,
            fitting,
            hard,
            "the hard limit of open files allows fewer connections than configured"
        );
    }
    Ok(fitting)
}

/// Everything but the connections of clients that are served.
const fn reserved(destinations: usize) -> u64 {
    OTHERS + (MAX_PARTING + MAX_UNDER_WAY * destinations) as u64
}

fn connections_within(limit: u64, wanted: usize, reserved: u64) -> Result<usize, DescriptorError> {
    let left = limit.saturating_sub(reserved);
    if left < LEAST {
        return Err(DescriptorError::TooFew {
            limit,
            needed: reserved + LEAST,
        });
    }
    Ok(usize::try_from(left).map_or(wanted, |left| wanted.min(left)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_room_for_everything_else() {
        let reserved = reserved(3);
        assert_eq!(connections_within(u64::MAX, 4096, reserved).unwrap(), 4096);
        assert_eq!(connections_within(4736, 4096, reserved).unwrap(), 4096);
        assert_eq!(connections_within(1024, 4096, reserved).unwrap(), 384);
        assert_eq!(connections_within(1024, 100, reserved).unwrap(), 100);
    }

    #[test]
    fn limit_that_leaves_hardly_any_connection_is_an_error() {
        let error = connections_within(640, 4096, reserved(3)).unwrap_err();
        assert!(
            error.to_string().contains("640") && error.to_string().contains("704"),
            "{error}"
        );
    }

    #[test]
    fn limit_of_this_process_allows_what_it_returns() {
        let fitting = make_room(2_000, 1).unwrap();
        let soft = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        assert!(soft >= reserved(1) + fitting as u64);
    }
}
