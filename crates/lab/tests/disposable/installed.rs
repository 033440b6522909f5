//! The agent with its default configuration, in the places that it has when it is installed.

use std::convert::Infallible;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use latchkey_lab::binaries::{self, Binary};
use latchkey_lab::system::LIMIT;
use latchkey_lab::wait;
use latchkey_record::AgentStatus;

const CONFIG: &str = "/etc/latchkey/agent.toml";
const STATUS: &str = "/var/lib/latchkey/status.json";
const PINS: &str = "/sys/fs/bpf/latchkey";
const LOG: &str = "/var/log/latchkey/agent.log";

/// Names the folder that outlives the machine.
const RESULTS_VARIABLE: &str = "LATCHKEY_RESULTS";

pub(crate) struct InstalledAgent {
    process: Child,
}

impl InstalledAgent {
    /// Starts the agent with a configuration that changes no default but how long a test waits.
    pub(crate) fn start() -> Self {
        assert!(!Path::new(PINS).exists(), "an agent is installed already");
        for file in [CONFIG, LOG] {
            fs::create_dir_all(Path::new(file).parent().unwrap()).unwrap();
        }
        let hurry = "[secure_channel]\npoll_interval_ms = 200\n[status]\ninterval_ms = 200\n";
        fs::write(CONFIG, hurry).unwrap();
        Self { process: spawn() }
    }

    /// Kills it with SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again after it was killed.
    pub(crate) fn restart(&mut self) {
        self.process = spawn();
    }

    pub(crate) fn wait_until_healthy(&mut self) -> AgentStatus {
        let found = wait::until(LIMIT, || {
            assert_eq!(self.process.try_wait().unwrap(), None, "{}", log());
            Ok::<_, Infallible>(status().filter(|status| status.healthy))
        });
        match found.unwrap() {
            Some(status) => status,
            None => panic!("not healthy within {LIMIT:?}: {:?}\n{}", status(), log()),
        }
    }

    /// Keeps the status document among the results, if there is a folder for them.
    pub(crate) fn keep_status(&self) {
        if let Some(folder) = std::env::var_os(RESULTS_VARIABLE) {
            fs::copy(STATUS, Path::new(&folder).join("status.json")).unwrap();
        }
    }
}

impl Drop for InstalledAgent {
    fn drop(&mut self) {
        // Both fail only when the process is gone already, which is what is wanted.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Detaches all programs, as an operator does it by hand: `rm -r`.
pub(crate) fn remove_pins() {
    assert!(Path::new(PINS).is_dir());
    let removed = Command::new("rm").args(["-r", PINS]).status().unwrap();
    assert!(removed.success());
}

fn spawn() -> Child {
    // What the run before said must not be taken for the new one's word.
    if Path::new(STATUS).exists() {
        fs::remove_file(STATUS).unwrap();
    }
    let log = File::options().create(true).append(true).open(LOG).unwrap();
    Command::new(binaries::find(Binary::Agent).unwrap())
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

fn status() -> Option<AgentStatus> {
    // The file is replaced whole, so it is never read half written.
    let text = fs::read_to_string(STATUS).ok()?;
    Some(serde_json::from_str(&text).unwrap())
}

fn log() -> String {
    fs::read_to_string(LOG).unwrap_or_default()
}
