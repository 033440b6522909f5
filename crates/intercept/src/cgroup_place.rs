//! Where the intercepted cgroup lies in its hierarchy, so that programs that see every process of
//! the machine can leave those outside of it alone.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::error::InterceptError;
use crate::mount::ROOT_CGROUP_INODE;

/// A cgroup and how far it lies below the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CgroupPlace {
    pub(crate) id: u64,
    pub(crate) level: u32,
}

impl CgroupPlace {
    /// Finds the place of a cgroup's directory. `None` when the mount does not begin at the root
    /// of the hierarchy: then nobody can tell from here how deep the cgroup lies.
    pub(crate) fn of(directory: &Path) -> Result<Option<Self>, InterceptError> {
        let inspect = |path: &Path| {
            fs::metadata(path).map_err(InterceptError::file("inspect the cgroup", path))
        };
        let path = directory
            .canonicalize()
            .map_err(InterceptError::file("find the cgroup", directory))?;
        let own = inspect(&path)?;
        for (level, ancestor) in (0..).zip(path.ancestors()) {
            let found = inspect(ancestor)?;
            if found.dev() != own.dev() {
                break;
            }
            if found.ino() == ROOT_CGROUP_INODE {
                let id = own.ino();
                return Ok(Some(Self { id, level }));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::find_cgroup2_mount;

    #[test]
    fn root_of_the_hierarchy_has_level_zero() {
        let root = find_cgroup2_mount().unwrap();
        let place = CgroupPlace::of(&root).unwrap();
        assert_eq!(place, Some(CgroupPlace { id: 1, level: 0 }));
    }

    #[test]
    fn directory_that_is_no_cgroup_has_no_place() {
        let directory = std::env::temp_dir();
        assert_eq!(CgroupPlace::of(&directory).unwrap(), None);
    }
}
