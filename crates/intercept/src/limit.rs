//! What one cgroup may ask for, so that whoever is greedy is refused and nobody else (`bpf/limit.h`);
//! there is no way to lift the bound on open connections above a quarter of the flow table.

use std::num::NonZeroU32;
use std::path::Path;

use crate::cgroup_place::CgroupPlace;
use crate::error::InterceptError;
use crate::layout::{FLOW_SLOTS, LimitSettings, Limits};
use crate::mount::MountError;

/// So many levels below the intercepted cgroup, the cgroups below one share what it may ask for.
///
/// Services (`system.slice/x.service`) and containers lie two levels deep, sessions, a user's own
/// manager (`user.slice/user-1000.slice/user@1000.service`) and pods
/// (`kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podX.slice`) three.
const ACCOUNT_DEPTH: u32 = 3;

const NANOSECONDS_PER_SECOND: u64 = 1_000_000_000;
const MAX_OPEN_CONNECTIONS: u32 = 16_384;
const _: () = assert!(MAX_OPEN_CONNECTIONS as usize == FLOW_SLOTS / 4);

/// What one cgroup may ask for; beyond it a connect is refused in Enforce, and passes and is counted
/// in Audit.
///
/// A cgroup three levels below the intercepted one has one account with all that are below it, and
/// one that is less deep has its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelLimits {
    /// How many connections to endpoints it may open per second, in the long run. More than a
    /// thousand million do not differ from no limit.
    pub connects_per_second: NonZeroU32,
    /// How many it may open at once after a pause.
    pub burst: NonZeroU32,
    /// How many redirected connections it may hold open; more than 16,384, a quarter of the flow
    /// table, count as so many.
    pub open_connections: NonZeroU32,
}

impl Default for KernelLimits {
    /// Far above what clients of metadata do, also when many start at once; the agent's own bounds
    /// per user are lower than a quarter of the flow table.
    fn default() -> Self {
        const fn number(number: u32) -> NonZeroU32 {
            NonZeroU32::MIN.saturating_add(number - 1)
        }
        Self {
            connects_per_second: number(500),
            burst: number(2_000),
            open_connections: number(MAX_OPEN_CONNECTIONS),
        }
    }
}

impl KernelLimits {
    /// Returns the limits as the programs read them, for programs attached to this cgroup.
    pub(crate) fn settings(self, cgroup: &Path) -> Result<LimitSettings, InterceptError> {
        let connect_interval_ns =
            NANOSECONDS_PER_SECOND / u64::from(self.connects_per_second.get());
        let limits = Limits {
            connect_interval_ns,
            burst_ns: connect_interval_ns * u64::from(self.burst.get()),
            open_connections: self.open_connections.get().min(MAX_OPEN_CONNECTIONS),
            account_level: level(cgroup)? + ACCOUNT_DEPTH,
        };
        Ok(LimitSettings {
            lock: 0,
            reserved: 0,
            limits,
        })
    }
}

/// Returns how many levels a cgroup lies below the root of its hierarchy.
fn level(cgroup: &Path) -> Result<u32, InterceptError> {
    let place = CgroupPlace::of(cgroup)?;
    let path = cgroup.to_owned();
    let place = place.ok_or(MountError::NotCgroupRoot { path })?;
    Ok(place.level)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::mount::find_cgroup2_mount;

    #[test]
    fn level_counts_from_the_root_of_the_hierarchy() {
        let root = find_cgroup2_mount().unwrap();
        assert_eq!(level(&root).unwrap(), 0);
        let child = fs::read_dir(&root)
            .unwrap()
            .flatten()
            .find(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        if let Some(child) = child {
            assert_eq!(level(&child.path()).unwrap(), 1);
        }
    }

    #[test]
    fn account_may_never_hold_more_than_a_quarter_of_the_flow_table() {
        let root = find_cgroup2_mount().unwrap();
        let greedy = KernelLimits {
            open_connections: NonZeroU32::MAX,
            ..KernelLimits::default()
        };
        let settings = greedy.settings(&root).unwrap();
        assert_eq!(settings.limits.open_connections, 16_384);
        assert_eq!(settings.limits.account_level, ACCOUNT_DEPTH);
    }
}
