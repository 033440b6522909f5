//! What callers are told apart by besides their user and path: unit, content, and what a rule forbids.

use std::path::{Path, PathBuf};

use latchkey_lab::curl::{Answer, Curl};
use latchkey_lab::system::LIMIT;
use latchkey_lab::system::profile::{INSTANCE_PATH, Identity};
use latchkey_lab::{Command, GuestPlan, Profile};
use latchkey_protocol::Flag;
use latchkey_record::caller::ExecutableState;
use latchkey_record::{AgentStatus, CallerRecord};

use crate::world::{INSTANCE, World};

const CURL: &str = "/usr/bin/curl";

/// Becomes curl from a file that has no name: in memory, or one that was removed.
const NAMELESS: &str = r#"
import os, sys
kind, copy, url = sys.argv[1:]
content = open("/usr/bin/curl", "rb").read()
if kind == "memory":
    file = os.memfd_create("curl", 0)
    os.write(file, content)
else:
    with open(copy, "wb") as opened:
        opened.write(content)
    os.chmod(copy, 0o755)
    file = os.open(copy, os.O_RDONLY)
    os.set_inheritable(file, True)
    os.unlink(copy)
os.execv(f"/proc/self/fd/{file}", ["curl", "-si", "-m", "20", "-H", "Metadata: true", url])
"#;

/// Asks in a child of which its parent traces a thread, the one that asks or another, and prints
/// the answer.
const TRACED: &str = r#"
import ctypes, os, socket, sys, threading
PTRACE_SEIZE = 0x4206
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
which, target = sys.argv[1:]
(told, tell), (ready, go) = os.pipe(), os.pipe()
child = os.fork()
if child == 0:
    done = threading.Event()
    other = threading.Thread(target=done.wait, daemon=True)
    other.start()
    thread = os.getpid() if which == "asking" else other.native_id
    os.write(tell, b"%d" % thread)
    os.read(ready, 1)
    s = socket.create_connection(("169.254.169.254", 80), 20)
    s.sendall(b"GET " + target.encode() + b" HTTP/1.1\r\n"
              b"Host: 169.254.169.254\r\nMetadata: true\r\nConnection: close\r\n\r\n")
    os.write(1, s.recv(65536))
    done.set()
    os._exit(0)
if libc.ptrace(PTRACE_SEIZE, int(os.read(told, 16)), None, None) != 0:
    sys.exit(os.strerror(ctypes.get_errno()))
os.write(go, b"x")
try:
    while True: os.waitpid(-1, 0x40000000)
except ChildProcessError:
    pass
"#;

/// Asks from a root in which every program loads a library first.
const LIST_FOR_ALL: &str = r#"
mkdir "$HOME/root"
mount --rbind / "$HOME/root"
mount -t tmpfs none "$HOME/root/etc"
echo /nowhere/secret.so > "$HOME/root/etc/ld.so.preload"
chroot "$HOME/root" /usr/bin/curl -si -m 20 -H "Metadata: true" "$0"
"#;

/// A guest in Enforce in which these may read what the machine is, and nobody else.
fn only(identity: Identity) -> World {
    let profile = Profile::deny("only").grant_to("read", INSTANCE_PATH, [identity]);
    World::start([GuestPlan::enforce("vm").with_profile(profile)])
}

fn status(command: &Command) -> Option<u16> {
    let output = command.output(LIMIT).unwrap();
    let answer = Answer::parse(&output.stdout_text());
    assert!(answer.status.is_some(), "{output:?}");
    answer.status
}

fn caller(world: &World, number: usize) -> CallerRecord {
    CallerRecord::clone(&world.record("vm", number).caller.unwrap())
}

#[test]
fn service_is_known_by_its_unit_and_a_users_own_of_the_same_name_is_not() {
    let world = only(Identity::named("app").with("systemdUnit", "app.service"));
    let ask_in = |path: &str| {
        let guest = world.guest("vm");
        let cgroup = guest.cgroup().create_below(path).unwrap();
        let curl = Curl::imds(INSTANCE).command(guest, "app");
        status(&curl.in_cgroup(&cgroup))
    };
    assert_eq!(ask_in("system.slice/app.service"), Some(200));
    let seen = caller(&world, 1);
    assert_eq!(
        seen.cgroup_path.as_deref(),
        Some("/system.slice/app.service")
    );
    assert_eq!(seen.unit.as_deref(), Some("app.service"));
    assert_eq!(seen.slice.as_deref(), Some("system.slice"));
    assert!(!seen.parents.is_empty() && seen.parents.len() <= 8);
    let own = "user.slice/user-1001.slice/user@1001.service/app.slice/app.service";
    assert_eq!(ask_in(own), Some(403));
    assert_eq!(caller(&world, 2).unit.as_deref(), Some("user@1001.service"));
    assert_eq!(ask_in("system.slice/app.service/below"), Some(200));
    assert_eq!(ask_in("app.service.d"), Some(403));
    world.end(&[("vm", 4)]);
}

#[test]
fn cgroup_counts_with_everything_below_it_and_a_container_by_its_id() {
    let id = "ab".repeat(32);
    let container = format!("system.slice/docker-{id}.scope");
    let profile = Profile::deny("two").grant_to(
        "read",
        INSTANCE_PATH,
        [
            Identity::named("jobs").with("cgroup", "/batch/jobs"),
            Identity::named("container").with("containerId", id.clone()),
        ],
    );
    let world = World::start([GuestPlan::enforce("vm").with_profile(profile)]);
    let in_user = format!("user.slice/user-1001.slice/user@1001.service/docker-{id}.scope");
    for (path, expected) in [
        ("batch/jobs", 200),
        ("batch/jobs/one", 200),
        ("batch/jobs2", 403),
        (container.as_str(), 200),
        (in_user.as_str(), 403),
    ] {
        let guest = world.guest("vm");
        let cgroup = guest.cgroup().create_below(path).unwrap();
        let curl = Curl::imds(INSTANCE).command(guest, "app");
        assert_eq!(status(&curl.in_cgroup(&cgroup)), Some(expected), "{path}");
    }
    world.record("vm", 5);
    let found = world.system.audit("vm").unwrap()[3].caller.clone().unwrap();
    let found = found.container.clone().unwrap();
    assert_eq!((found.id, found.runtime.as_deref()), (id, Some("docker")));
    world.end(&[("vm", 5)]);
}

/// Copies curl to where every user may run it, and returns the copy and its digest.
fn copy_of_curl(world: &World) -> (PathBuf, String) {
    let copy = world.guest("vm").dir().join("curl");
    std::fs::copy(CURL, &copy).unwrap();
    let sum = world.guest("vm").command("root", "sha256sum").arg(&copy);
    let sum = sum.output(LIMIT).unwrap().stdout_text();
    (copy, sum.split(' ').next().unwrap().to_owned())
}

fn run(world: &World, user: &str, program: &Path) -> Command {
    let command = world.guest("vm").command(user, program);
    command
        .args(["-si", "-m", "20", "-H", "Metadata: true"])
        .arg(format!("http://169.254.169.254{INSTANCE}"))
}

#[test]
fn content_of_an_executable_counts_until_it_is_replaced() {
    let mut world = only(Identity::named("nobody yet").with("exeSha256", vec!["00".repeat(32)]));
    let (copy, digest) = copy_of_curl(&world);
    assert_eq!(status(&run(&world, "app", &copy)), Some(403));
    let listed = Identity::named("this very curl").with("exeSha256", vec![digest.to_uppercase()]);
    let profile = Profile::deny("listed").grant_to("read", INSTANCE_PATH, [listed]);
    world
        .system
        .change("vm", |plan| plan.with_profile(profile))
        .unwrap();
    let is_listed = |status: &AgentStatus| {
        let rules = status.endpoints[0].rules.as_deref();
        rules.is_some_and(|rules| rules.starts_with("listed-"))
    };
    world
        .system
        .wait_for_status("vm", "new rules", is_listed)
        .unwrap();
    assert_eq!(status(&run(&world, "app", &copy)), Some(200));
    assert_eq!(caller(&world, 2).exe_sha256, Some(digest));
    // The same path, user, size and behaviour, but other bytes at the end.
    let mut content = std::fs::read(&copy).unwrap();
    *content.last_mut().unwrap() ^= 1;
    std::fs::write(&copy, content).unwrap();
    assert_eq!(status(&run(&world, "app", &copy)), Some(403));
    world.end(&[("vm", 3)]);
}

fn app_but(forbidden: &[&str]) -> Identity {
    Identity::user("app").with("forbid", forbidden.to_vec())
}

#[test]
fn traced_process_is_refused_where_a_rule_forbids_it() {
    let world = only(app_but(&["traced"]));
    world.expect("vm", "app", &Curl::imds(INSTANCE), 200);
    for (number, which) in [(2, "asking"), (3, "another")] {
        let python = world.guest("vm").command("app", "/usr/bin/python3");
        let traced = python.args(["-c", TRACED, which, INSTANCE]);
        assert_eq!(status(&traced), Some(403), "{which}");
        assert_eq!(caller(&world, number).flags, [Flag::Traced], "{which}");
    }
    world.end(&[("vm", 3)]);
}

#[test]
fn preloaded_process_is_refused_where_a_rule_forbids_it_and_no_value_is_recorded() {
    let world = only(app_but(&["preloaded", "userNamespace"]));
    let curl = Curl::imds(INSTANCE).command(world.guest("vm"), "app");
    assert_eq!(status(&curl), Some(200));
    let preloaded = curl.env("LD_PRELOAD", "/nowhere/secret.so");
    assert_eq!(status(&preloaded), Some(403));
    let seen = caller(&world, 2);
    assert_eq!(
        (seen.flags, seen.preload),
        (vec![Flag::Preloaded], vec!["LD_PRELOAD".to_owned()])
    );
    let unshare = world.guest("vm").command("root", "/usr/bin/unshare");
    let listed = unshare.args(["--mount", "sh", "-e", "-c", LIST_FOR_ALL]);
    let url = format!("http://169.254.169.254{INSTANCE}");
    assert_eq!(status(&listed.arg(url)), Some(403));
    assert_eq!(caller(&world, 3).preload, ["/etc/ld.so.preload"]);
    let records = world.system.audit("vm").unwrap();
    assert!(!serde_json::to_string(&records).unwrap().contains("secret"));
    world.end(&[("vm", 3)]);
}

#[test]
fn environment_that_is_too_long_to_be_read_counts_as_preload() {
    let world = only(app_but(&["preloaded"]));
    let mut curl = Curl::imds(INSTANCE).command(world.guest("vm"), "app");
    for name in ["ONE", "TWO", "THREE"] {
        curl = curl.env(name, "x".repeat(100_000));
    }
    assert_eq!(status(&curl), Some(403));
    let seen = caller(&world, 1);
    assert_eq!(
        (seen.flags, seen.unknown_flags),
        (vec![], vec![Flag::Preloaded])
    );
    world.end(&[("vm", 1)]);
}

#[test]
fn executable_in_memory_or_without_a_name_matches_no_path_and_can_be_forbidden() {
    let copy_of = |user: &str| format!("/tmp/latchkey-nameless-curl-{user}");
    let copies = [copy_of("app"), copy_of("svc")];
    let shown = copies.iter().map(|copy| format!("{copy} (deleted)"));
    let mut paths: Vec<String> = shown.chain(copies.clone()).collect();
    paths.extend([CURL, "/memfd:curl (deleted)", "/memfd:curl"].map(str::to_owned));
    let by_path = paths
        .iter()
        .map(|path| Identity::named(path).with("exePath", path.as_str()));
    let named = Identity::user("svc").with("forbid", vec!["deletedExecutable"]);
    let profile = Profile::deny("paths").grant_to("read", INSTANCE_PATH, by_path.chain([named]));
    let world = World::start([GuestPlan::enforce("vm").with_profile(profile)]);
    let states = [
        ("memory", ExecutableState::Memory),
        ("removed", ExecutableState::Deleted),
    ];
    let mut number = 0;
    for (kind, state) in states {
        for user in ["app", "svc"] {
            let python = world.guest("vm").command(user, "/usr/bin/python3");
            let url = format!("http://169.254.169.254{INSTANCE}");
            let become_curl = python.args(["-c", NAMELESS, kind, &copy_of(user), &url]);
            assert_eq!(status(&become_curl), Some(403), "{kind} {user}");
            number += 1;
            let seen = caller(&world, number);
            assert_eq!(
                (seen.executable_state, seen.executable),
                (Some(state), None)
            );
            assert!(seen.flags.contains(&Flag::DeletedExecutable));
        }
    }
    world.expect("vm", "svc", &Curl::imds(INSTANCE), 200);
    world.end(&[("vm", 5)]);
}

#[test]
fn executable_that_is_seen_through_other_mounts_matches_no_path() {
    let world = only(Identity::named("curl").with("exePath", CURL));
    assert_eq!(status(&run(&world, "root", Path::new(CURL))), Some(200));
    let unshare = world.guest("vm").command("root", "/usr/bin/unshare");
    let elsewhere = unshare.args(["--mount", CURL, "-si", "-m", "20", "-H", "Metadata: true"]);
    let elsewhere = elsewhere.arg(format!("http://169.254.169.254{INSTANCE}"));
    assert_eq!(status(&elsewhere), Some(403));
    let seen = caller(&world, 2);
    let state = Some(ExecutableState::ForeignMountNamespace);
    assert_eq!((seen.executable_state, seen.executable), (state, None));
    world.end(&[("vm", 2)]);
}
