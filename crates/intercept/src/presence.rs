//! The agent as the programs know it: who it is, where it listens, that it lives.
//!
//! It remembers what it wrote, so that a change by somebody else is noticed. Where another living
//! process has taken its place it steps back and writes nothing more: two agents that overwrite
//! each other would serve nobody.

use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aya::Pod;
use aya::maps::MapData;
use rustix::time::{ClockId, clock_gettime};

use crate::error::InterceptError;
use crate::finding::{Finding, Problem};
use crate::layout::{Claim, Heartbeat, LAYOUT_VERSION, Settings};
use crate::process::{AgentProcess, Pid};
use crate::sys;

/// What was written last; nothing before the first time.
#[derive(Debug, Default)]
struct Written {
    claim: Option<Claim>,
    beat_ns: Option<u64>,
}

/// The two maps by which the agent tells the programs about itself.
#[derive(Debug)]
pub struct Presence {
    settings: MapData,
    heartbeat: MapData,
    written: Mutex<Written>,
}

impl Presence {
    pub(crate) fn new(settings: MapData, heartbeat: MapData) -> Self {
        Self {
            settings,
            heartbeat,
            written: Mutex::default(),
        }
    }

    /// Tells the programs that the agent lives; due every second, and missed after five.
    ///
    /// Does nothing while another living process has the agent's place.
    ///
    /// # Errors
    ///
    /// [`InterceptError::Element`] when the map cannot be written.
    pub fn beat(&self) -> Result<(), InterceptError> {
        // The lock keeps a check from reading between the two writes.
        let mut written = self.written();
        if self.rival_of(&written)?.is_some() {
            return Ok(());
        }
        let beat_ns = nanoseconds_since_boot();
        let heartbeat = Heartbeat {
            lock: 0,
            reserved: 0,
            boottime_ns: beat_ns,
        };
        write(&self.heartbeat, "heartbeat", &heartbeat)?;
        written.beat_ns = Some(beat_ns);
        Ok(())
    }

    pub(crate) fn claim(&self, claim: Claim) -> Result<(), InterceptError> {
        let mut written = self.written();
        self.write_claim(claim)?;
        written.claim = Some(claim);
        Ok(())
    }

    /// Makes the first settings, in which the listener's port is guarded and nobody is the agent.
    pub(crate) fn prepare(
        &self,
        pin_dir: &Path,
        nobody: impl FnOnce() -> Result<Claim, InterceptError>,
    ) -> Result<(), InterceptError> {
        match self.settings()?.layout_version {
            LAYOUT_VERSION => Ok(()),
            0 => self.write_claim(nobody()?),
            _ => Err(InterceptError::PinnedByOther {
                path: pin_dir.into(),
            }),
        }
    }

    /// Returns the living process that has taken the place of the agent that claimed it here.
    pub(crate) fn rival(&self) -> Result<Option<Pid>, InterceptError> {
        self.rival_of(&self.written())
    }

    fn rival_of(&self, written: &Written) -> Result<Option<Pid>, InterceptError> {
        let Some(own) = written.claim else {
            return Ok(None);
        };
        let settings = self.settings()?;
        let (own, now) = (process_of(&own), process_of(&settings.claim));
        let is_other = settings.layout_version == LAYOUT_VERSION && now != own;
        // A number that somebody else has by now, or nobody, is no rival but a wrong claim.
        let is_alive = AgentProcess::of(now.pid).is_ok_and(|living| living == now);
        Ok((is_other && is_alive).then_some(now.pid))
    }

    pub(crate) fn check(&self) -> Vec<Finding> {
        self.compare()
            .unwrap_or_else(|_| vec![Finding::new(Problem::Unchecked, "map_settings")])
    }

    fn compare(&self) -> Result<Vec<Finding>, InterceptError> {
        let written = self.written();
        if let Some(rival) = self.rival_of(&written)? {
            let subject = format!("process {rival}");
            return Ok(vec![Finding::new(Problem::ClaimedByAnother, subject)]);
        }
        let mut findings = Vec::new();
        let settings = self.settings()?;
        let is_claim_ours = written.claim.is_none_or(|own| own == settings.claim);
        if settings.layout_version != LAYOUT_VERSION || !is_claim_ours {
            findings.push(Finding::new(Problem::SettingsChanged, "map_settings"));
        }
        let heartbeat: Heartbeat = read(&self.heartbeat, "heartbeat")?;
        let is_beat_ours = written
            .beat_ns
            .is_none_or(|own| own == heartbeat.boottime_ns);
        if !is_beat_ours {
            findings.push(Finding::new(Problem::HeartbeatForeign, "map_heartbeat"));
        }
        Ok(findings)
    }

    /// Writes again what was written before; an agent that never lived does not begin to.
    pub(crate) fn restore(&self) -> Result<(), InterceptError> {
        let (claim, has_lived) = {
            let written = self.written();
            (written.claim, written.beat_ns.is_some())
        };
        claim.map_or(Ok(()), |claim| self.write_claim(claim))?;
        if has_lived { self.beat() } else { Ok(()) }
    }

    fn write_claim(&self, claim: Claim) -> Result<(), InterceptError> {
        let settings = Settings {
            lock: 0,
            layout_version: LAYOUT_VERSION,
            claim,
        };
        write(&self.settings, "settings", &settings)
    }

    fn settings(&self) -> Result<Settings, InterceptError> {
        read(&self.settings, "settings")
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn process_of(claim: &Claim) -> AgentProcess {
    AgentProcess::new(Pid(claim.agent_tgid), claim.agent_start_ticks)
}

fn read<V: Pod + Default>(map: &MapData, name: &'static str) -> Result<V, InterceptError> {
    let descriptor: BorrowedFd<'_> = map.fd().as_fd();
    let found = sys::map_lookup(descriptor, &0_u32, sys::UNDER_LOCK);
    let found = found.map_err(|source| InterceptError::Element {
        operation: "read",
        map: name,
        source,
    })?;
    Ok(found.unwrap_or_default())
}

/// Writes the one value of a map that begins with a spin lock.
pub(crate) fn write<V: Pod>(
    map: &MapData,
    name: &'static str,
    value: &V,
) -> Result<(), InterceptError> {
    let descriptor: BorrowedFd<'_> = map.fd().as_fd();
    sys::map_update(descriptor, &0_u32, value, sys::UNDER_LOCK).map_err(|source| {
        InterceptError::Element {
            operation: "write",
            map: name,
            source,
        }
    })
}

/// Returns the clock of `bpf_ktime_get_boot_ns`; the initial time namespace has no offset to it.
fn nanoseconds_since_boot() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    let nanoseconds = u64::try_from(now.tv_nsec).unwrap_or_default();
    seconds * 1_000_000_000 + nanoseconds
}
