//! What somebody takes away or exchanges is found, opens nothing that need not be open, and is
//! brought back.

use std::fs;
use std::path::PathBuf;

use latchkey_intercept::{
    AgentProcess, Finding, InterceptError, InterceptMode, Interceptor, Problem, attachments, detach,
};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

use crate::stranger::Stranger;
use crate::world::{METADATA, World, in_world};

fn pin(world: &World, name: &str) -> PathBuf {
    world.config.pin_dir.join(name)
}

/// The others hang on tracepoints and cannot be detached.
const CGROUP_LINKS: usize = 10;

fn found(interceptor: &Interceptor) -> Vec<(Problem, String)> {
    let findings = interceptor.check().into_iter();
    findings
        .map(|Finding { problem, subject }| (problem, subject))
        .collect()
}

/// Returns the programs that do not run although this kernel could run them.
fn detached(interceptor: &Interceptor) -> Vec<&'static str> {
    let programs = interceptor.programs().into_iter();
    let detached = programs.filter(|program| !program.is_attached && program.missing.is_none());
    detached.map(|program| program.name).collect()
}

#[track_caller]
fn assert_restored(world: &World, interceptor: &mut Interceptor) {
    interceptor.restore().unwrap();
    assert_eq!(found(interceptor), []);
    assert_eq!(detached(interceptor), Vec::<&str>::new());
    let attached = attachments(&world.config.pin_dir).unwrap();
    assert_eq!(attached.len(), CGROUP_LINKS);
    let mut caller = world.caller();
    assert_eq!(caller.connect("INET tcp", METADATA), "ECONNREFUSED");
}

#[test]
fn what_was_just_attached_is_as_it_should_be() {
    in_world(|world| {
        let mut interceptor = world.attach(InterceptMode::Enforce);
        assert_eq!(found(&interceptor), []);
        interceptor.claim(world.netns()).unwrap();
        assert_eq!(found(&interceptor), []);
        interceptor.restore().unwrap();
        assert_eq!(found(&interceptor), []);
    });
}

#[test]
fn removed_pin_detaches_nothing_and_comes_back_with_the_same_link() {
    in_world(|world| {
        let mut interceptor = world.attach(InterceptMode::Enforce);
        let before = attachments(&world.config.pin_dir).unwrap();
        for name in ["link_connect4", "map_endpoints"] {
            fs::remove_file(pin(world, name)).unwrap();
            let gone = pin(world, name).display().to_string();
            assert_eq!(found(&interceptor), [(Problem::PinRemoved, gone)]);
            let mut caller = world.caller();
            assert_eq!(caller.connect("INET tcp", METADATA), "ECONNREFUSED");
            assert_restored(world, &mut interceptor);
        }
        assert_eq!(attachments(&world.config.pin_dir).unwrap(), before);
    });
}

#[test]
fn removed_directory_of_pins_detaches_nothing_and_comes_back() {
    in_world(|world| {
        let mut interceptor = world.attach(InterceptMode::Enforce);
        fs::remove_dir_all(&world.config.pin_dir).unwrap();
        let gone = world.config.pin_dir.display().to_string();
        assert_eq!(found(&interceptor), [(Problem::PinDirectoryGone, gone)]);
        let mut caller = world.caller();
        assert_eq!(caller.connect("INET tcp", METADATA), "ECONNREFUSED");
        assert_restored(world, &mut interceptor);
        // The next agent finds the maps of this one.
        drop(interceptor);
        drop(Interceptor::attach(&world.config).unwrap());
        assert_eq!(caller.connect("INET tcp", METADATA), "ECONNREFUSED");
    });
}

#[test]
fn detached_link_is_found_and_attached_again() {
    in_world(|world| {
        let mut interceptor = world.attach(InterceptMode::Enforce);
        let link = pin(world, "link_connect4");
        Stranger::start().does(&format!("detach {}", link.display()));
        assert_eq!(
            found(&interceptor),
            [(Problem::LinkDetached, "connect4".to_owned())]
        );
        assert_eq!(detached(&interceptor), ["connect4"]);
        assert_restored(world, &mut interceptor);
    });
}

#[test]
fn links_that_were_all_detached_are_all_attached_again() {
    in_world(|world| {
        let mut interceptor = world.attach(InterceptMode::Enforce);
        detach(&world.config.pin_dir).unwrap();
        // These, and the directory of pins.
        assert_eq!(found(&interceptor).len(), CGROUP_LINKS + 1);
        assert_restored(world, &mut interceptor);
    });
}

#[test]
fn program_that_was_exchanged_is_found_and_put_back_into_the_same_link() {
    in_world(|world| {
        let mut interceptor = world.attach(InterceptMode::Enforce);
        let before = attachments(&world.config.pin_dir).unwrap();
        let link = pin(world, "link_connect4");
        Stranger::start().does(&format!("exchange {} connect4 allow", link.display()));
        assert_eq!(
            found(&interceptor),
            [(Problem::ProgramReplaced, "connect4".to_owned())]
        );
        assert_restored(world, &mut interceptor);
        assert_eq!(attachments(&world.config.pin_dir).unwrap(), before);
    });
}

#[test]
fn pin_that_leads_elsewhere_is_found_and_replaced() {
    in_world(|world| {
        let mut interceptor = world.attach(InterceptMode::Enforce);
        for (from, to) in [
            ("link_connect4", "link_connect6"),
            ("map_flows", "map_heartbeat"),
            ("map_counters", "link_bind4"),
            ("link_bind6", "map_settings"),
        ] {
            let [from, to] = [from, to].map(|name| pin(world, name));
            fs::rename(&from, &to).unwrap();
            let mut expected = [
                (Problem::PinRemoved, from.display().to_string()),
                (Problem::PinExchanged, to.display().to_string()),
            ];
            let mut findings = found(&interceptor);
            findings.sort_by(|a, b| a.1.cmp(&b.1));
            expected.sort_by(|a, b| a.1.cmp(&b.1));
            assert_eq!(findings, expected);
            assert_restored(world, &mut interceptor);
        }
    });
}

#[test]
fn programs_follow_to_the_cgroup_that_takes_the_place_of_a_removed_one() {
    in_world(|world| {
        let child = world.cgroup.join("child");
        fs::create_dir(&child).unwrap();
        let mut config = world.config.clone();
        config.cgroup.clone_from(&child);
        let mut interceptor = Interceptor::attach(&config).unwrap();
        fs::remove_dir(&child).unwrap();
        let gone = (Problem::CgroupGone, child.display().to_string());
        assert!(found(&interceptor).contains(&gone));
        assert!(interceptor.restore().is_err());
        assert!(found(&interceptor).contains(&gone));

        fs::create_dir(&child).unwrap();
        assert!(found(&interceptor).contains(&gone));
        interceptor.restore().unwrap();
        assert_eq!(found(&interceptor), []);
        assert_eq!(detached(&interceptor), Vec::<&str>::new());
    });
}

#[test]
fn covered_bpf_file_system_is_found_and_pinned_in_anew() {
    in_world(|world| {
        let mut interceptor = world.attach(InterceptMode::Enforce);
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, private, None::<&str>).unwrap();
        let cover = |kind| {
            let root = world.config.pin_dir.parent().unwrap();
            let none = None::<&str>;
            mount(Some("none"), root, Some(kind), MsFlags::empty(), none).unwrap();
            root
        };
        let shown = world.config.pin_dir.display().to_string();
        let root = cover("bpf");
        assert_eq!(
            found(&interceptor),
            [(Problem::BpffsCovered, shown.clone())]
        );
        assert_restored(world, &mut interceptor);
        // Uncovered again, the old pins are there and lead to the same links.
        umount2(root, MntFlags::MNT_DETACH).unwrap();
        assert_eq!(
            found(&interceptor),
            [(Problem::BpffsCovered, shown.clone())]
        );
        assert_restored(world, &mut interceptor);

        cover("tmpfs");
        assert_eq!(found(&interceptor), [(Problem::BpffsGone, shown)]);
        assert_restored(world, &mut interceptor);
    });
}

#[test]
fn agent_steps_back_for_a_living_one_and_takes_the_place_of_a_dead_one() {
    in_world(|world| {
        let mut interceptor = world.attach(InterceptMode::Enforce);
        interceptor.claim(world.netns()).unwrap();
        let mut second = Interceptor::attach(&world.config).unwrap();
        let other = world.caller();
        let process = AgentProcess::of(other.pid()).unwrap();
        second.claim_for(process, world.netns()).unwrap();

        let rival = (
            Problem::ClaimedByAnother,
            format!("process {}", other.pid()),
        );
        assert!(found(&interceptor).contains(&rival));
        let refusal = interceptor.restore().unwrap_err();
        assert!(
            matches!(refusal, InterceptError::ClaimedByAnother(pid) if pid == other.pid()),
            "{refusal:?}"
        );
        interceptor.heartbeat().unwrap();
        assert_eq!(found(&second), [], "the second agent was disturbed");

        drop(other);
        let changed = (Problem::SettingsChanged, "map_settings".to_owned());
        assert!(found(&interceptor).contains(&changed));
        interceptor.restore().unwrap();
        assert_eq!(found(&interceptor), []);
    });
}

#[test]
fn endpoints_and_heartbeat_of_somebody_else_are_found_and_written_over() {
    in_world(|world| {
        let mut interceptor = world.attach(InterceptMode::Enforce);
        let mut second = Interceptor::attach(&world.config).unwrap();
        interceptor.restore().unwrap();
        interceptor.heartbeat().unwrap();
        assert_eq!(found(&interceptor), []);
        second.protect(&[]).unwrap();
        second.heartbeat().unwrap();
        assert_eq!(
            found(&interceptor),
            [
                (Problem::HeartbeatForeign, "map_heartbeat".to_owned()),
                (Problem::EndpointsChanged, "map_endpoints".to_owned())
            ]
        );
        interceptor.restore().unwrap();
        assert_eq!(found(&interceptor), []);
        let mut caller = world.caller();
        assert_eq!(caller.connect("INET tcp", METADATA), "ok");
        world.accept();
    });
}
