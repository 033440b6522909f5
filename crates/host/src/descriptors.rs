//! How many files the program may have open: as many as the system allows, and never all for connections.
//!
//! SECURITY: with fewer descriptors than connections, a few guests that open connections and say
//! nothing keep all others out.

use latchkey_gateway::ConnectionLimits;
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tracing::warn;

/// Raises the limit of open files to the hard one, and returns connection limits that fit beside so
/// many connections to upstreams: a quarter of the files stays for listeners, the key store, the
/// admin interface and the log.
///
/// # Errors
/// When the system refuses.
pub fn make_room(wanted: ConnectionLimits, upstreams: usize) -> Result<ConnectionLimits, Errno> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    let fitting = within(hard, wanted, upstreams);
    if fitting != wanted {
        warn!(
            wanted = wanted.total,
            fitting = fitting.total,
            hard,
            "the hard limit of open files allows fewer connections than configured"
        );
    }
    Ok(fitting)
}

fn within(files: u64, wanted: ConnectionLimits, upstreams: usize) -> ConnectionLimits {
    let most = usize::try_from(files / 4 * 3).unwrap_or(usize::MAX);
    let most = most.saturating_sub(upstreams).max(1);
    ConnectionLimits {
        total: wanted.total.min(most),
        ..wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_never_take_all_files() {
        let wanted = ConnectionLimits::default();
        assert_eq!(within(u64::MAX, wanted, 512), wanted);
        assert_eq!(within(1_024, wanted, 0).total, 768);
        assert_eq!(within(1_024, wanted, 512).total, 256);
        assert_eq!(within(1_024, wanted, 1_536).total, 1);
    }

    #[test]
    fn limit_of_this_process_is_raised_to_what_the_system_allows() {
        make_room(ConnectionLimits::default(), 0).unwrap();
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!(soft, hard);
    }
}
