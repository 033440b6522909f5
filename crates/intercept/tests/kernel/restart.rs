//! Programs are exchanged under way; nothing passes meanwhile, and detaching leaves nothing.

use std::fs;
use std::num::NonZeroU32;
use std::sync::mpsc::{self, TryRecvError};
use std::thread;
use std::time::Duration;

use aya::maps::{Array, Map, MapData};
use latchkey_intercept::{
    Counter, InterceptError, InterceptMode, Interceptor, KernelLimits, attachments, detach,
};

use crate::world::{METADATA, METADATA_MAPPED, accept, count, has_connection, in_world};

/// More than anybody here connects.
const MILLION: NonZeroU32 = NonZeroU32::new(1_000_000).unwrap();

#[test]
fn second_agent_keeps_the_links_and_brings_its_own_programs() {
    in_world(|world| {
        drop(world.attach(InterceptMode::Enforce));
        let before = attachments(&world.config.pin_dir).unwrap();
        drop(Interceptor::attach(&world.config).unwrap());
        let after = attachments(&world.config.pin_dir).unwrap();
        assert_eq!(before.len(), 10);
        assert_eq!(after.len(), 10);
        for (old, new) in before.iter().zip(&after) {
            assert_eq!((old.program, old.link_id), (new.program, new.link_id));
            assert_ne!(old.program_id, new.program_id, "{}", old.program);
            assert_eq!(old.cgroup_id, new.cgroup_id);
        }
    });
}

#[test]
fn nothing_passes_while_programs_are_exchanged() {
    in_world(|world| {
        drop(world.attach(InterceptMode::Enforce));
        let mut caller = world.caller();
        assert_eq!(caller.ask(&format!("start-connecting {METADATA}")), "ok");
        for _ in 0..20 {
            drop(Interceptor::attach(&world.config).unwrap());
        }
        let attempts = caller.attempts_that_all_failed();
        assert!(!has_connection(&world.metadata, Duration::ZERO));
        let interceptor = Interceptor::attach(&world.config).unwrap();
        assert_eq!(count(&interceptor, Counter::AgentGoneRefused), attempts);
    });
}

#[test]
fn no_connection_is_lost_while_another_agent_brings_its_programs() {
    in_world(|world| {
        let mut config = world.config.clone();
        config.limits = KernelLimits {
            connects_per_second: MILLION,
            burst: MILLION,
            ..config.limits
        };
        let agent = world.limited_agent(config.limits, InterceptMode::Enforce);
        let mut caller = world.caller();
        let (stop, stopped) = mpsc::channel::<()>();
        thread::scope(|scope| {
            scope.spawn(move || {
                while stopped.try_recv() == Err(TryRecvError::Empty) {
                    if has_connection(&world.listener, Duration::from_millis(20)) {
                        world.accept();
                    }
                }
            });
            assert_eq!(caller.ask(&format!("start-connecting {METADATA}")), "ok");
            for _ in 0..10 {
                drop(Interceptor::attach(&config).unwrap());
            }
            let answer = caller.ask("stop-connecting");
            drop(stop);
            let (successes, attempts) = answer.split_once(" of ").unwrap();
            assert_eq!(successes, attempts);
            let attempts: u64 = attempts.parse().unwrap();
            assert!(attempts > 0);
            assert_eq!(count(&agent, Counter::Redirected), attempts);
        });
        assert!(!has_connection(&world.metadata, Duration::ZERO));
    });
}

#[test]
fn connection_that_waits_for_the_next_agent_keeps_its_record() {
    in_world(|world| {
        drop(world.agent(InterceptMode::Enforce));
        let mut caller = world.caller();
        let interceptor = Interceptor::attach(&world.config).unwrap();
        interceptor.heartbeat().unwrap();
        assert_eq!(caller.connect("INET tcp", METADATA), "ok");
        drop(interceptor);

        let next = Interceptor::attach(&world.config).unwrap();
        let (stream, _) = world.accept();
        let record = next.flows().take(&stream).unwrap().expect("a flow record");
        assert_eq!(record.pid, caller.pid());
    });
}

#[test]
fn programs_follow_to_a_new_cgroup_when_the_old_one_is_gone() {
    in_world(|world| {
        let old = world.cgroup.join("old");
        fs::create_dir(&old).unwrap();
        let mut config = world.config.clone();
        config.cgroup.clone_from(&old);
        drop(Interceptor::attach(&config).unwrap());
        fs::remove_dir(&old).unwrap();

        drop(world.attach(InterceptMode::Enforce));
        let mut caller = world.caller();
        assert_eq!(caller.connect("INET tcp", METADATA), "ECONNREFUSED");
        assert_eq!(attachments(&config.pin_dir).unwrap().len(), 10);
    });
}

#[test]
fn detaching_opens_the_endpoint_and_leaves_nothing() {
    in_world(|world| {
        let interceptor = world.attach(InterceptMode::Enforce);
        let mut caller = world.caller();
        assert_eq!(caller.connect("INET tcp", METADATA), "ECONNREFUSED");
        detach(&world.config.pin_dir).unwrap();
        assert_eq!(caller.connect("INET tcp", METADATA), "ok");
        accept(&world.metadata);
        assert!(!world.config.pin_dir.exists());
        assert_eq!(attachments(&world.config.pin_dir).unwrap(), []);
        drop(interceptor);
        detach(&world.config.pin_dir).unwrap();
    });
}

#[test]
fn maps_of_another_layout_version_are_refused_and_left_alone() {
    in_world(|world| {
        drop(world.attach(InterceptMode::Enforce));
        let programs = attachments(&world.config.pin_dir).unwrap();
        let data = MapData::from_pin(world.config.pin_dir.join("map_settings")).unwrap();
        let mut settings: Array<_, [u8; 80]> =
            Map::from_map_data(data).unwrap().try_into().unwrap();
        let mut value = settings.get(&0, 0).unwrap();
        value[4] += 1;
        settings.set(0, value, 0).unwrap();

        let refusal = Interceptor::attach(&world.config).unwrap_err();
        assert!(
            matches!(refusal, InterceptError::PinnedByOther { .. }),
            "{refusal:?}"
        );
        assert_eq!(attachments(&world.config.pin_dir).unwrap(), programs);
        let mut caller = world.caller();
        assert_eq!(caller.connect("INET tcp", METADATA), "ECONNREFUSED");
    });
}

#[test]
fn maps_of_another_shape_are_refused() {
    in_world(|world| {
        drop(world.attach(InterceptMode::Enforce));
        let pin = |name| world.config.pin_dir.join(name);
        fs::rename(pin("map_heartbeat"), pin("map_flows")).unwrap();
        let refusal = Interceptor::attach(&world.config).unwrap_err();
        assert!(
            matches!(refusal, InterceptError::PinnedByOther { .. }),
            "{refusal:?}"
        );
    });
}

#[test]
fn attaching_that_fails_half_way_leaves_every_hook_with_a_program_and_the_agent_as_it_was() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        // The last hook cannot be attached: something else has the name of its pin.
        let pin = |name| world.config.pin_dir.join(name);
        fs::rename(pin("link_bind6"), pin("link_connect6")).unwrap();
        let refusal = Interceptor::attach(&world.config).unwrap_err();
        assert!(
            matches!(refusal, InterceptError::PinnedByOther { .. }),
            "{refusal:?}"
        );
        for (kind, destination) in [("INET tcp", METADATA), ("INET6 tcp", METADATA_MAPPED)] {
            let mut caller = world.caller();
            assert_eq!(caller.connect(kind, destination), "ok");
            let (stream, _) = world.accept();
            let record = agent.flows().take(&stream).unwrap().expect("a flow record");
            assert_eq!(record.pid, caller.pid());
        }
    });
}

#[test]
fn listener_that_other_machines_could_reach_is_refused() {
    in_world(|world| {
        let mut config = world.config.clone();
        config.listener.set_ip([0, 0, 0, 0].into());
        let refusal = Interceptor::attach(&config).unwrap_err();
        assert!(
            matches!(refusal, InterceptError::Listener { .. }),
            "{refusal:?}"
        );
        assert!(!config.pin_dir.exists());
    });
}
