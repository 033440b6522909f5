//! Throw-away roots: what their programs see, and that nothing of them stays.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use latchkey_lab::id::ProcessId;
use latchkey_lab::{Guest, Lab, Output, Root, Tree};

use crate::{LIMIT, lab, shell};

fn tree() -> Tree {
    Tree::of_release("bookworm").unwrap()
}

fn root(lab: &Lab) -> Root {
    Root::start(lab.guest("one").unwrap(), &tree()).unwrap()
}

fn inside(root: &Root, script: &str) -> Output {
    let output = root.command("root", "sh").args(["-e", "-c", script]);
    output.output(LIMIT).unwrap()
}

/// The process that holds a root, as the machine numbers it.
fn holder(guest: &Guest) -> ProcessId {
    let processes = guest.cgroup().processes().unwrap();
    assert_eq!(processes.len(), 1, "only the holder runs in the guest");
    ProcessId::of(*processes.first().unwrap()).unwrap()
}

#[test]
fn programs_see_the_tree_and_only_their_own_processes() {
    let lab = lab(&["one"]);
    let root = root(&lab);
    let output = inside(
        &root,
        "cat /etc/debian_version; hostname; ps -e -o pid= | head -n 1",
    );
    let version = fs::read_to_string(tree().path().join("etc/debian_version")).unwrap();
    assert_eq!(
        output.stdout_text(),
        format!("{version}one\n      1\n"),
        "{output:?}"
    );
    let count = inside(&root, "ls -d /proc/[0-9]* | wc -l").stdout_text();
    assert!(count.trim().parse::<u32>().unwrap() < 6, "{count}");
}

#[test]
fn firmware_and_interfaces_are_those_of_a_virtual_machine() {
    let lab = lab(&["one"]);
    let root = root(&lab);
    let script =
        "cat /sys/class/dmi/id/sys_vendor; ls /sys/class/net; ls /sys/block; cat /etc/hosts";
    let output = inside(&root, script);
    let text = output.stdout_text();
    assert!(
        text.starts_with("Microsoft Corporation\neth0\nlo\n127.0.0.1 localhost\n"),
        "{output:?}"
    );
    assert_eq!(
        inside(&root, "cat /sys/class/net/eth0/address").code(),
        Some(0)
    );
}

#[test]
fn root_has_the_network_and_the_control_group_of_its_guest() {
    let lab = lab(&["one"]);
    let guest = lab.guest("one").unwrap();
    let root = root(&lab);
    let look = "readlink /proc/self/ns/net; cat /proc/self/cgroup";
    assert_eq!(
        inside(&root, look).stdout,
        shell(guest, "root", look).stdout
    );
}

#[test]
fn disks_and_kernel_settings_of_the_machine_are_out_of_reach() {
    let lab = lab(&["one"]);
    let root = root(&lab);
    let devices = inside(
        &root,
        "find /dev -type b; find /sys/block/ /sys/class/block/ -mindepth 1",
    );
    assert_eq!(devices.stdout_text(), "", "{devices:?}");
    let setting = inside(&root, ": >> /proc/sys/kernel/panic");
    assert!(
        setting.stderr.contains("Read-only file system"),
        "{setting:?}"
    );
    let made = inside(&root, "mknod /root/disk b 254 0; : < /root/disk");
    assert!(made.stderr.contains("Permission denied"), "{made:?}");
}

#[test]
fn what_is_written_is_read_back_and_never_reaches_the_tree() {
    let lab = lab(&["one"]);
    let root = root(&lab);
    let before = fs::metadata(tree().path().join("etc")).unwrap();
    root.write("/etc/written", "by the test\n").unwrap();
    inside(
        &root,
        "cat /etc/written > /etc/again; rm /etc/debian_version",
    );
    assert_eq!(root.read("/etc/again").unwrap(), "by the test\n");
    assert!(root.read("/etc/debian_version").is_err());
    let after = fs::metadata(tree().path().join("etc")).unwrap();
    assert_eq!(before.mtime_nsec(), after.mtime_nsec());
    assert!(tree().path().join("etc/debian_version").exists());
}

#[test]
fn link_in_a_root_does_not_lead_out_of_it() {
    let lab = lab(&["one"]);
    let root = root(&lab);
    inside(
        &root,
        "ln -s /etc/hostname /link; ln -s ../../../../etc/hostname /tmp/up",
    );
    for link in ["/link", "/tmp/up"] {
        assert_eq!(root.read(link).unwrap(), "one\n", "{link}");
    }
}

#[test]
fn daemon_that_lost_its_parent_is_reaped() {
    let lab = lab(&["one"]);
    let root = root(&lab);
    let script = "setsid sh -c 'exit 0' & wait; (sleep 0.01 & echo $!)";
    let pid = inside(&root, script).stdout_text().trim().to_owned();
    let gone = latchkey_lab::wait::until(LIMIT, || {
        let output = inside(&root, &format!("test ! -e /proc/{pid}"));
        Ok::<_, std::convert::Infallible>(output.success().then_some(()))
    });
    assert!(gone.unwrap().is_some(), "process {pid} is still there");
}

#[test]
fn root_that_ends_takes_its_processes_and_mounts_along() {
    let lab = lab(&["one"]);
    let guest = lab.guest("one").unwrap();
    let mounts = || fs::read_to_string("/proc/self/mountinfo").unwrap();
    let before = mounts();
    let root = root(&lab);
    let holder = holder(guest);
    // A program that gets away from its parent, its session and its process group.
    inside(&root, "setsid sleep 1000 >/dev/null 2>&1 &");
    assert_eq!(guest.cgroup().processes().unwrap().len(), 2);
    let mount_points = || {
        let names = fs::read_dir(guest.dir()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("root-")).count()
    };
    assert_eq!(mount_points(), 1);
    root.stop().unwrap();
    assert!(!holder.is_alive());
    assert_eq!(guest.cgroup().processes().unwrap(), [0; 0]);
    assert_eq!(mount_points(), 0);
    assert_eq!(
        shell(guest, "root", "grep -c overlay.*root- /proc/mounts").stdout_text(),
        "0\n"
    );
    assert_eq!(mounts(), before);
}

#[test]
fn lab_that_ends_takes_its_roots_along() {
    let lab = lab(&["one"]);
    let root = root(&lab);
    let holder = holder(lab.guest("one").unwrap());
    lab.stop().unwrap();
    assert!(!holder.is_alive());
    drop(root);
}

#[test]
fn guest_with_a_default_route_gets_no_root() {
    let lab = lab(&["one"]);
    let guest = lab.guest("one").unwrap();
    let added = shell(guest, "root", "ip route add default via 10.77.1.1");
    assert!(added.success(), "{added:?}");
    let error = Root::start(guest, &tree()).unwrap_err();
    let said = std::error::Error::source(&error).unwrap().to_string();
    assert!(said.contains("default via 10.77.1.1"), "{said}");
    assert_eq!(guest.cgroup().processes().unwrap(), [0; 0]);
}
