//! This machine itself as a guest: it takes the link of a lab's guest into its own network.

use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use latchkey_lab::curl::Answer;
use latchkey_lab::network::{GUEST_INTERFACE, METADATA_ADDRESS, WIRESERVER_ADDRESS};
use latchkey_lab::system::LIMIT;
use latchkey_lab::{GuestPlan, System, cgroup, wait};
use latchkey_record::observation::SignatureFinding;

/// What the kernel's command line of a machine holds that nobody misses.
const DISPOSABLE: &str = "latchkey.disposable";

/// The name of the guest whose place this machine takes.
const GUEST: &str = "vm";

/// Sends a datagram to the metadata service and ends with the number of the error, or with 0.
const DATAGRAM: &str = "import socket, sys
try:
    socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('169.254.169.254', 80))
except OSError as error:
    sys.exit(error.errno)";

/// As [`DATAGRAM`], for a connection.
const CONNECTION: &str = "import socket, sys
sys.exit(socket.socket().connect_ex(('169.254.169.254', 80)))";

/// `ECONNREFUSED` and `EPERM` of `asm-generic/errno.h`.
const CONNECTION_REFUSED: i32 = 111;
const NOT_PERMITTED: i32 = 1;

/// Refuses to go on anywhere but in a virtual machine without a network that is made for tests.
///
/// # Panics
/// This is another machine.
pub(crate) fn assert_disposable() {
    let line = fs::read_to_string("/proc/cmdline").unwrap();
    assert!(
        line.split_whitespace().any(|word| word == DISPOSABLE),
        "not run: the programs would intercept every process of this machine"
    );
    for device in fs::read_dir("/sys/class/net").unwrap() {
        let hardware = device.unwrap().path().join("device");
        assert!(
            !hardware.exists(),
            "not run: {} leads out of this machine",
            hardware.display()
        );
    }
}

/// This machine, with a host behind the link.
pub(crate) struct Machine {
    system: System,
}

impl Machine {
    /// Starts the host, and brings the end of the guest's link over to this machine.
    pub(crate) fn start(plan: GuestPlan) -> Self {
        let system = System::builder()
            .guest(plan.without_agent())
            .start()
            .unwrap();
        let guest = system.guest(GUEST).unwrap();
        let address = guest.address();
        let moved = guest
            .command("root", "ip")
            .args(["link", "set", GUEST_INTERFACE, "netns", "1"])
            .output(LIMIT)
            .unwrap();
        assert_eq!(moved.code(), Some(0), "{moved:?}");
        ip(&format!("address add {address}/24 dev {GUEST_INTERFACE}"));
        ip(&format!("link set {GUEST_INTERFACE} up"));
        for endpoint in [METADATA_ADDRESS, WIRESERVER_ADDRESS] {
            ip(&format!(
                "route add {endpoint}/32 dev {GUEST_INTERFACE} src {address}"
            ));
        }
        Self { system }
    }

    /// Does `work` while this process, and all that it starts, is in a new control group.
    pub(crate) fn in_new_cgroup(&self, name: &str, work: impl FnOnce(&Self)) {
        let root = cgroup::root().unwrap();
        let group = root.join(name);
        fs::create_dir(&group).unwrap();
        join(&group);
        work(self);
        join(&root);
        fs::remove_dir(&group).unwrap();
    }

    /// Makes a request and expects an answer of this status.
    #[track_caller]
    pub(crate) fn expect(&self, user: &str, url: &str, status: u16) {
        let answer = ask(user, url);
        assert_eq!(answer.status, Some(status), "{user}: {answer:?}");
    }

    /// Makes a request again and again until it is answered with this status.
    #[track_caller]
    pub(crate) fn wait_for_status(&self, user: &str, url: &str, status: u16) {
        let found = wait::until(LIMIT, || {
            let is_it = ask(user, url).status == Some(status);
            Ok::<_, Infallible>(is_it.then_some(()))
        });
        assert_eq!(found, Ok(Some(())), "{user}: {:?}", ask(user, url));
    }

    /// Makes a request and expects that the kernel refuses the connection.
    #[track_caller]
    pub(crate) fn expect_no_connection(&self, user: &str, url: &str) {
        let answer = ask(user, url);
        assert_eq!((answer.exit, answer.status), (Some(7), None), "{answer:?}");
    }

    /// Connects by way of a wrapper, and expects that the kernel's programs refuse.
    #[track_caller]
    pub(crate) fn expect_refused_connection(&self, what: &str, wrapper: &[&str]) {
        let output = python(wrapper, CONNECTION);
        assert_eq!(
            output.status.code(),
            Some(CONNECTION_REFUSED),
            "{what}: {output:?}"
        );
    }

    /// Sends a datagram and expects that the kernel's programs refuse.
    #[track_caller]
    pub(crate) fn expect_refused_datagram(&self) {
        let output = python(&["env"], DATAGRAM);
        let code = output.status.code();
        assert!(
            [Some(CONNECTION_REFUSED), Some(NOT_PERMITTED)].contains(&code),
            "{output:?}"
        );
    }

    /// Waits until the host has observed requests with these signatures, and no others.
    #[track_caller]
    pub(crate) fn expect_observed(&self, signatures: &[SignatureFinding]) {
        let seen = || {
            let seen = self.system.observed(GUEST).unwrap();
            seen.iter().map(|seen| seen.signature).collect::<Vec<_>>()
        };
        let found = wait::until(LIMIT, || {
            Ok::<_, Infallible>((seen().len() >= signatures.len()).then_some(()))
        });
        assert_eq!(found, Ok(Some(())), "{:?}", seen());
        assert_eq!(seen(), signatures);
    }

    pub(crate) fn stop(self) {
        self.system.stop().unwrap();
    }
}

/// Moves this process into a control group.
fn join(group: &Path) {
    let procs: PathBuf = group.join("cgroup.procs");
    fs::write(procs, std::process::id().to_string()).unwrap();
}

/// Makes a request from this machine as one of its users.
fn ask(user: &str, url: &str) -> Answer {
    let output = Command::new("setpriv")
        .args(["--reuid", user, "--clear-groups", "curl"])
        .args(["--disable", "--silent", "--show-error", "--include"])
        .args(["--max-time", "20", "--header", "Metadata: true", url])
        .output()
        .unwrap();
    let mut answer = Answer::parse(&String::from_utf8(output.stdout).unwrap());
    answer.exit = output.status.code();
    answer.said = String::from_utf8(output.stderr).unwrap();
    answer
}

fn python(wrapper: &[&str], script: &str) -> Output {
    let (program, arguments) = wrapper.split_first().unwrap();
    Command::new(program)
        .args(arguments)
        .args(["python3", "-c", script])
        .output()
        .unwrap()
}

#[track_caller]
fn ip(arguments: &str) {
    let output = Command::new("ip")
        .args(arguments.split(' '))
        .output()
        .unwrap();
    assert!(output.status.success(), "ip {arguments}: {output:?}");
}
