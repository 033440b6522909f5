//! Which script a caller runs, as the kernel saw it executed.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use aya::maps::{HashMap, Map, MapData};
use latchkey_intercept::{Counter, FlowRecord, InterceptMode, ScriptPath, Standing};

use crate::caller::{Caller, SOURCE};
use crate::world::{Agent, METADATA, World, count, in_world, wait_until};

/// A folder of scripts that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(world: &World) -> Self {
        let name = world.cgroup.file_name().expect("a cgroup has a name");
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    /// Writes the caller as a script with this first line.
    fn script(&self, name: &str, interpreter: &str) -> PathBuf {
        let path = self.0.join(name);
        let text = format!("#!{interpreter}\n{SOURCE}");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn python() -> String {
    fs::canonicalize("/usr/bin/python3")
        .unwrap()
        .display()
        .to_string()
}

fn connected(world: &World, agent: &Agent, caller: &mut Caller) -> FlowRecord {
    assert_eq!(caller.connect("INET tcp", METADATA), "ok");
    let (stream, _) = world.accept();
    agent.flows().take(&stream).unwrap().expect("a flow record")
}

fn given(path: &Path) -> Option<ScriptPath> {
    Some(ScriptPath::Given(path.into()))
}

fn scripts(world: &World) -> HashMap<MapData, [u8; 16], [u8; 272]> {
    let data = MapData::from_pin(world.config.pin_dir.join("map_scripts")).unwrap();
    Map::from_map_data(data).unwrap().try_into().unwrap()
}

#[test]
fn script_is_known_by_the_path_that_was_executed() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let folder = Folder::new(world);
        let plain = folder.script("plain", &python());
        let through_env = folder.script("through-env", &format!("/usr/bin/env {}", python()));
        let nested = folder.0.join("nested");
        fs::write(&nested, format!("#!{}\n", plain.display())).unwrap();
        fs::set_permissions(&nested, Permissions::from_mode(0o755)).unwrap();
        for path in [plain, through_env, nested] {
            let mut caller = world.script(&path);
            let script = connected(world, &agent, &mut caller).script;
            assert_eq!(script, given(&path), "{}", path.display());
        }
    });
}

#[test]
fn relative_path_of_a_script_is_given_as_it_was() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let folder = Folder::new(world);
        folder.script("plain", &python());
        let mut caller = world.script_in(&folder.0, Path::new("./plain"));
        let record = connected(world, &agent, &mut caller);
        assert_eq!(record.script, given(Path::new("./plain")));
    });
}

#[test]
fn script_whose_path_is_too_long_is_known_to_be_one() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let folder = Folder::new(world);
        let script = folder.script("plain", &python());
        for (bytes, expected) in [(254, None), (255, Some(ScriptPath::TooLong))] {
            let slashes = "/".repeat(bytes - script.as_os_str().len() + 1);
            let text = format!("{}{slashes}plain", folder.0.display());
            assert_eq!(text.len(), bytes);
            let mut caller = world.script(Path::new(&text));
            let record = connected(world, &agent, &mut caller);
            let expected = expected.or_else(|| given(Path::new(&text)));
            assert_eq!(record.script, expected);
        }
    });
}

#[test]
fn program_that_is_no_script_has_none_and_takes_no_room() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let mut caller = world.caller();
        assert_eq!(connected(world, &agent, &mut caller).script, None);
        assert_eq!(scripts(world).keys().count(), 0);
    });
}

#[test]
fn program_that_a_script_executes_is_not_the_script() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let folder = Folder::new(world);
        let program = folder.0.join("program.py");
        fs::write(&program, SOURCE).unwrap();
        let path = folder.0.join("wrapper");
        let text = format!("#!/bin/sh\nexec {} {}\n", python(), program.display());
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        let mut caller = world.script(&path);
        assert_eq!(connected(world, &agent, &mut caller).script, None);
        assert_eq!(scripts(world).keys().count(), 0);
    });
}

#[test]
fn child_of_a_script_runs_the_script_and_the_end_of_both_cleans_up() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let folder = Folder::new(world);
        let path = folder.script("plain", &python());
        let mut caller = world.script(&path);
        assert_eq!(caller.ask("open INET tcp"), "ok");
        assert_eq!(
            caller.ask(&format!("in-child-that-stays connect {METADATA}")),
            "ok"
        );
        let (stream, _) = world.accept();
        let record = agent.flows().take(&stream).unwrap().expect("a flow record");
        assert_ne!(record.pid, caller.pid());
        assert_eq!(record.script, given(&path));
        assert_eq!(scripts(world).keys().count(), 2);
        drop(caller);
        wait_until("both are forgotten", || scripts(world).keys().count() == 0);
    });
}

#[test]
fn thread_of_a_script_that_ends_does_not_end_the_record() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let folder = Folder::new(world);
        let path = folder.script("plain", &python());
        let mut caller = world.script(&path);
        assert_eq!(caller.ask("open INET tcp"), "ok");
        assert_eq!(caller.ask(&format!("in-thread connect {METADATA}")), "ok");
        let (stream, _) = world.accept();
        let record = agent.flows().take(&stream).unwrap().expect("a flow record");
        assert_eq!(record.script, given(&path));
        assert_eq!(connected(world, &agent, &mut caller).script, given(&path));
    });
}

#[test]
fn script_outside_of_the_cgroup_is_not_recorded() {
    in_world(|world| {
        let _agent = world.agent(InterceptMode::Enforce);
        let folder = Folder::new(world);
        let path = folder.script("plain", &python());
        let caller = Caller::outside(&path);
        assert_eq!(scripts(world).keys().count(), 0);
        drop(caller);
        let _inside = world.script(&path);
        assert_eq!(scripts(world).keys().count(), 1);
    });
}

#[test]
fn script_is_recorded_while_programs_are_exchanged() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let folder = Folder::new(world);
        let path = folder.script("plain", &python());
        let mut before = world.script(&path);
        for _ in 0..3 {
            drop(world.attach(InterceptMode::Enforce));
            let mut caller = world.script(&path);
            assert_eq!(connected(world, &agent, &mut caller).script, given(&path));
        }
        assert_eq!(connected(world, &agent, &mut before).script, given(&path));
        drop(before);
        wait_until("one program is left to forget", || {
            scripts(world).keys().count() == 0
        });
    });
}

#[test]
fn program_in_memory_is_no_script_and_its_exec_is_noticed() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let mut caller = world.caller();
        let record = connected(world, &agent, &mut caller);
        caller.tell(&format!("execute-in-memory {} -c input()", python()));
        wait_until("the caller runs from memory", || {
            let path = fs::read_link(format!("/proc/{}/exe", caller.pid())).unwrap();
            path.to_string_lossy().starts_with("/memfd:")
        });
        // The kernel shows the new program a moment before it counts the exec.
        wait_until("the exec is noticed", || {
            agent.flows().standing(&record).unwrap() == Standing::Replaced
        });
        assert_eq!(scripts(world).keys().count(), 0);
    });
}

#[test]
fn script_without_room_is_unknown_and_counted() {
    in_world(|world| {
        let agent = world.agent(InterceptMode::Enforce);
        let folder = Folder::new(world);
        let path = folder.script("plain", &python());
        let mut table = scripts(world);
        let mut slot = 0_u64;
        let mut key = [0; 16];
        while table.insert(key, [0; 272], 0).is_ok() {
            slot += 1;
            key[..8].copy_from_slice(&slot.to_ne_bytes());
        }
        assert_eq!(slot, 32_768);
        let mut caller = world.script(&path);
        assert_eq!(connected(world, &agent, &mut caller).script, None);
        assert_eq!(count(&agent, Counter::ExecTableFull), 1);
    });
}
