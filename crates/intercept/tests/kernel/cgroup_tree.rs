//! Cgroups are found by the ids that the kernel records.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use latchkey_intercept::{CgroupTree, find_cgroup2_mount};

/// A cgroup of this test's own, removed at the end.
struct OwnCgroup(PathBuf);

impl OwnCgroup {
    fn create(name: &str) -> Self {
        let name = format!("latchkey-test-{}-{name}", std::process::id());
        let path = find_cgroup2_mount().unwrap().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn below(&self, path: &str) -> PathBuf {
        let path = self.0.join(path);
        fs::create_dir_all(&path).unwrap();
        path
    }
}

impl Drop for OwnCgroup {
    fn drop(&mut self) {
        let below = ["a.slice/b c.service", "a.slice"].map(|path| self.0.join(path));
        for path in below.iter().chain([&self.0]) {
            // What a test has removed already is gone.
            drop(fs::remove_dir(path));
        }
    }
}

fn id(path: &Path) -> u64 {
    fs::metadata(path).unwrap().ino()
}

#[test]
fn cgroup_is_found_by_id_relative_to_the_tree() {
    let own = OwnCgroup::create("tree");
    let service = own.below("a.slice/b c.service");
    let tree = CgroupTree::open(&own.0).unwrap();
    assert_eq!(tree.path(id(&own.0)).unwrap(), "/");
    assert_eq!(tree.path(id(&service)).unwrap(), "/a.slice/b c.service");
    let whole = CgroupTree::open(&find_cgroup2_mount().unwrap()).unwrap();
    let name = own.0.file_name().unwrap().to_str().unwrap();
    assert_eq!(
        whole.path(id(&service)).unwrap(),
        format!("/{name}/a.slice/b c.service")
    );
}

#[test]
fn cgroup_that_was_removed_or_lies_outside_has_no_path() {
    let own = OwnCgroup::create("gone");
    let service = own.below("a.slice/b c.service");
    let (removed, outside) = (id(&service), id(&own.0));
    let tree = CgroupTree::open(&own.0.join("a.slice")).unwrap();
    assert!(tree.path(removed).is_ok());
    fs::remove_dir(&service).unwrap();
    for unknown in [removed, outside, 0, u64::MAX] {
        assert!(tree.path(unknown).is_err(), "{unknown}");
    }
}

#[test]
fn folder_that_is_no_cgroup_is_no_tree() {
    assert!(CgroupTree::open(Path::new("/tmp")).is_err());
}
