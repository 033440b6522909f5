//! Programs of others at the hooks that could come in our way: which they are, whether they run
//! before or after ours, and what they can do to it.
//!
//! What runs before ours and rewrites a destination is judged by what it wrote. What runs after
//! ours can write over it, and can turn a refusal into a pass; the kernel runs the programs of a
//! cgroup before those of the cgroups above it, and those of one cgroup in the order of attaching.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use crate::error::InterceptError;
use crate::sys::{self, HookPrograms, Scope};
use crate::watched::{Effect, WATCHED, WatchedHook};

/// `BPF_F_ALLOW_OVERRIDE` of `linux/bpf.h`.
const ALLOW_OVERRIDE: u32 = 1;
/// `BPF_F_ALLOW_MULTI` of `linux/bpf.h`.
const ALLOW_MULTI: u32 = 2;

/// When a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// Before ours.
    Before,
    /// After ours.
    After,
    /// Ours is not at this hook, or the other one has no effect where ours runs.
    Apart,
}

impl Order {
    /// Returns the name for status and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
            Self::Apart => "apart",
        }
    }

    fn of(other: u32, own: &[u32], effective: &[u32]) -> Self {
        let position = |wanted: &dyn Fn(u32) -> bool| effective.iter().position(|id| wanted(*id));
        let theirs = position(&|id| id == other);
        let ours = position(&|id| own.contains(&id));
        match (theirs, ours) {
            (Some(theirs), Some(ours)) if theirs < ours => Self::Before,
            (Some(_), Some(_)) => Self::After,
            _ => Self::Apart,
        }
    }
}

/// How a program shares its hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sharing {
    /// With others, here and below.
    Multi,
    /// With nobody here; one below takes its place.
    Override,
    /// With nobody, here or below.
    Exclusive,
}

impl Sharing {
    fn of(flags: u32) -> Self {
        if flags & ALLOW_MULTI != 0 {
            Self::Multi
        } else if flags & ALLOW_OVERRIDE != 0 {
            Self::Override
        } else {
            Self::Exclusive
        }
    }

    /// Returns the name for status and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Multi => "multi",
            Self::Override => "override",
            Self::Exclusive => "exclusive",
        }
    }
}

/// A program of somebody else.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Neighbour {
    /// The hook.
    pub hook: &'static str,
    /// The cgroup that it is attached to: ours, or one above or below it.
    pub cgroup: PathBuf,
    /// The kernel's number of the program.
    pub program_id: u32,
    /// Its name, as its owner chose it; may be empty.
    pub name: String,
    /// The kernel's digest of its instructions.
    pub tag: [u8; 8],
    /// How it shares the hook.
    pub sharing: Sharing,
    /// When it runs.
    pub order: Order,
    /// What it can do to ours.
    pub effects: Vec<Effect>,
}

/// Whose programs are looked for at one hook, and where they have an effect.
pub(crate) struct View<'a> {
    pub(crate) hook: &'static WatchedHook,
    pub(crate) cgroup: &'a Path,
    /// The kernel's numbers of our programs.
    pub(crate) own: &'a [u32],
    /// What runs where ours does, in its order.
    pub(crate) effective: &'a [u32],
}

impl View<'_> {
    /// Returns the programs of others among those that are attached to the cgroup itself.
    pub(crate) fn neighbours(&self, attached: &HookPrograms) -> Vec<Neighbour> {
        let others = attached.ids.iter().filter(|id| !self.own.contains(id));
        let others = others.filter_map(|&id| self.neighbour(id, Sharing::of(attached.flags)));
        others.collect()
    }

    /// Describes one, unless it is gone by now.
    fn neighbour(&self, program_id: u32, sharing: Sharing) -> Option<Neighbour> {
        let info = sys::program_info(program_id).ok().flatten()?;
        let order = Order::of(program_id, self.own, self.effective);
        let effects = self.hook.effects.iter().copied();
        let effects = effects.filter(|effect| *effect != Effect::Overrule || order == Order::After);
        Some(Neighbour {
            hook: self.hook.name,
            cgroup: self.cgroup.into(),
            program_id,
            name: program_name(&info.name),
            tag: info.tag,
            sharing,
            order,
            effects: effects.collect(),
        })
    }
}

/// Returns the name without its padding; what is no plain text shows as question marks.
fn program_name(padded: &[u8; 16]) -> String {
    let name = padded.iter().take_while(|byte| **byte != 0);
    let shown = name.map(|&byte| if byte.is_ascii_graphic() { byte } else { b'?' });
    shown.map(char::from).collect()
}

/// Returns the program that keeps others out of a hook of the cgroup or of one above it, as an error.
pub(crate) fn exclusive_program(cgroup: &Path, attach_type: u32) -> Option<InterceptError> {
    let hook = WATCHED
        .iter()
        .find(|hook| hook.attach_type == attach_type)?;
    cgroup.ancestors().find_map(|cgroup| {
        let directory = File::open(cgroup).ok()?;
        let found = sys::cgroup_programs(directory.as_fd(), attach_type, Scope::Attached).ok()?;
        let &program_id = found.ids.first()?;
        if Sharing::of(found.flags) == Sharing::Multi {
            return None;
        }
        let info = sys::program_info(program_id).ok().flatten()?;
        Some(InterceptError::Exclusive {
            name: program_name(&info.name),
            program_id,
            cgroup: cgroup.into(),
            hook: hook.name,
            bpftool: hook.bpftool,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_that_of_the_kernels_list() {
        assert_eq!(Order::of(3, &[7, 8], &[3, 7, 9]), Order::Before);
        assert_eq!(Order::of(9, &[7, 8], &[3, 7, 9]), Order::After);
        assert_eq!(Order::of(4, &[7, 8], &[3, 7, 9]), Order::Apart);
        assert_eq!(Order::of(3, &[5], &[3, 7, 9]), Order::Apart);
    }

    #[test]
    fn name_of_a_program_cannot_write_into_a_terminal() {
        assert_eq!(program_name(b"a\x1b[2J name\0\0\0\0\0\0"), "a?[2J?name");
    }
}
