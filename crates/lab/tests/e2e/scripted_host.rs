//! A host that misbehaves as it is told, in the place of the real one, and notes what it gets.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use latchkey_lab::system::{LIMIT, SystemError};
use latchkey_lab::{Process, wait};
use latchkey_record::AgentStatus;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::stray;
use crate::world::World;

const PROGRAM: &str = include_str!("scripted_host.py");

/// The host; ends when dropped.
pub(crate) struct ScriptedHost {
    guest: String,
    folder: PathBuf,
    plan: Value,
    _process: Process,
}

/// A request as the host got it.
#[derive(Debug, Deserialize)]
pub(crate) struct Seen {
    /// Which of the host's connections, counted from 0.
    pub(crate) connection: u64,
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) body: String,
    /// The key that the signature names, if there is a signature.
    pub(crate) key: Option<String>,
    /// The date that the signature covers.
    pub(crate) date: Option<String>,
}

impl ScriptedHost {
    /// Ends the real host and takes its place: it announces what the real one did to this guest,
    /// and answers every request well.
    pub(crate) fn replace(world: &mut World, guest: &str) -> Self {
        let status = stray::ask(
            world,
            guest,
            &["http://168.63.129.16/secure-channel/status".to_owned()],
        );
        let status: Value = serde_json::from_str(&status.body).unwrap();
        assert!(world.system.terminate_host().unwrap().success());
        let plan = json!({
            "status": { "status": 200, "body": status },
            "key": { "status": 500, "body": {} },
            "requests": "serve",
            "clockSeconds": 0,
        });
        let host = world.system.lab().host();
        let folder = host.dir().join("scripted");
        std::fs::create_dir(&folder).unwrap();
        write_plan(&folder, &plan);
        let python = host.command("root", "/usr/bin/python3");
        let mut process = python.args(["-c", PROGRAM]).arg(&folder).spawn().unwrap();
        // Until the kernel has let go of the real host's sockets there is nothing to listen on.
        process.wait_for_line("listening", LIMIT).unwrap();
        Self {
            guest: guest.to_owned(),
            folder,
            plan,
            _process: process,
        }
    }

    /// Changes the plan, for every request that comes from now on.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Value)) {
        change(&mut self.plan);
        write_plan(&self.folder, &self.plan);
    }

    /// Answers requests, those of the secure channel left out, like this.
    pub(crate) fn answer(&mut self, requests: &str) {
        self.change(|plan| plan["requests"] = requests.into());
    }

    /// Returns what the host got so far, the secure channel left out.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        let (_, other) = self.seen_by_channel();
        other
    }

    /// Waits until so many more status calls were answered: what was announced before the first of
    /// them has arrived at the agent.
    pub(crate) fn wait_for_calls(&self, count: usize) {
        let before = self.seen_by_channel().0.len();
        let found = wait::until(LIMIT, || {
            let now = self.seen_by_channel().0.len();
            Ok::<_, SystemError>((now >= before + count).then_some(()))
        });
        assert!(
            found.unwrap().is_some(),
            "the agent asks for the status no more"
        );
    }

    fn seen_by_channel(&self) -> (Vec<Seen>, Vec<Seen>) {
        let text = std::fs::read_to_string(self.folder.join("seen.jsonl")).unwrap_or_default();
        let lines = text
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'));
        let seen = lines.map(|line| serde_json::from_str(line).unwrap());
        seen.partition(|seen: &Seen| seen.target.starts_with("/secure-channel/"))
    }

    /// Gives the place back to the real host, and waits until the guest's agent has heard of it.
    pub(crate) fn give_back(self, world: &mut World) {
        let guest = self.guest.clone();
        drop(self);
        world.system.start_host().unwrap();
        let since = seconds_now();
        let is_heard = |status: &AgentStatus| {
            let last = status.channel.last_answer.map(|time| time.as_second());
            status.healthy && last.is_some_and(|last| last > since)
        };
        let awaited = "an answer of the real host";
        world
            .system
            .wait_for_status(&guest, awaited, is_heard)
            .unwrap();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the agent says by this clock when it was answered"
)]
fn seconds_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since.as_secs().cast_signed()
}

/// Replaces the plan whole, so that the host never reads half of one.
fn write_plan(folder: &std::path::Path, plan: &Value) {
    let draft = folder.join("draft.json");
    std::fs::write(&draft, plan.to_string()).unwrap();
    std::fs::rename(draft, folder.join("plan.json")).unwrap();
}
