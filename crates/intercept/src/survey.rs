//! Walks the cgroups above and below ours for programs of others, and for hooks at which ours do
//! not run; bounded, and too slow for every second.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::statfs;
use rustix::io::Errno;

use crate::cgroup::Cgroup;
use crate::finding::{Finding, Problem};
use crate::neighbour::{Neighbour, View};
use crate::sys::{self, HookPrograms, Scope};
use crate::watched::{WATCHED, WatchedHook};

/// At most this many cgroups are looked at; what lies beyond is counted.
const MAX_CGROUPS: usize = 4096;

/// `CGROUP2_SUPER_MAGIC` of `linux/magic.h`.
const CGROUP2_MAGIC: i128 = 0x6367_7270;

/// What a walk found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Programs of others.
    pub neighbours: Vec<Neighbour>,
    /// Cgroups below ours whose processes do not run a program of ours, or could not be asked.
    pub findings: Vec<Finding>,
    /// How many cgroups were looked at.
    pub cgroups: usize,
    /// How many are known that were not looked at, because they are too many.
    pub skipped: usize,
}

/// Looks around; made by [`Interceptor::surveyor`](crate::Interceptor::surveyor).
#[derive(Clone, Debug)]
pub struct Surveyor {
    pub(crate) cgroup: Arc<Cgroup>,
    /// The kernel's numbers of our programs.
    pub(crate) own: Vec<u32>,
}

impl Surveyor {
    /// Looks at the cgroup, at those above it and at those below it. Takes a system call or two for
    /// each of them and each hook, so it belongs on a thread that may wait.
    ///
    /// # Errors
    ///
    /// When the programs of our own cgroup cannot be asked for.
    pub fn survey(&self) -> io::Result<Survey> {
        let mut survey = Survey::default();
        let ours = Effective::of(self.cgroup.descriptor())?;
        for cgroup in above(self.cgroup.path()) {
            let directory = File::open(cgroup)?;
            survey.cgroups += 1;
            self.look(&mut survey, cgroup, directory.as_fd(), &ours)?;
        }
        let mut waiting = VecDeque::from([self.cgroup.path().to_owned()]);
        while let Some(cgroup) = waiting.pop_front() {
            if survey.cgroups == MAX_CGROUPS {
                survey.skipped = waiting.len() + 1;
                break;
            }
            survey.cgroups += 1;
            if let Err(error) = self.look_below(&mut survey, &cgroup, &ours) {
                survey.note_unchecked(&cgroup, &error);
            }
            waiting.extend(children(&cgroup));
        }
        Ok(survey)
    }

    fn look_below(&self, survey: &mut Survey, cgroup: &Path, ours: &Effective) -> io::Result<()> {
        let directory = File::open(cgroup)?;
        let here = Effective::of(directory.as_fd())?;
        for hook in here.lacks(ours, &self.own) {
            let subject = format!("{hook} in {}", cgroup.display());
            let finding = Finding::new(Problem::NotEffective, subject);
            survey.findings.push(finding);
        }
        self.look(survey, cgroup, directory.as_fd(), &here)
    }

    /// Notes the programs of others that are attached to one cgroup.
    fn look(
        &self,
        survey: &mut Survey,
        path: &Path,
        cgroup: BorrowedFd<'_>,
        effective: &Effective,
    ) -> io::Result<()> {
        for (hook, effective) in &effective.0 {
            let attached = sys::cgroup_programs(cgroup, hook.attach_type, Scope::Attached)?;
            let view = View {
                hook,
                cgroup: path,
                own: &self.own,
                effective: &effective.ids,
            };
            survey.neighbours.extend(view.neighbours(&attached));
        }
        Ok(())
    }
}

impl Survey {
    /// A cgroup that was removed meanwhile has no processes; anything else is told.
    fn note_unchecked(&mut self, cgroup: &Path, error: &io::Error) {
        let code = error.raw_os_error();
        let is_gone = [Errno::NOENT, Errno::NODEV].map(|gone| Some(gone.raw_os_error()));
        if !is_gone.contains(&code) {
            let subject = cgroup.display().to_string();
            self.findings
                .push(Finding::new(Problem::Unchecked, subject));
        }
    }
}

/// What the processes of one cgroup run, hook by hook.
struct Effective(Vec<(&'static WatchedHook, HookPrograms)>);

impl Effective {
    fn of(cgroup: BorrowedFd<'_>) -> io::Result<Self> {
        let hooks = WATCHED.iter().map(|hook| {
            let programs = sys::cgroup_programs(cgroup, hook.attach_type, Scope::Effective)?;
            Ok((hook, programs))
        });
        hooks.collect::<io::Result<_>>().map(Self)
    }

    /// Returns the hooks at which a program of ours is expected and none runs here.
    fn lacks<'a>(
        &'a self,
        expected: &'a Self,
        own: &'a [u32],
    ) -> impl Iterator<Item = &'static str> {
        let runs = |programs: &HookPrograms| programs.ids.iter().any(|id| own.contains(id));
        let hooks = self.0.iter().zip(&expected.0);
        let lacking = hooks.filter(move |((_, here), (_, there))| runs(there) && !runs(here));
        lacking.map(|((hook, _), _)| hook.name)
    }
}

/// Returns the cgroups above this one, as far as they are mounted.
fn above(cgroup: &Path) -> impl Iterator<Item = &Path> {
    let is_cgroup =
        |path: &&Path| statfs(*path).is_ok_and(|system| i128::from(system.f_type) == CGROUP2_MAGIC);
    cgroup.ancestors().skip(1).take_while(is_cgroup)
}

fn children(cgroup: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(cgroup).into_iter().flatten().flatten();
    let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    directories.map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effective(ids: [&[u32]; 2]) -> Effective {
        let hooks = WATCHED.iter().zip(ids);
        let programs = hooks.map(|(hook, ids)| {
            let ids = ids.to_vec();
            (hook, HookPrograms { ids, flags: 0 })
        });
        Effective(programs.collect())
    }

    #[test]
    fn hook_below_that_runs_only_another_program_is_found() {
        let ours = effective([&[1, 7], &[8]]);
        let lacking = |below| effective(below).lacks(&ours, &[7, 8]).collect::<Vec<_>>();
        assert_eq!(lacking([&[7, 1], &[3]]), [WATCHED[1].name]);
        assert_eq!(lacking([&[], &[]]), [WATCHED[0].name, WATCHED[1].name]);
        assert!(lacking([&[3, 7], &[8]]).is_empty());
    }

    #[test]
    fn hook_without_a_program_of_ours_is_not_missed_below() {
        let ours = effective([&[7], &[1]]);
        let lacking = effective([&[7], &[]]).lacks(&ours, &[7, 8]).count();
        assert_eq!(lacking, 0);
    }
}
