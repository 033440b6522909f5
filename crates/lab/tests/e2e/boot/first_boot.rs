//! cloud-init's first stage as at a machine's first boot: no address yet, DHCP, metadata, goal
//! state, and the report that the machine is ready.

use std::time::Duration;

use latchkey_lab::system::LIMIT;
use latchkey_lab::{Process, Profile, dhcp};
use latchkey_protocol::Reason;
use latchkey_record::audit::Outcome;
use serde_json::Value;

use super::{BOOKWORM, Machine, TRIXIE, VM, allowing, refusing, reports};

/// What every image for Azure sets; the rest would look for disks.
const CONFIGURATION: &str = r#"datasource_list: [ Azure ]
ssh_deletekeys: false
ssh_genkeytypes: []
disable_fs_setup: true
resize_rootfs: false
growpart: { mode: "off" }
"#;

/// How long the stage may take where it succeeds, also across a restart.
const STAGE: Duration = Duration::from_secs(90);

/// Where the stage writes what it does.
const LOG: &str = "/var/log/cloud-init.log";

/// A machine whose interface has lost its address, and what will give it one.
struct FirstBoot {
    machine: Machine,
    dhcp: Process,
}

impl FirstBoot {
    fn prepare(machine: Machine) -> Self {
        let world = &machine.world;
        let dhcp = dhcp::serve(world.system.lab(), world.guest(VM)).unwrap();
        let script = "rm -f /etc/cloud/cloud.cfg.d/90_dpkg.cfg
                      mkdir -p /run/cloud-init && touch /run/cloud-init/enabled
                      ip address flush dev eth0 && ip link set eth0 down";
        let shell = machine
            .root
            .command("root", "sh")
            .args(["-e", "-c", script]);
        let output = shell.output(LIMIT).unwrap();
        assert!(output.success(), "{output:?}");
        machine
            .root
            .write("/etc/cloud/cloud.cfg.d/99_lab.cfg", CONFIGURATION)
            .unwrap();
        Self { machine, dhcp }
    }

    fn start(&self) -> Process {
        let stage = self.machine.root.command("root", "cloud-init");
        stage.args(["--debug", "init", "--local"]).spawn().unwrap()
    }

    /// Waits until the stage has logged something.
    #[track_caller]
    fn wait_for_log(&self, awaited: &str) {
        self.machine.wait_until(awaited, STAGE, |machine| {
            machine
                .root
                .read(LOG)
                .is_ok_and(|log| log.contains(awaited))
        });
    }

    /// Waits for the end of the stage, and checks what the machine then knows of itself.
    #[track_caller]
    fn expect_ready(&self, stage: &mut Process) {
        let status = stage.wait(STAGE).unwrap();
        let log = self.machine.root.read(LOG).unwrap();
        assert!(status.success(), "{status}: {log}");
        let data: Value = self.json("/run/cloud-init/instance-data.json");
        assert_eq!(data["v1"]["cloud_name"], "azure", "{data}");
        assert_eq!(data["v1"]["platform"], "azure", "{data}");
        assert_eq!(data["v1"]["local_hostname"], VM, "{data}");
        assert_eq!(
            data["v1"]["instance_id"], "02aab8a4-74ef-476e-8182-f6d2ba4166a6",
            "{data}"
        );
        let status = self.json("/run/cloud-init/status.json");
        assert_eq!(
            status["v1"]["init-local"]["errors"],
            Value::Array(Vec::new()),
            "{log}"
        );
        let reports = reports(&self.machine);
        assert_eq!(reports.len(), 1, "{reports:?}");
        assert!(reports[0].contains("<State>Ready</State>"), "{reports:?}");
        let leases = self.dhcp.log().unwrap();
        assert!(leases.contains("DHCPACK(vm1) 10.77.1.2"), "{leases}");
        assert!(
            leases.contains("option:245") || leases.contains("option: 245"),
            "{leases}"
        );
    }

    fn json(&self, path: &str) -> Value {
        let text = self.machine.root.read(path).unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

#[track_caller]
fn comes_up(release: &str) {
    let boot = FirstBoot::prepare(Machine::start(allowing(), release));
    let mut stage = boot.start();
    boot.expect_ready(&mut stage);
    assert_eq!(
        boot.machine.observed().values().sum::<usize>(),
        3,
        "{:?}",
        boot.machine.observed()
    );
    boot.machine.end();
}

#[track_caller]
fn is_refused(release: &str) {
    let boot = FirstBoot::prepare(Machine::start(refusing(), release));
    let mut stage = boot.start();
    // It would go on for twenty minutes and more; some tries show how.
    boot.wait_for_log("403 Client Error: Forbidden");
    boot.machine.wait_until("five tries", STAGE, |machine| {
        machine.world.system.audit(VM).unwrap().len() >= 5
    });
    stage.kill().unwrap();
    let records = boot.machine.world.system.audit(VM).unwrap();
    for record in &records {
        assert_eq!(
            (record.outcome, record.reason),
            (Outcome::Refused, Some(Reason::NoMatchingRule)),
            "{record:?}"
        );
    }
    let span = records[4].time.duration_since(records[0].time);
    assert!(span.as_secs() >= 5, "five tries within {span:?}");
    assert_eq!(boot.machine.observed(), super::Targets::new());
    assert_eq!(reports(&boot.machine), [""; 0]);
    boot.machine.end();
}

/// The agent restarts when the stage is between its two services: the `WireServer` refuses it until
/// then.
#[track_caller]
fn comes_up_across_a_restart(release: &str) {
    let plan = allowing().with_wireserver_profile(Profile::deny("closed"));
    let mut boot = FirstBoot::prepare(Machine::start(plan, release));
    let mut stage = boot.start();
    boot.wait_for_log("403 Client Error: Forbidden");
    boot.machine.stop_agent();
    boot.machine
        .world
        .system
        .change(VM, |_| allowing())
        .unwrap();
    boot.wait_for_log("Connection refused");
    boot.machine.world.system.start_agent(VM).unwrap();
    boot.expect_ready(&mut stage);
    boot.machine.end();
}

/// cloud-init takes a connection that is refused for the end of its hopes, at the metadata service;
/// the report of that failure it repeats until somebody takes it.
#[test]
fn slow_first_boot_without_the_agent_reports_failure_once_it_is_back() {
    let mut boot = FirstBoot::prepare(Machine::start(allowing(), BOOKWORM));
    boot.machine.stop_agent();
    let mut stage = boot.start();
    boot.wait_for_log("No OVF or IMDS available");
    assert_eq!(boot.machine.observed(), super::Targets::new());
    boot.machine.world.system.start_agent(VM).unwrap();
    stage.wait(STAGE).unwrap();
    let reports = reports(&boot.machine);
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert!(
        reports[0].contains("<State>NotReady</State>"),
        "{reports:?}"
    );
    boot.machine.end();
}

#[test]
fn slow_first_boot_reports_ready_and_knows_its_instance() {
    comes_up(BOOKWORM);
}

#[test]
fn slow_first_boot_that_is_refused_asks_slowly_and_reports_nothing() {
    is_refused(BOOKWORM);
}

#[test]
fn slow_first_boot_reports_ready_across_a_restart_of_the_agent() {
    comes_up_across_a_restart(BOOKWORM);
}

#[test]
fn slow_first_boot_of_trixie_reports_ready_and_knows_its_instance() {
    comes_up(TRIXIE);
}

#[test]
fn slow_first_boot_of_trixie_that_is_refused_asks_slowly_and_reports_nothing() {
    is_refused(TRIXIE);
}

#[test]
fn slow_first_boot_of_trixie_reports_ready_across_a_restart_of_the_agent() {
    comes_up_across_a_restart(TRIXIE);
}
