//! Leads the probe: one child for each place that ways are tried from, each bounded in time and
//! ended in any case.

use std::ffi::OsString;
use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType};

use super::child::CHILD_COMMAND;
use super::error::CoverageError;
use super::message::{Answer, Seen, Setting, Trial};
use super::nest::Nest;
use super::post::{Ground, Post};
use super::protection::Protection;
use super::report::{Coverage, EndpointCoverage, Outcome, judge};
use super::way::{Place, Way};
use crate::endpoint::InterceptMode;
use crate::error::InterceptError;
use crate::socket::netns_cookie;

/// How long the whole probe may take; what is not tried by then is reported so.
const LIMIT: Duration = Duration::from_secs(20);

/// How often it is measured anew because modes have changed meanwhile.
const REPETITIONS: u32 = 2;

/// The places that a child is started for, in their order.
const PLACES: [Place; 4] = [
    Place::Unprivileged,
    Place::Beside,
    Place::Island,
    Place::Stranger,
];

/// What is measured.
#[derive(Clone, Debug)]
pub struct Probe {
    /// The agent's directory of pins.
    pub pin_dir: PathBuf,
    /// The cgroup that the programs are attached to; without one it is found by their links.
    pub cgroup: Option<PathBuf>,
    /// The program that is started as the child.
    pub child: ChildProgram,
}

/// A program that calls [`run_child`](super::run_child) when it is started like this.
#[derive(Clone, Debug)]
pub struct ChildProgram {
    /// The file.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

impl Default for ChildProgram {
    /// The calling program itself, with [`CHILD_COMMAND`].
    fn default() -> Self {
        Self {
            program: "/proc/self/exe".into(),
            arguments: vec![CHILD_COMMAND.into()],
        }
    }
}

/// How far the probe is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is tried next.
    pub way: Way,
    /// How many trials are over.
    pub done: usize,
    /// How many there are.
    pub total: usize,
}

/// Measures the coverage of the programs that are pinned in a directory.
///
/// `observer` is told of every trial before it begins and may end the measurement. No packet leaves
/// the machine, and nothing is left behind.
///
/// # Errors
///
/// [`CoverageError`] says why nothing could be measured; what fails for one way alone is an outcome.
pub fn measure(
    probe: &Probe,
    observer: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Coverage, CoverageError> {
    if !rustix::process::geteuid().is_root() {
        return Err(CoverageError::NotRoot);
    }
    let mut protection = Protection::read(&probe.pin_dir)?;
    for _ in 0..=REPETITIONS {
        let coverage = measure_under(&protection, probe, observer)?;
        // An agent that has just started learns its modes meanwhile, and what Audit lets pass is a
        // finding in Enforce.
        let after = Protection::read(&probe.pin_dir)?;
        if after.endpoints == protection.endpoints {
            return Ok(coverage);
        }
        protection = after;
    }
    Err(CoverageError::Unsettled)
}

/// Measures once, as if endpoints and modes stayed what they are.
fn measure_under(
    protection: &Protection,
    probe: &Probe,
    observer: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Coverage, CoverageError> {
    let cgroup = match &probe.cgroup {
        Some(cgroup) => cgroup.clone(),
        None => protection.cgroup()?,
    };
    let failed = |operation, path: &PathBuf| {
        let path = path.clone();
        move |source| CoverageError::File {
            operation,
            path,
            source,
        }
    };
    let namespace = namespace_of_agent(protection)?;
    let nest = Nest::create(&cgroup).map_err(failed("make a cgroup below", &cgroup))?;
    let setting = Setting {
        place: Place::Nowhere,
        namespace,
        netns_cookie: protection.claim.netns_cookie,
        listener: protection.listener(),
        listener_v6: protection.listener_v6(),
        pin_dir: probe.pin_dir.clone(),
        cgroup: nest.path().into(),
    };
    let mut round = Round {
        probe,
        protection,
        nest: &nest,
        setting,
        started: Instant::now(),
        observer,
        done: 0,
        total: 0,
    };
    let coverage = round.run()?;
    nest.remove()
        .map_err(failed("remove the probe's cgroup below", &cgroup))?;
    Ok(coverage)
}

/// Returns how to enter the agent's network namespace, or `None` when it is the calling thread's.
fn namespace_of_agent(protection: &Protection) -> Result<Option<PathBuf>, CoverageError> {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None);
    let own = socket
        .map_err(io::Error::from)
        .and_then(netns_cookie)
        .map_err(InterceptError::NetworkNamespace)?;
    if own == protection.claim.netns_cookie {
        return Ok(None);
    }
    let pid = protection.claim.agent_tgid;
    let path = PathBuf::from(format!("/proc/{pid}/ns/net"));
    // Whether it is the right one is checked by the child once it is there.
    if pid != 0 && path.exists() {
        Ok(Some(path))
    } else {
        Err(CoverageError::NamespaceGone { pid })
    }
}

/// One measurement under way.
struct Round<'a> {
    probe: &'a Probe,
    protection: &'a Protection,
    nest: &'a Nest,
    setting: Setting,
    started: Instant,
    observer: &'a mut dyn FnMut(Progress) -> ControlFlow<()>,
    done: usize,
    total: usize,
}

impl Round<'_> {
    fn run(&mut self) -> Result<Coverage, CoverageError> {
        let endpoints = &self.protection.endpoints;
        let mut found: Vec<EndpointCoverage> = endpoints
            .iter()
            .map(|&(endpoint, mode)| EndpointCoverage {
                endpoint,
                mode,
                outcomes: Vec::new(),
            })
            .collect();
        let trials = |place: Place| {
            let ways = Way::ALL.iter().filter(move |way| way.place() == place);
            ways.flat_map(|way| endpoints.iter().map(move |endpoint| (*way, *endpoint)))
                .filter(|(way, (endpoint, _))| way.leads_to(*endpoint))
        };
        self.total = PLACES.iter().map(|place| trials(*place).count()).sum();
        for place in PLACES {
            let mut post = Post::new(place);
            for (way, (endpoint, mode)) in trials(place) {
                let outcome = self.try_way(&mut post, Trial { way, endpoint }, mode)?;
                let of_endpoint = found.iter_mut().find(|found| found.endpoint == endpoint);
                if let Some(of_endpoint) = of_endpoint {
                    of_endpoint.outcomes.push(outcome);
                }
            }
        }
        Ok(Coverage {
            kernel: rustix::system::uname()
                .release()
                .to_string_lossy()
                .into_owned(),
            endpoints: found,
            machine: self.machine()?,
        })
    }

    fn try_way(
        &mut self,
        post: &mut Post,
        trial: Trial,
        mode: InterceptMode,
    ) -> Result<Outcome, CoverageError> {
        let progress = Progress {
            way: trial.way,
            done: self.done,
            total: self.total,
        };
        if (self.observer)(progress).is_break() {
            return Err(CoverageError::Stopped);
        }
        self.done += 1;
        let before = self.protection.passed()?;
        let answer = if self.started.elapsed() > LIMIT {
            Answer::noted(Seen::Impossible, "the probe's time was over before")
        } else {
            let ground = Ground {
                program: &self.probe.child,
                nest: self.nest,
                setting: &self.setting,
            };
            post.ask(ground, trial)
        };
        let after = self.protection.passed()?;
        Ok(judge(trial.way, mode, answer, || after > before))
    }

    /// What holds for the machine as a whole; it is strict as soon as one endpoint is.
    fn machine(&mut self) -> Result<Vec<Outcome>, CoverageError> {
        let endpoints = &self.protection.endpoints;
        let is_enforced = |(_, mode): &(_, _)| *mode == InterceptMode::Enforce;
        let mode = if endpoints.iter().any(is_enforced) {
            InterceptMode::Enforce
        } else {
            InterceptMode::Audit
        };
        let mut outcomes = Vec::new();
        let ways = Way::ALL.iter().copied().filter(|way| way.is_of_machine());
        for way in ways {
            let endpoint = self.setting.listener;
            let outcome = if way.place() == Place::Nowhere {
                judge(way, mode, self.read_off(way), || false)
            } else {
                let mut post = Post::new(way.place());
                self.try_way(&mut post, Trial { way, endpoint }, mode)?
            };
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }

    /// Answers what is not tried but follows from what is attached.
    fn read_off(&self, way: Way) -> Answer {
        let noted = |note| Answer::noted(Seen::Impossible, note);
        match way {
            Way::ExecCapture if self.has_link("link_exec") => Answer::noted(
                Seen::Listener,
                "what was executed is captured in the kernel",
            ),
            Way::ExecCapture => noted(
                "nothing is attached to exec (tp_btf/sched_process_exec): the caller is who it was \
                 at connect",
            ),
            Way::ListenerDirect => noted(
                "a try would leave a record in the audit trail; the agent answers 421 and reads \
                 nothing",
            ),
            _ if self.has_link("link_send") => Answer::noted(
                Seen::Refused,
                "whoever else sends is noticed, and the agent refuses the request",
            ),
            _ => noted(
                "nothing is attached to send (tp_btf/sock_send_length): the connection stays that of \
                 the process that connected",
            ),
        }
    }

    fn has_link(&self, pin: &str) -> bool {
        self.probe.pin_dir.join(pin).exists()
    }
}
