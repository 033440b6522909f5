//! Where a caller stands: the cgroup that it connected in, and what follows from its path.
//!
//! The kernel's id decides; so this is known of processes that are gone, too.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use latchkey_intercept::CgroupTree;
use latchkey_record::caller::ContainerRecord;
use quick_cache::sync::Cache;

use super::systemd::{self, Placement};
use super::{CAPACITY, FRESH, container};

/// The longest path that is described, in bytes; a process below a longer one has none.
///
/// SECURITY: users may nest cgroups deeply, and rules are asked about each one above a caller's.
const MAX_PATH_BYTES: usize = 1024;

/// What a cgroup says about the processes in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) path: String,
    pub(super) placement: Placement,
    pub(super) container: Option<ContainerRecord>,
}

impl Place {
    fn at(path: String) -> Self {
        Self {
            placement: systemd::placement(&path),
            container: container::container(&path),
            path,
        }
    }
}

/// Finds places by the kernel's ids of cgroups.
#[derive(Debug)]
pub(super) struct Places {
    tree: Option<CgroupTree>,
    known: Cache<u64, (Instant, Arc<Place>)>,
}

impl Places {
    /// Opens the tree below the protected cgroup. Without it no caller has a place.
    pub(super) fn below(cgroup: Option<&Path>) -> Self {
        let tree = cgroup.and_then(|cgroup| {
            let opened = CgroupTree::open(cgroup);
            if let Err(error) = &opened {
                tracing::warn!(
                    error = error as &dyn std::error::Error,
                    "cgroups cannot be found by their ids: rules about cgroups, units and containers match nobody"
                );
            }
            opened.ok()
        });
        Self {
            tree,
            known: Cache::new(CAPACITY),
        }
    }

    /// Returns the place of a cgroup that still exists, or did a moment ago.
    pub(super) fn find(&self, cgroup: u64) -> Option<Arc<Place>> {
        match self.known.get(&cgroup) {
            Some((found, place)) if found.elapsed() < FRESH => return Some(place),
            _ => {}
        }
        let path = self.tree.as_ref()?.path(cgroup).ok()?;
        if path.len() > MAX_PATH_BYTES {
            return None;
        }
        let place = Arc::new(Place::at(path));
        self.known
            .insert(cgroup, (Instant::now(), Arc::clone(&place)));
        Some(place)
    }
}
