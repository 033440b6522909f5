//! What the benchmark measures: a host that answers, and three guests that ask in three ways.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::Via;
use crate::binaries::{self, Binary, BinaryError};
use crate::command::Command;
use crate::guest::Guest;
use crate::lab::{Lab, LabError};
use crate::process::{Process, ProcessError};
use crate::wait;

const START: Duration = Duration::from_secs(30);
const URL: &str = "http://169.254.169.254/metadata/instance?api-version=2021-02-01";
const NGINX_URL: &str = "http://127.0.0.1:8080/metadata/instance?api-version=2021-02-01";
/// Many short connections need many ports, and soon again.
const TUNING: &str = "echo 1024 65535 > /proc/sys/net/ipv4/ip_local_port_range; \
                      echo 1 > /proc/sys/net/ipv4/tcp_tw_reuse; \
                      echo 4096 > /proc/sys/net/core/somaxconn";

/// What the agent's configuration takes at most: the load comes from one cgroup, which would be
/// refused long before it says anything about the agent's speed.
const UNLIMITED_CONNECTS: u32 = 1_000_000;

/// The benchmark's machines and programs could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StandError {
    /// The namespaces could not be made.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// A program is not built.
    #[error(transparent)]
    Binary(#[from] BinaryError),
    /// A program could not be started.
    #[error("start {program}")]
    Program {
        /// Which one.
        program: &'static str,
        /// Why not.
        #[source]
        source: ProcessError,
    },
    /// A file could not be written or read.
    #[error("use {path}")]
    File {
        /// Which one.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A program did not become ready.
    #[error("{program} is not ready after {START:?}:\n{log}")]
    NotReady {
        /// Which one.
        program: &'static str,
        /// What it said.
        log: String,
    },
}

/// Host, guests and programs; they end with this value.
#[derive(Debug)]
pub(super) struct Stand {
    agent: Process,
    proxy: Process,
    _gateway: Process,
    _responder: Process,
    lab: Lab,
}

impl Stand {
    pub(super) fn start() -> Result<Self, StandError> {
        let lab = Lab::builder()
            .guest("direct")
            .guest("nginx")
            .guest("latchkey")
            .start()?;
        for guest in lab.guests() {
            run(&guest.command("root", "sh").args(["-c", TUNING]), "sh")?;
        }
        run(&lab.host().command("root", "sh").args(["-c", TUNING]), "sh")?;
        let responder = start_responder(&lab)?;
        let gateway = start_gateway(&lab)?;
        let proxy = start_proxy(&lab)?;
        let agent = start_agent(&lab)?;
        let stand = Self {
            agent,
            proxy,
            _gateway: gateway,
            _responder: responder,
            lab,
        };
        for via in [Via::Direct, Via::Nginx, Via::Latchkey] {
            stand.wait_until_answered(via)?;
        }
        Ok(stand)
    }

    /// Returns the guest that asks in this way, and what it asks.
    pub(super) fn target(&self, via: Via) -> Result<(&Guest, &'static str), StandError> {
        let url = if via == Via::Nginx { NGINX_URL } else { URL };
        Ok((self.lab.guest(via.as_str())?, url))
    }

    /// Returns the processes that stand between guest and host.
    pub(super) fn proxy_pids(&self, via: Via) -> Result<Vec<u32>, StandError> {
        match via {
            Via::Direct => Ok(Vec::new()),
            Via::Latchkey => Ok(vec![self.agent.pid()]),
            Via::Nginx => with_children(self.proxy.pid()),
        }
    }

    fn wait_until_answered(&self, via: Via) -> Result<(), StandError> {
        let (guest, url) = self.target(via)?;
        let ask = guest.command("app", "curl").args([
            "--silent",
            "--fail",
            "--header",
            "Metadata: true",
            "--header",
            "Host: 169.254.169.254",
            url,
        ]);
        let answered = wait::until(START, || {
            Ok::<_, ProcessError>(ask.output(START)?.success().then_some(()))
        });
        match answered {
            Ok(Some(())) => return Ok(()),
            Ok(None) => {}
            Err(source) => {
                return Err(StandError::Program {
                    program: "curl",
                    source,
                });
            }
        }
        let log = self.agent.log().unwrap_or_default();
        Err(StandError::NotReady {
            program: via.as_str(),
            log,
        })
    }
}

fn run(command: &Command, program: &'static str) -> Result<(), StandError> {
    match command.output(START) {
        Ok(output) if output.success() => Ok(()),
        Ok(output) => Err(StandError::NotReady {
            program,
            log: output.stderr,
        }),
        Err(source) => Err(StandError::Program { program, source }),
    }
}

fn spawn(command: &Command, program: &'static str) -> Result<Process, StandError> {
    command
        .spawn()
        .map_err(|source| StandError::Program { program, source })
}

fn write(path: PathBuf, content: &str) -> Result<PathBuf, StandError> {
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    match made.and_then(|()| fs::write(&path, content)) {
        Ok(()) => Ok(path),
        Err(source) => Err(StandError::File { path, source }),
    }
}

/// The common part of both nginx configurations; `server` is the content of the http block.
fn nginx(folder: &std::path::Path, server: &str) -> String {
    let folder = folder.display();
    format!(
        "worker_processes 1; daemon off; user root; pid {folder}/nginx.pid; error_log stderr warn;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\n access_log off; keepalive_requests 1000000; server_tokens off;\n\
         client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;\n\
         fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;\n\
         {server}\n}}\n"
    )
}

/// nginx on the host, in the place of the metadata service: two bytes for every request.
fn start_responder(lab: &Lab) -> Result<Process, StandError> {
    let folder = lab.host().dir();
    let server = "server { listen 169.254.169.254:80 backlog=4096; location / { return 200 ok; } }";
    let config = write(
        folder.join("responder/nginx.conf"),
        &nginx(&folder.join("responder"), server),
    )?;
    spawn(
        &lab.host()
            .command("root", "/usr/sbin/nginx")
            .arg("-c")
            .arg(config),
        "nginx",
    )
}

/// nginx in its guest, as a plain reverse proxy with pooled upstream connections.
fn start_proxy(lab: &Lab) -> Result<Process, StandError> {
    let guest = lab.guest(Via::Nginx.as_str())?;
    let server = "upstream host { server 169.254.169.254:80; keepalive 64; keepalive_requests 1000000; }\n\
                  server { listen 127.0.0.1:8080 backlog=4096; location / { proxy_pass http://host; \
                  proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_set_header Host $host; } }";
    let config = write(
        guest.dir().join("proxy/nginx.conf"),
        &nginx(&guest.dir().join("proxy"), server),
    )?;
    spawn(
        &guest
            .command("root", "/usr/sbin/nginx")
            .arg("-c")
            .arg(config),
        "nginx",
    )
}

/// The gateway serves the secure channel alone; the metadata service's place is nginx's.
fn start_gateway(lab: &Lab) -> Result<Process, StandError> {
    let (folder, guest) = (
        lab.host().dir().join("gateway"),
        lab.guest(Via::Latchkey.as_str())?,
    );
    let machine = format!(
        "addresses = [\"{}\"]\ninterface = \"{}\"\n\
         [wireserver]\nmode = \"Enforce\"\n[imds]\nmode = \"Enforce\"\n[imds.profile]\n\
         defaultAccess = \"Deny\"\nmode = \"Enforce\"\nid = \"bench\"\n\
         [imds.profile.rules]\n\
         privileges = [{{ name = \"instance\", path = \"/metadata/instance\" }}]\n\
         roles = [{{ name = \"reader\", privileges = [\"instance\"] }}]\n\
         identities = [{{ name = \"app\", userName = \"app\" }}]\n\
         roleAssignments = [{{ role = \"reader\", identities = [\"app\"] }}]\n",
        guest.address(),
        guest.interface()
    );
    write(folder.join("machines/latchkey.toml"), &machine)?;
    let config = format!(
        "state_dir = \"{0}/state\"\nmachines_dir = \"{0}/machines\"\n\
         [endpoints.imds]\naddresses = [\"127.0.0.2\"]\nport = 8080\n",
        folder.display()
    );
    let config = write(folder.join("host.toml"), &config)?;
    let host = binaries::find(Binary::Host)?;
    spawn(
        &lab.host().command("root", host).arg("--config").arg(config),
        "latchkey-host",
    )
}

fn start_agent(lab: &Lab) -> Result<Process, StandError> {
    let guest = lab.guest(Via::Latchkey.as_str())?;
    let folder = guest.dir().join("agent");
    let config = format!(
        "state_dir = \"{0}/state\"\n[kernel]\ncgroup = \"{1}\"\npin_dir = \"{2}\"\n\
         [audit]\nfile = \"{0}/audit.jsonl\"\n[secure_channel]\npoll_interval_ms = 15000\n\
         [limits]\nconnects_per_second = {3}\nconnect_burst = {3}\n",
        folder.display(),
        guest.cgroup().path().display(),
        guest.pin_dir().display(),
        UNLIMITED_CONNECTS,
    );
    let config = write(folder.join("agent.toml"), &config)?;
    let agent = binaries::find(Binary::Agent)?;
    spawn(
        &guest.command("root", agent).arg("--config").arg(config),
        "latchkey-agent",
    )
}

/// Returns a process and its children: nginx works in a child.
fn with_children(pid: u32) -> Result<Vec<u32>, StandError> {
    let path = PathBuf::from(format!("/proc/{pid}/task/{pid}/children"));
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(source) => return Err(StandError::File { path, source }),
    };
    let children = text
        .split_ascii_whitespace()
        .filter_map(|child| child.parse().ok());
    Ok(std::iter::once(pid).chain(children).collect())
}
