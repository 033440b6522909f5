//! What stands in the kernel for the protection, as the status file shows it: programs, programs of
//! others beside them, and every change that somebody made.
//!
//! Fields are added and never change their meaning; readers ignore those that they do not know.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The state of the kernel's side.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProtectionStatus {
    /// How much of the protection stands.
    pub tier: Tier,
    /// Every program of this version.
    pub programs: Vec<ProgramStatus>,
    /// Programs of others at hooks that matter; absent before the first look around.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surroundings: Option<Surroundings>,
    /// What somebody changed since the agent started, in the order of the first time.
    pub alarms: Vec<AlarmStatus>,
    /// Network links that are guarded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<GuardedLink>,
}

/// How much of the protection stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Tier {
    /// Every program runs.
    Full,
    /// A program does not run because the kernel lacks what it needs.
    Reduced,
    /// A program that this kernel can run does not run.
    #[default]
    Broken,
}

impl Tier {
    /// Returns the tier that these programs make up.
    #[must_use]
    pub fn of(programs: &[ProgramStatus]) -> Self {
        let mut idle = programs
            .iter()
            .filter(|program| !program.attached)
            .peekable();
        if idle.peek().is_none() {
            return Self::Full;
        }
        if idle.all(|program| program.missing.is_some()) {
            Self::Reduced
        } else {
            Self::Broken
        }
    }
}

/// One program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProgramStatus {
    /// Its name.
    pub name: String,
    /// The hook that it belongs to.
    pub hook: String,
    /// Whether it runs there.
    pub attached: bool,
    /// The kernel version that brought the newest thing that it uses, and that thing.
    pub kernel_feature: String,
    /// What the running kernel lacks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
}

/// What a look around found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Surroundings {
    /// How many cgroups were looked at.
    pub cgroups: usize,
    /// How many more there are at least.
    pub cgroups_skipped: usize,
    /// Programs of others.
    pub neighbours: Vec<NeighbourStatus>,
    /// How many more there are than are listed.
    pub neighbours_omitted: usize,
}

/// One program of somebody else.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NeighbourStatus {
    /// The hook.
    pub hook: String,
    /// The cgroup that it is attached to.
    pub cgroup: String,
    /// The kernel's number of the program.
    pub program: u32,
    /// Its name, as its owner chose it.
    pub name: String,
    /// The kernel's digest of its instructions, in hexadecimal digits.
    pub tag: String,
    /// How it shares the hook: `multi`, `override` or `exclusive`.
    pub sharing: String,
    /// When it runs: `before` or `after` ours, or `apart`.
    pub order: String,
    /// What it can do to ours: `rewrite`, `refuse`, `overrule`, `callbacks`.
    pub effects: Vec<String>,
}

/// One thing that somebody changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlarmStatus {
    /// The code, see `docs/reference/alarms.md`.
    pub code: String,
    /// What happened to what, for people.
    pub detail: String,
    /// When it was first found.
    pub first: Timestamp,
    /// When it was last found anew.
    pub last: Timestamp,
    /// How often it was found anew.
    pub count: u64,
    /// Whether it is as it should be again.
    pub restored: bool,
    /// Why it could not be restored, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// A network link whose packets are guarded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GuardedLink {
    /// The interface's name.
    pub name: String,
    /// The interface's number.
    pub index: u32,
    /// How it is guarded.
    pub guard: String,
    /// Why it is not, or not whole; absent when all is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(attached: bool, missing: Option<&str>) -> ProgramStatus {
        ProgramStatus {
            name: "connect4".to_owned(),
            hook: "connect4".to_owned(),
            attached,
            kernel_feature: "5.18".to_owned(),
            missing: missing.map(str::to_owned),
        }
    }

    #[test]
    fn tier_is_full_only_if_every_program_runs() {
        let (whole, lacking) = (program(true, None), program(false, Some("tcx")));
        assert_eq!(Tier::of(&[whole.clone(), whole.clone()]), Tier::Full);
        assert_eq!(Tier::of(&[whole.clone(), lacking.clone()]), Tier::Reduced);
        assert_eq!(
            Tier::of(&[whole, lacking, program(false, None)]),
            Tier::Broken
        );
    }

    #[test]
    fn form_of_a_later_version_can_be_read() {
        let text = r#"{"tier":"full","programs":[],"alarms":[],"later":[1]}"#;
        let read: ProtectionStatus = serde_json::from_str(text).unwrap();
        assert_eq!(read.tier, Tier::Full);
        assert_eq!((read.surroundings, read.links.len()), (None, 0));
    }
}
