//! Whoever changes the kernel's side under a running agent gains a moment at most, in which the host
//! still refuses what is not signed; then it is as it was, and the status says what happened.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use latchkey_lab::curl::Curl;
use latchkey_lab::system::LIMIT;
use latchkey_lab::{GuestPlan, wait};
use latchkey_record::AgentStatus;
use latchkey_record::protection::{AlarmStatus, Tier};

use crate::world::{INSTANCE, World};

/// The commands of somebody who has root and knows bpf(2).
const STRANGER: &str = include_str!("../../../intercept/tests/kernel/stranger.py");

/// Does one of them. It acts on pins of this test alone.
#[track_caller]
fn stranger(command: &[&str]) {
    let done = Command::new("python3")
        .args(["-c", STRANGER])
        .args(command)
        .status()
        .unwrap();
    assert!(done.success(), "{command:?}");
}

fn pin(world: &World, name: &str) -> PathBuf {
    world.guest("vm").pin_dir().join(name)
}

fn alarm<'a>(status: &'a AgentStatus, code: &str) -> Option<&'a AlarmStatus> {
    let alarms = &status.protection.as_ref()?.alarms;
    alarms.iter().find(|alarm| alarm.code == code)
}

/// Waits until an alarm was raised for the nth time and is over, and everything is well again.
#[track_caller]
fn wait_until_restored(world: &mut World, code: &str, count: u64) -> AlarmStatus {
    let status = world.system.wait_for_status("vm", code, |status| {
        let found = alarm(status, code);
        status.healthy && found.is_some_and(|alarm| alarm.count == count && alarm.restored)
    });
    let status = status.unwrap();
    let protection = status.protection.as_ref().unwrap();
    assert_eq!(protection.tier, Tier::Full);
    assert!(protection.programs.iter().all(|program| program.attached));
    alarm(&status, code).unwrap().clone()
}

fn counted(status: &AgentStatus, name: &str) -> u64 {
    let counters = status.counters.iter();
    let found = counters.filter(|(counter, _)| counter == name);
    found.map(|(_, value)| value).sum()
}

#[test]
fn removed_pins_come_back_and_every_request_is_brokered_meanwhile() {
    let mut world = World::start([GuestPlan::enforce("vm")]);
    let status = world.system.wait_until_served("vm").unwrap();
    assert_eq!(status.protection.unwrap().alarms, []);
    world.expect("vm", "app", &Curl::imds(INSTANCE), 200);

    fs::remove_file(pin(&world, "link_connect4")).unwrap();
    world.expect("vm", "app", &Curl::imds(INSTANCE), 200);
    let alarm = wait_until_restored(&mut world, "pin_removed", 1);
    assert!(alarm.detail.ends_with("link_connect4"), "{alarm:?}");
    assert!(pin(&world, "link_connect4").exists());

    let directory = world.guest("vm").pin_dir().to_owned();
    fs::remove_dir_all(&directory).unwrap();
    world.expect("vm", "app", &Curl::imds(INSTANCE), 200);
    wait_until_restored(&mut world, "pin_directory_gone", 1);
    assert!(directory.join("map_settings").exists());

    let status = world.system.wait_for_status("vm", "two alarms", |status| {
        counted(status, "protection_restored") == 2
    });
    assert_eq!(counted(&status.unwrap(), "protection_alarms"), 2);
    world.expect("vm", "app", &Curl::imds(INSTANCE), 200);
    // What came back holds without the agent too.
    world.record("vm", 4);
    world.system.kill_agent("vm").unwrap();
    world.expect_no_connection("vm", "app", &Curl::imds(INSTANCE));
    world.system.start_agent("vm").unwrap();
    world.system.wait_until_served("vm").unwrap();
    world.end(&[("vm", 4)]);
}

#[test]
fn detached_or_exchanged_program_comes_back_and_in_the_gap_nothing_is_accepted() {
    let mut world = World::start([GuestPlan::enforce("vm")]);
    world.expect("vm", "app", &Curl::imds(INSTANCE), 200);
    let link = pin(&world, "link_connect4").display().to_string();
    let mut brokered = 1;
    let deeds: [(&str, &[&str]); 2] = [
        ("link_detached", &["detach", &link]),
        (
            "program_replaced",
            &["exchange", &link, "connect4", "allow"],
        ),
    ];
    for (code, deed) in deeds {
        stranger(deed);
        // Either the moment is over already, or the guard on packets stands in the way.
        let answer = world.ask("vm", "app", &Curl::imds(INSTANCE));
        match answer.status {
            Some(200) => brokered += 1,
            status => assert_eq!(status, None, "{answer:?}"),
        }
        wait_until_restored(&mut world, code, 1);
        world.expect("vm", "app", &Curl::imds(INSTANCE), 200);
        brokered += 1;
    }
    let accepted = world
        .observed("vm")
        .into_iter()
        .filter(|seen| seen.accepted);
    assert_eq!(accepted.count(), brokered);
    world.end(&[("vm", brokered)]);
}

#[test]
fn what_is_done_again_is_counted_and_restored_again() {
    let mut world = World::start([GuestPlan::enforce("vm")]);
    for count in 1..=3 {
        fs::remove_file(pin(&world, "map_endpoints")).unwrap();
        let alarm = wait_until_restored(&mut world, "pin_removed", count);
        assert_eq!(alarm.count == 1, alarm.first == alarm.last);
    }
    world.end(&[("vm", 0)]);
}

#[test]
fn what_cannot_be_restored_is_shown_until_it_can() {
    let mut world = World::start([GuestPlan::enforce("vm")]);
    world.system.wait_until_served("vm").unwrap();
    // A directory has taken the name of the pin.
    let taken = pin(&world, "link_bind4");
    fs::remove_file(&taken).unwrap();
    fs::create_dir(&taken).unwrap();
    let status = world.system.wait_for_status("vm", "a problem", |status| {
        let problem = alarm(status, "pin_exchanged").and_then(|alarm| alarm.problem.as_ref());
        !status.healthy && problem.is_some_and(|problem| problem.contains("link_bind4"))
    });
    // Only the pin is missing: the program itself runs.
    assert_eq!(status.unwrap().protection.unwrap().tier, Tier::Full);
    world.expect("vm", "app", &Curl::imds(INSTANCE), 200);
    fs::remove_dir(&taken).unwrap();
    let alarm = wait_until_restored(&mut world, "pin_exchanged", 1);
    assert_eq!(alarm.problem, None);
    world.end(&[("vm", 1)]);
}

#[test]
fn cgroup_program_of_somebody_else_is_in_the_status() {
    let mut world = World::start([GuestPlan::enforce("vm")]);
    world.system.wait_until_served("vm").unwrap();
    world.system.kill_agent("vm").unwrap();
    let cgroup = world.guest("vm").cgroup().path().display().to_string();
    stranger(&["attach-without-link", "multi", &cgroup, "egress", "allow"]);
    world.system.start_agent("vm").unwrap();
    world.system.wait_until_served("vm").unwrap();
    let status = world.system.wait_for_status("vm", "a neighbour", |status| {
        let protection = status.protection.as_ref();
        let surroundings = protection.and_then(|each| each.surroundings.as_ref());
        surroundings.is_some_and(|all| all.neighbours.iter().any(|each| each.cgroup == cgroup))
    });
    let around = status.unwrap().protection.unwrap().surroundings.unwrap();
    let found = around.neighbours.iter().find(|each| each.cgroup == cgroup);
    let found = found.unwrap();
    assert_eq!(
        (
            found.hook.as_str(),
            found.name.as_str(),
            found.effects.as_slice()
        ),
        ("egress", "stranger_allow", &["refuse".to_owned()][..])
    );
    world.expect("vm", "app", &Curl::imds(INSTANCE), 200);
    world.end(&[("vm", 1)]);
}

#[test]
fn protection_goes_with_the_pins_once_the_agent_is_stopped() {
    let mut world = World::start([GuestPlan::enforce("vm")]);
    assert!(world.system.terminate_agent("vm").unwrap().success());
    world.expect_no_connection("vm", "app", &Curl::imds(INSTANCE));
    // As the README says it.
    let directory = world.guest("vm").pin_dir().display().to_string();
    let removed = Command::new("rm")
        .args(["-r", &directory])
        .status()
        .unwrap();
    assert!(removed.success());
    // The kernel lets go of the last references a little later.
    let answered = wait::until(LIMIT, || {
        let answer = Curl::imds(INSTANCE).run(world.guest("vm"), "app")?;
        Ok::<_, latchkey_lab::ProcessError>(answer.status)
    });
    // The host answers now, and refuses by itself.
    assert!(answered.unwrap().is_some_and(|status| status != 200));
    fs::create_dir(&directory).unwrap();
    world.end_with_strays(&[], 1);
}
