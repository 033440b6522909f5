//! Users of a guest and what a process of theirs has.

use std::process::Command;

use latchkey_lab::{Account, Lab, ProcessError};

use crate::{LIMIT, lab, shell};

#[test]
fn users_of_a_guest_exist_only_inside_it() {
    let lab = lab(&["web"]);
    let inside = shell(lab.guest("web").unwrap(), "root", "getent passwd mallory");
    assert!(
        inside.stdout_text().starts_with("mallory:x:1003:2003:"),
        "{}",
        inside.stderr
    );
    let outside = Command::new("getent")
        .args(["passwd", "mallory"])
        .output()
        .unwrap();
    assert_eq!(
        outside.status.code(),
        Some(2),
        "the machine has a user mallory"
    );
    let on_host = lab
        .host()
        .command("root", "getent")
        .args(["passwd", "mallory"]);
    assert_eq!(on_host.output(LIMIT).unwrap().code(), Some(2));
}

#[test]
fn process_has_exactly_the_ids_and_groups_of_its_user() {
    let lab = Lab::builder()
        .guest("web")
        .account(Account::new("probe", 61000, 61001).in_group("probes", 61002))
        .start()
        .unwrap();
    let guest = lab.guest("web").unwrap();
    let status = "grep -E '^(Uid|Gid|Groups|CapEff):' /proc/self/status | tr -s '\\t ' ' '";
    let cases = [
        (
            "app",
            "Uid: 1001 1001 1001 1001 Gid: 2001 2001 2001 2001 Groups: CapEff: 0000000000000000",
        ),
        (
            "svc",
            "Uid: 1004 1004 1004 1004 Gid: 2004 2004 2004 2004 Groups: 2100 2101 CapEff: 0000000000000000",
        ),
        (
            "probe",
            "Uid: 61000 61000 61000 61000 Gid: 61001 61001 61001 61001 Groups: 61002 CapEff: 0000000000000000",
        ),
    ];
    for (user, expected) in cases {
        let output = shell(guest, user, status);
        let seen: Vec<String> = output
            .stdout_text()
            .lines()
            .map(|line| line.trim().to_owned())
            .collect();
        assert_eq!(seen.join(" "), expected, "{user}: {}", output.stderr);
    }
}

#[test]
fn process_starts_in_the_control_group_and_under_the_name_of_its_guest() {
    let lab = lab(&["web"]);
    let guest = lab.guest("web").unwrap();
    let output = shell(
        guest,
        "app",
        "grep ^0:: /proc/self/cgroup; hostname; pwd; echo $HOME",
    );
    let group = guest.cgroup().path().to_str().unwrap().to_owned();
    let text = output.stdout_text();
    let lines: Vec<&str> = text.lines().collect();
    let [own_group, hostname, directory, home] = lines.as_slice() else {
        panic!("{output:?}")
    };
    let own_group = own_group.strip_prefix("0::").unwrap();
    assert!(
        own_group.ends_with("/g1") && group.ends_with(own_group),
        "{own_group} {group}"
    );
    assert_eq!((*hostname, *directory), ("web", "/"));
    assert_eq!(*home, guest.dir().join("home/app").to_str().unwrap());
}

#[test]
fn nothing_of_the_callers_environment_leaks_in() {
    let lab = lab(&["web"]);
    let command = lab
        .guest("web")
        .unwrap()
        .command("app", "env")
        .env("GIVEN", "1");
    let text = command.output(LIMIT).unwrap().stdout_text();
    let mut names: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split('=').next())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["GIVEN", "HOME", "LANG", "PATH", "USER"]);
}

#[test]
fn user_may_write_at_home_and_not_in_the_directory_of_the_guest() {
    let lab = lab(&["web"]);
    let guest = lab.guest("web").unwrap();
    assert!(shell(guest, "app", "touch ~/mine").success());
    assert!(
        !shell(
            guest,
            "app",
            &format!("touch {}/mine", guest.dir().display())
        )
        .success()
    );
    assert!(!shell(guest, "mallory", "ls ~app").success());
}

#[test]
fn user_that_the_guest_does_not_have_is_refused() {
    let lab = lab(&["web"]);
    let result = lab.guest("web").unwrap().command("zoe", "id").output(LIMIT);
    assert!(
        matches!(result, Err(ProcessError::Account(_))),
        "{result:?}"
    );
}

#[test]
fn root_of_a_guest_sees_its_pin_directory_and_its_control_group() {
    let lab = lab(&["web"]);
    let guest = lab.guest("web").unwrap();
    let (pins, group) = (guest.pin_dir().display(), guest.cgroup().path().display());
    let script = format!("stat -f -c %T {pins} && mkdir {pins}/links && cat {group}/cgroup.procs");
    let output = shell(guest, "root", &script);
    let text = output.stdout_text();
    assert!(
        text.starts_with("bpf_fs\n") && text.lines().count() >= 2,
        "{output:?}"
    );
    assert!(guest.pin_dir().join("links").is_dir());
}
