//! Networks behind the guest: containers and virtual machines that it forwards for, and address
//! translation in the guest itself.
//!
//! What runs in a container is in the guest's control group. A nested virtual machine is not: its
//! packets come from no socket that any program sees, and so do those of this test's own process.

use std::process;

use latchkey_lab::Process;
use latchkey_lab::system::LIMIT;

use crate::trial::{Report, Trial, trial};

/// A network namespace within the guest.
struct Inner {
    process: Process,
}

impl Inner {
    /// Makes one with no more than a loopback device.
    fn make(trial: &Trial) -> Self {
        let command = trial.command("root", "/usr/bin/unshare");
        let script = "ip link set lo up; echo ready; exec sleep 60";
        let mut process = command
            .args(["--net", "sh", "-euc", script])
            .spawn()
            .unwrap();
        process.wait_for_line("ready", LIMIT).unwrap();
        Self { process }
    }

    /// Makes one behind a veth, whose packets the guest forwards in its own name.
    fn behind_a_veth(trial: &Trial) -> Self {
        let inner = Self::make(trial);
        trial.prepare(&format!(
            "ip link add ct0 type veth peer name eth0 netns {pid}
             ip address add 10.88.0.1/24 dev ct0
             ip link set ct0 up
             nsenter --net=/proc/{pid}/ns/net sh -euc '
                 ip address add 10.88.0.2/24 dev eth0
                 ip link set eth0 up
                 ip route add default via 10.88.0.1'
             echo 1 >/proc/sys/net/ipv4/ip_forward
             nft 'add table ip latchkey-test'
             nft 'add chain ip latchkey-test out {{ type nat hook postrouting priority 100 ; }}'
             nft 'add rule ip latchkey-test out ip saddr 10.88.0.0/24 masquerade'",
            pid = inner.process.pid()
        ));
        inner
    }

    /// Makes one with a device of its own on the guest's uplink.
    fn on_a_macvlan(trial: &Trial) -> Self {
        let inner = Self::make(trial);
        trial.prepare(&format!(
            "ip link add mv0 link eth0 netns {pid} type macvlan mode bridge
             nsenter --net=/proc/{pid}/ns/net sh -euc '
                 ip address add '${{GATEWAY%.*}}'.3/24 dev mv0
                 ip link set mv0 up
                 ip route add 169.254.169.254/32 dev mv0'",
            pid = inner.process.pid()
        ));
        inner
    }

    fn enter(&self) -> String {
        format!("--net=/proc/{}/ns/net", self.process.pid())
    }

    /// Asks as a container does, from within the guest's control group.
    #[track_caller]
    fn ask(&self, trial: &Trial) -> Report {
        let script = format!(r#"exec nsenter {} "$OTHER" stream"#, self.enter());
        trial.script("root", &script)
    }

    /// Asks as a nested machine does, from outside of it.
    #[track_caller]
    fn ask_unseen(&self, trial: &Trial) -> Report {
        let output = process::Command::new("nsenter")
            .arg(self.enter())
            .arg(trial.other())
            .arg("stream")
            .stdin(process::Stdio::null())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

#[test]
fn container_is_refused_when_it_connects() {
    let trial = trial!();
    let report = Inner::behind_a_veth(&trial).ask(&trial);
    trial.concludes(&report, "root");
}

#[test]
fn packets_that_the_guest_forwards_go_nowhere() {
    let trial = trial!();
    let report = Inner::behind_a_veth(&trial).ask_unseen(&trial);
    trial.concludes(&report, "root");
}

#[test]
fn device_of_a_container_on_the_uplink_is_refused_when_it_connects() {
    let trial = trial!();
    let report = Inner::on_a_macvlan(&trial).ask(&trial);
    trial.concludes(&report, "root");
}

#[test]
fn packets_of_another_device_on_the_uplink_go_nowhere() {
    let trial = trial!();
    let report = Inner::on_a_macvlan(&trial).ask_unseen(&trial);
    trial.concludes(&report, "root");
}

#[test]
fn address_that_the_guest_translates_to_the_endpoint_goes_nowhere() {
    let trial = trial!();
    trial.prepare(
        "ip route add 10.66.66.66/32 dev eth0
         nft 'add table ip latchkey-test'
         nft 'add chain ip latchkey-test out { type nat hook output priority -100 ; }'
         nft 'add rule ip latchkey-test out ip daddr 10.66.66.66 dnat to 169.254.169.254'",
    );
    trial.proves("app", &["stream", "to=10.66.66.66"]);
}
