//! Removes what a lab made outside of its namespaces, and finds what dead labs have left.
//!
//! Only names that a lab gives are looked at, and of those only the ones whose process is dead:
//! anything else stays, whoever made it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use crate::cgroup::{self, Cgroup, CgroupError};
use crate::files::{self, FileError, Named as _};
use crate::id::LabId;
use crate::pins::{self, BPF_ROOT, PinError};
use crate::state::{self, RUN_DIRECTORY};

/// How long killed processes may take to end.
const KILL_LIMIT: Duration = Duration::from_secs(20);

/// Why something of a lab could not be removed.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// A file or directory stays.
    #[error(transparent)]
    File(#[from] FileError),
    /// A control group stays.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// A pin stays.
    #[error(transparent)]
    Pin(#[from] PinError),
}

/// What was found of dead labs.
#[derive(Debug, Default)]
pub struct Sweep {
    /// The control groups and directories that are gone now.
    pub removed: Vec<PathBuf>,
    /// What could not be removed.
    pub problems: Vec<SweepError>,
}

/// Held by whoever sweeps or mounts, so that no two processes do it at once.
#[derive(Debug)]
pub(crate) struct Turn(#[expect(dead_code, reason = "held for its lock")] File);

/// Waits for the turn; it ends when the value is dropped.
pub(crate) fn take_turn() -> Result<Turn, SweepError> {
    let path = Path::new(RUN_DIRECTORY);
    std::fs::create_dir_all(path).named("create directory", path)?;
    let directory = File::open(path).named("open", path)?;
    flock(&directory, FlockOperation::LockExclusive)
        .map_err(std::io::Error::from)
        .named("lock", path)?;
    Ok(Turn(directory))
}

/// Removes what dead labs have left behind, and kills what still runs of them.
///
/// # Errors
/// The places in which labs leave things cannot be listed. What could not be removed is in the
/// result.
pub fn sweep() -> Result<Sweep, SweepError> {
    let _turn = take_turn()?;
    sweep_in_turn()
}

/// As [`sweep`], for a caller who has the turn.
pub(crate) fn sweep_in_turn() -> Result<Sweep, SweepError> {
    let mut result = Sweep::default();
    for id in dead_labs()? {
        let traces = Traces::of(id)?;
        let found = traces.present();
        match traces.remove() {
            Ok(()) => result.removed.extend(found),
            Err(problem) => result.problems.push(problem),
        }
    }
    Ok(result)
}

/// Finds the labs that have left something and whose process is dead.
fn dead_labs() -> Result<Vec<LabId>, SweepError> {
    let mut ids: Vec<LabId> = files::names_in(Path::new(RUN_DIRECTORY))?
        .iter()
        .filter_map(|name| name.parse().ok())
        .collect();
    for place in [cgroup::root()?, PathBuf::from(BPF_ROOT)] {
        for id in files::names_in(&place)?
            .iter()
            .filter_map(|name| LabId::from_group_name(name))
        {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
    }
    ids.retain(|id| !id.owner().is_alive());
    Ok(ids)
}

/// The places in which a lab leaves something.
#[derive(Debug)]
pub(crate) struct Traces {
    pub(crate) cgroup: Cgroup,
    pub(crate) pins: PathBuf,
    pub(crate) directory: PathBuf,
}

impl Traces {
    /// Returns the places that the lab of this name uses, whether or not there is anything yet.
    pub(crate) fn of(id: LabId) -> Result<Self, CgroupError> {
        let name = id.group_name();
        Ok(Self {
            cgroup: Cgroup::at(cgroup::root()?.join(&name)),
            pins: pins::directory(&name),
            directory: state::directory(id),
        })
    }

    /// Returns the places where there is something.
    fn present(&self) -> Vec<PathBuf> {
        let places = [self.cgroup.path(), &self.pins, &self.directory];
        places
            .into_iter()
            .filter(|path| path.exists())
            .map(Path::to_owned)
            .collect()
    }

    /// Kills what runs of the lab and removes everything of it; gone already is success.
    pub(crate) fn remove(&self) -> Result<(), SweepError> {
        self.cgroup.kill(KILL_LIMIT)?;
        // Each step is tried whatever becomes of the one before; the first failure is told.
        let pins = pins::remove(&self.pins);
        let cgroup = self.cgroup.remove();
        let directory = files::remove_tree(&self.directory);
        pins?;
        cgroup?;
        directory?;
        Ok(())
    }
}
