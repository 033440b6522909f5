//! What a caller executed counts, not what it shows as its executable.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use latchkey_intercept::{Counter, FlowRecord, InterceptMode, Interceptor, Standing};

use crate::caller::Caller;
use crate::world::{Agent, METADATA, World, count, in_world, wait_until};

/// The file that callers pose as.
const OTHER: &str = "/usr/bin/true";

fn python() -> PathBuf {
    fs::canonicalize("/usr/bin/python3").unwrap()
}

/// The loader of dynamic programs, which this test was started by.
fn loader() -> PathBuf {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let mut files = maps
        .lines()
        .filter_map(|line| line.split_whitespace().nth(5));
    let found = files.find(|file| file.contains("/ld-"));
    found.expect("a loader is mapped").into()
}

/// A caller that can show another file; it is started outside of the cgroup.
fn impostor() -> Caller {
    Caller::by_loader(&loader(), &python())
}

fn admit(world: &World, caller: &Caller) {
    let pid = caller.pid().to_string();
    fs::write(world.cgroup.join("cgroup.procs"), pid).unwrap();
}

/// Makes it show the other file.
fn disguise(caller: &mut Caller) {
    let own = fs::canonicalize(loader()).unwrap();
    assert_eq!(shown(caller), own);
    assert_eq!(caller.ask(&format!("show-as-executable {OTHER}")), "ok");
    assert_eq!(shown(caller), Path::new(OTHER));
}

fn shown(caller: &Caller) -> PathBuf {
    fs::read_link(format!("/proc/{}/exe", caller.pid())).unwrap()
}

fn connected(world: &World, agent: &Interceptor, caller: &mut Caller) -> (FlowRecord, TcpStream) {
    assert_eq!(caller.connect("INET tcp", METADATA), "ok");
    let (stream, _) = world.accept();
    let record = agent.flows().take(&stream).unwrap().expect("a flow record");
    (record, stream)
}

#[track_caller]
fn assert_standing(agent: &Interceptor, record: &FlowRecord, expected: Standing) {
    assert_eq!(agent.flows().standing(record).unwrap(), expected);
}

/// The record says what was shown, the look at the caller that it was a lie.
#[track_caller]
fn assert_exposed(world: &World, agent: &Agent, caller: &mut Caller) {
    let (record, _stream) = connected(world, agent, caller);
    assert!(record.executable.is_file(&fs::metadata(OTHER).unwrap()));
    assert_standing(agent, &record, Standing::Replaced);
}

#[test]
fn caller_that_shows_another_file_is_exposed() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let mut caller = impostor();
        admit(world, &caller);
        let (record, _stream) = connected(world, &agent, &mut caller);
        assert_standing(&agent, &record, Standing::Unchanged);
        disguise(&mut caller);
        assert_exposed(world, &agent, &mut caller);
    });
}

#[test]
fn caller_that_shows_another_file_before_it_comes_into_the_cgroup_is_exposed() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let mut caller = impostor();
        disguise(&mut caller);
        admit(world, &caller);
        assert_exposed(world, &agent, &mut caller);
    });
}

#[test]
fn caller_from_before_the_programs_that_shows_another_file_later_is_exposed() {
    in_world(|world| {
        let mut caller = impostor();
        admit(world, &caller);
        let agent = world.agent(InterceptMode::Enforce);
        let (record, _stream) = connected(world, &agent, &mut caller);
        assert_standing(&agent, &record, Standing::Unchanged);
        disguise(&mut caller);
        assert_exposed(world, &agent, &mut caller);
    });
}

#[test]
fn next_agent_does_not_believe_what_the_last_one_did_not() {
    in_world(|world| {
        let first = world.agent(InterceptMode::Enforce);
        let mut caller = impostor();
        admit(world, &caller);
        disguise(&mut caller);
        drop(first);
        let next = world.agent(InterceptMode::Enforce);
        assert_exposed(world, &next, &mut caller);
    });
}

#[test]
fn child_of_a_caller_that_shows_another_file_is_exposed() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let mut caller = impostor();
        admit(world, &caller);
        disguise(&mut caller);
        assert_eq!(caller.ask("open INET tcp"), "ok");
        let connect = format!("in-child-that-stays connect {METADATA}");
        assert_eq!(caller.ask(&connect), "ok");
        let (stream, _) = world.accept();
        let record = agent.flows().take(&stream).unwrap().expect("a flow record");
        assert_ne!(record.pid, caller.pid());
        assert_standing(&agent, &record, Standing::Replaced);
    });
}

#[test]
fn caller_that_executes_what_it_showed_is_believed() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let mut caller = impostor();
        admit(world, &caller);
        disguise(&mut caller);
        assert_eq!(caller.ask("open INET tcp"), "ok");
        caller.tell(&format!("execute {} -c {CONNECTS}", python().display()));
        let (stream, _) = world.accept();
        let record = agent.flows().take(&stream).unwrap().expect("a flow record");
        assert_standing(&agent, &record, Standing::Unchanged);
    });
}

/// Without a blank, which would part it.
const CONNECTS: &str = "(__import__('socket').create_connection(('169.254.169.254',80)),input())";

#[test]
fn children_and_threads_of_callers_are_believed_whenever_they_began() {
    in_world(|world| {
        let mut before = world.caller();
        let agent = world.agent(InterceptMode::Enforce);
        let mut after = world.caller();
        for caller in [&mut before, &mut after] {
            for way in ["in-thread", "in-child-that-stays"] {
                assert_eq!(caller.ask("open INET tcp"), "ok");
                assert_eq!(caller.ask(&format!("{way} connect {METADATA}")), "ok");
                let (stream, _) = world.accept();
                let record = agent.flows().take(&stream).unwrap().expect("a flow record");
                assert_standing(&agent, &record, Standing::Unchanged);
            }
        }
        assert_eq!(count(&agent, Counter::ExecutableLost), 0);
    });
}

#[test]
fn callers_are_believed_whichever_agent_saw_them_begin() {
    in_world(|world| {
        let mut callers = vec![world.caller()];
        for _ in 0..3 {
            let agent = world.agent(InterceptMode::Enforce);
            callers.push(world.caller());
            for caller in &mut callers {
                let (record, _stream) = connected(world, &agent, caller);
                assert_standing(&agent, &record, Standing::Unchanged);
            }
            drop(agent);
            callers.push(world.caller());
        }
    });
}

#[test]
fn caller_whose_first_thread_has_ended_is_believed() {
    in_world(|world| {
        let mut before = Caller::without_first_thread(&world.cgroup);
        let agent = world.agent(InterceptMode::Enforce);
        let mut after = Caller::without_first_thread(&world.cgroup);
        for caller in [&mut before, &mut after] {
            wait_until("the first thread has ended", || {
                let stat = fs::read_to_string(format!("/proc/{}/stat", caller.pid())).unwrap();
                stat.contains(") Z ")
            });
            let (record, _stream) = connected(world, &agent, caller);
            assert_standing(&agent, &record, Standing::Unchanged);
        }
    });
}
