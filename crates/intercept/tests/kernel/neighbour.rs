//! Other programs on the same hooks are seen and reported, and ours work beside them.

use std::fs;
use std::path::Path;

use latchkey_intercept::{
    Counter, Effect, InterceptError, InterceptMode, Interceptor, Neighbour, Order, Sharing, Survey,
};

use crate::caller::{Caller, Namespace};
use crate::stranger::Stranger;
use crate::world::{METADATA, World, count, in_world};

/// Another port of the protected address, which passes our programs.
const DNS: &str = "169.254.169.254 53";

/// An address that no test has and nothing protects.
const ELSEWHERE: &str = "192.0.2.1 80";

fn survey(interceptor: &Interceptor) -> Survey {
    let survey = interceptor.surveyor().survey().unwrap();
    assert_eq!((survey.findings.as_slice(), survey.skipped), (&[][..], 0));
    survey
}

/// The neighbours in the test's own cgroups; the machine may have others above them.
fn neighbours(world: &World, interceptor: &Interceptor) -> Vec<Neighbour> {
    let found = survey(interceptor).neighbours.into_iter();
    found
        .filter(|each| each.cgroup.starts_with(&world.cgroup))
        .collect()
}

fn attach(stranger: &mut Stranger, cgroup: &Path, program: &str) {
    stranger.does(&format!("attach {} {program}", cgroup.display()));
}

#[test]
fn alone_there_is_no_neighbour() {
    in_world(|world| {
        let interceptor = world.attach(InterceptMode::Enforce);
        fs::create_dir(world.cgroup.join("child")).unwrap();
        assert_eq!(neighbours(world, &interceptor), []);
        let above = world.cgroup.ancestors().skip(1);
        let above = above
            .take_while(|path| path.join("cgroup.procs").exists())
            .count();
        assert_eq!(survey(&interceptor).cgroups, 2 + above);
    });
}

#[test]
fn programs_before_and_after_ours_are_reported_with_what_they_can_do() {
    in_world(|world| {
        let mut stranger = Stranger::start();
        attach(&mut stranger, &world.cgroup, "connect4 allow");
        let agent = world.agent(InterceptMode::Enforce);
        attach(&mut stranger, &world.cgroup, "connect4 rewrite 127.0.0.1 9");
        let found = neighbours(world, &agent);
        let [before, after] = found.as_slice() else {
            panic!("{found:?}");
        };
        assert_eq!(
            (before.name.as_str(), before.order),
            ("stranger_allow", Order::Before)
        );
        assert_eq!(before.effects, [Effect::Rewrite, Effect::Refuse]);
        assert_eq!(
            (after.name.as_str(), after.order),
            ("stranger_rewrit", Order::After)
        );
        assert_eq!(
            after.effects,
            [Effect::Rewrite, Effect::Refuse, Effect::Overrule]
        );
        for neighbour in found {
            assert_eq!(
                (neighbour.hook, neighbour.sharing),
                ("connect4", Sharing::Multi)
            );
            assert_eq!(neighbour.cgroup, world.cgroup);
            assert_ne!(neighbour.tag, [0; 8]);
        }
        // It ends with its owner, and is not reported any more.
        drop(stranger);
        assert_eq!(neighbours(world, &agent), []);
    });
}

#[test]
fn ours_redirects_beside_programs_that_allow() {
    in_world(|world| {
        let child = world.cgroup.join("child");
        fs::create_dir(&child).unwrap();
        let mut stranger = Stranger::start();
        attach(&mut stranger, &world.cgroup, "connect4 allow");
        attach(&mut stranger, &child, "connect4 allow");
        let agent = world.agent(InterceptMode::Enforce);
        attach(&mut stranger, &world.cgroup, "connect4 allow");
        attach(&mut stranger, &child, "connect4 allow");
        stranger.does(&format!(
            "attach-without-link multi {} connect4 allow",
            child.display()
        ));
        for cgroup in [&world.cgroup, &child] {
            let mut caller = Caller::start(cgroup, &Namespace::Own);
            assert_eq!(caller.connect("INET tcp", METADATA), "ok");
            let (stream, _) = world.accept();
            let record = agent.flows().take(&stream).unwrap().expect("a flow record");
            assert_eq!(record.pid, caller.pid());
        }
        let orders: Vec<_> = neighbours(world, &agent)
            .iter()
            .map(|each| (each.cgroup == child, each.order))
            .collect();
        let (here, below) = (false, true);
        let (before, after) = (Order::Before, Order::After);
        assert_eq!(
            orders,
            [
                (here, before),
                (here, after),
                (below, before),
                (below, before),
                (below, before)
            ]
        );
    });
}

#[test]
fn connection_that_another_program_refuses_stays_refused() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let mut stranger = Stranger::start();
        attach(&mut stranger, &world.cgroup, "connect4 deny");
        let mut caller = world.caller();
        assert_eq!(caller.connect("INET tcp", METADATA), "EPERM");
        drop(stranger);
        assert_eq!(caller.connect("INET tcp", METADATA), "ok");
        world.accept();
        assert_eq!(count(&agent, Counter::FlowTableFull), 0);
    });
}

#[test]
fn destination_that_another_program_wrote_before_ours_is_judged() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let child = world.cgroup.join("child");
        fs::create_dir(&child).unwrap();
        let mut stranger = Stranger::start();
        attach(
            &mut stranger,
            &child,
            &format!("connect4 rewrite {METADATA}"),
        );
        let mut caller = Caller::start(&child, &Namespace::Own);
        assert_eq!(caller.connect("INET tcp", ELSEWHERE), "ok");
        let (stream, _) = world.accept();
        let record = agent.flows().take(&stream).unwrap().expect("a flow record");
        let asked = record.original_destination.to_string();
        assert_eq!(asked, METADATA.replace(' ', ":"));
    });
}

#[test]
fn packet_filter_of_a_manager_is_reported_and_keeps_its_effect() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let child = world.cgroup.join("child");
        fs::create_dir(&child).unwrap();
        let mut stranger = Stranger::start();
        // As systemd does for IPAddressDeny= of a unit.
        stranger.does(&format!(
            "attach-without-link multi {} egress deny",
            child.display()
        ));
        let found = neighbours(world, &agent);
        let [filter] = found.as_slice() else {
            panic!("{found:?}");
        };
        assert_eq!(
            (filter.hook, filter.effects.as_slice()),
            ("egress", &[Effect::Refuse][..])
        );
        let mut caller = Caller::start(&child, &Namespace::Own);
        assert_eq!(caller.ask("open INET udp"), "ok");
        assert_eq!(caller.ask(&format!("send-datagram {DNS}")), "EPERM");
        let mut other = world.caller();
        assert_eq!(other.connect("INET tcp", METADATA), "ok");
        world.accept();
    });
}

#[test]
fn programs_of_a_child_that_let_no_others_in_do_not_keep_ours_out() {
    in_world(|world| {
        let [early, late] = ["early", "late"].map(|name| world.cgroup.join(name));
        let mut stranger = Stranger::start();
        for cgroup in [&early, &late] {
            fs::create_dir(cgroup).unwrap();
        }
        stranger.does(&format!(
            "attach-without-link exclusive {} connect4 allow",
            early.display()
        ));
        let agent = world.agent(InterceptMode::Enforce);
        stranger.does(&format!(
            "attach-without-link override {} connect4 allow",
            late.display()
        ));
        for cgroup in [&early, &late] {
            let mut caller = Caller::start(cgroup, &Namespace::Own);
            assert_eq!(caller.connect("INET tcp", METADATA), "ok");
            let (stream, _) = world.accept();
            assert!(agent.flows().take(&stream).unwrap().is_some());
        }
        let mut sharing: Vec<_> = neighbours(world, &agent)
            .into_iter()
            .map(|each| (each.cgroup, each.sharing, each.order))
            .collect();
        sharing.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(
            sharing,
            [
                (early, Sharing::Exclusive, Order::Before),
                (late, Sharing::Override, Order::Before)
            ]
        );
    });
}

#[test]
fn program_that_lets_ours_not_in_is_named_with_a_remedy() {
    in_world(|world| {
        let mut stranger = Stranger::start();
        stranger.does(&format!(
            "attach-without-link exclusive {} connect4 allow",
            world.cgroup.display()
        ));
        let refusal = Interceptor::attach(&world.config).unwrap_err();
        assert!(
            matches!(refusal, InterceptError::Exclusive { .. }),
            "{refusal:?}"
        );
        let text = refusal.to_string();
        let cgroup = world.cgroup.display().to_string();
        for part in [
            "`stranger_allow`",
            "connect4",
            "cgroup_inet4_connect",
            &cgroup,
        ] {
            assert!(text.contains(part), "{text}");
        }
    });
}
