//! What can be wrong with programs that were attached; a closed list, of which
//! `docs/reference/alarms.md` has every entry.

use std::fmt;

macro_rules! problems {
    ($($variant:ident => $code:literal, $sentence:literal;)+) => {
        /// A way in which the protection is not as it was set up.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Problem {
            $(#[doc = concat!("`", $code, "`: ", $sentence, ".")] $variant,)+
        }

        impl Problem {
            /// Every problem.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Returns the code for status, logs and documentation.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)+
                }
            }

            fn sentence(self) -> &'static str {
                match self {
                    $(Self::$variant => $sentence,)+
                }
            }
        }
    };
}

problems! {
    LinkDetached => "link_detached", "a program was detached from its hook";
    ProgramReplaced => "program_replaced", "a link runs another program than the agent's";
    PinRemoved => "pin_removed", "a pin was removed";
    PinExchanged => "pin_exchanged", "a pin leads to something else";
    PinDirectoryGone => "pin_directory_gone", "the directory of pins is gone";
    BpffsGone => "bpffs_gone", "the BPF file system with the pins is unmounted or covered";
    BpffsCovered => "bpffs_covered", "another BPF file system lies over the one with the pins";
    CgroupGone => "cgroup_gone", "the cgroup that the programs are attached to was removed";
    SettingsChanged => "settings_changed", "somebody else wrote the settings of the programs";
    ClaimedByAnother => "claimed_by_another", "another living process has taken the agent's place";
    EndpointsChanged => "endpoints_changed", "somebody else wrote the list of endpoints";
    HeartbeatForeign => "heartbeat_foreign", "somebody else writes the agent's heartbeat";
    NotEffective => "not_effective", "processes of a cgroup do not run a program of the agent";
    Unchecked => "unchecked", "the protection could not be checked";
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A problem, and what has it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Finding {
    /// What is wrong.
    pub problem: Problem,
    /// The program, pin, map, cgroup or process that it is about.
    pub subject: String,
}

impl Finding {
    pub(crate) fn new(problem: Problem, subject: impl Into<String>) -> Self {
        Self {
            problem,
            subject: subject.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.problem.sentence(), self.subject)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_documented_once_and_nothing_else() {
        let text = include_str!("../../../docs/reference/alarms.md");
        let (_, table) = text.split_once("\n| code |").unwrap();
        let (table, _) = table.split_once("\n\n").unwrap();
        let documented: Vec<_> = table
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split_once("` | "))
            .map(|(code, _)| code)
            .collect();
        let codes: Vec<_> = Problem::ALL.iter().map(|each| each.as_str()).collect();
        assert_eq!(documented, codes);
    }
}
