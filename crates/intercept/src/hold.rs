//! All that keeps the programs where they are: links, maps, the directory of pins and the cgroup.
//! Restoring comes back to what was set up, in an order in which a redirect never works without
//! what it relies on.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cgroup::Cgroup;
use crate::error::InterceptError;
use crate::finding::{Finding, Problem};
use crate::held::{HeldLink, HeldMap};
use crate::mount;
use crate::pin;

/// What is held while the agent lives.
#[derive(Debug)]
pub(crate) struct Hold {
    pin_dir: PathBuf,
    /// The number of the BPF file system that the pins are in.
    file_system: u64,
    pub(crate) cgroup: Arc<Cgroup>,
    /// In the order of attaching.
    pub(crate) links: Vec<HeldLink>,
    maps: Vec<HeldMap>,
}

impl Hold {
    pub(crate) fn new(
        pin_dir: &Path,
        cgroup: Arc<Cgroup>,
        links: Vec<HeldLink>,
        maps: Vec<HeldMap>,
    ) -> Result<Self, InterceptError> {
        Ok(Self {
            pin_dir: pin_dir.into(),
            file_system: number_of_file_system(pin_dir)?,
            cgroup,
            links,
            maps,
        })
    }

    pub(crate) fn check(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        match self.cgroup.is_in_place() {
            Ok(true) => {}
            Ok(false) => findings.push(about(Problem::CgroupGone, self.cgroup.path())),
            Err(_) => findings.push(about(Problem::Unchecked, self.cgroup.path())),
        }
        findings.extend(self.links.iter().filter_map(HeldLink::check));
        // Without the directory every pin is missing; one finding says it.
        if let Some(finding) = self.check_directory() {
            findings.push(finding);
            return findings;
        }
        let links = self.links.iter();
        findings.extend(links.filter_map(|link| link.check_pin(&self.pin_dir)));
        let maps = self.maps.iter();
        findings.extend(maps.filter_map(|map| map.check_pin(&self.pin_dir)));
        findings
    }

    fn check_directory(&self) -> Option<Finding> {
        let existing = nearest_existing(&self.pin_dir);
        let problem = match (
            mount::is_bpffs(existing),
            number_of_file_system(existing),
            existing == self.pin_dir,
        ) {
            (Ok(true), Ok(number), true) if number == self.file_system => return None,
            (Ok(true), Ok(number), false) if number == self.file_system => {
                Problem::PinDirectoryGone
            }
            (Ok(true), Ok(_), _) => Problem::BpffsCovered,
            (Ok(false), _, _) => Problem::BpffsGone,
            (Err(_), _, _) | (_, Err(_), _) => Problem::Unchecked,
        };
        Some(about(problem, &self.pin_dir))
    }

    /// Makes the directory and pins the maps, so that a next agent finds what this one left.
    pub(crate) fn restore_maps(&mut self) -> Result<(), InterceptError> {
        pin::prepare_directory(&self.pin_dir)?;
        self.file_system = number_of_file_system(&self.pin_dir)?;
        let maps = self.maps.iter();
        maps.map(|map| map.restore_pin(&self.pin_dir))
            .fold(Ok(()), Result::and)
    }

    /// Attaches what is detached, even if nothing can be pinned.
    pub(crate) fn restore_links(&mut self) -> Result<(), InterceptError> {
        let followed = self.follow_cgroup();
        let links = self.links.iter_mut();
        let restored = links.map(|link| {
            let attached = link.restore();
            attached.and(link.restore_pin(&self.pin_dir))
        });
        followed.and(restored.fold(Ok(()), Result::and))
    }

    /// Turns to the cgroup that has the path now, if the one that was held is gone.
    fn follow_cgroup(&mut self) -> Result<(), InterceptError> {
        let is_in_place = self.cgroup.is_in_place();
        if is_in_place.map_err(InterceptError::file("inspect", self.cgroup.path()))? {
            return Ok(());
        }
        self.cgroup = Arc::new(Cgroup::open(self.cgroup.path())?);
        for link in &mut self.links {
            link.move_to(&self.cgroup);
        }
        Ok(())
    }
}

fn about(problem: Problem, path: &Path) -> Finding {
    Finding::new(problem, path.display().to_string())
}

fn nearest_existing(path: &Path) -> &Path {
    let mut existing = path.ancestors().filter(|ancestor| ancestor.exists());
    existing.next().unwrap_or(path)
}

fn number_of_file_system(path: &Path) -> Result<u64, InterceptError> {
    let metadata: io::Result<_> = path.metadata();
    let metadata = metadata.map_err(InterceptError::file("inspect", path))?;
    Ok(metadata.dev())
}
