//! The process behind a request, as far as rules may ask about it.
//!
//! Elevation comes from the kernel alone. Attributes are present only when what the
//! kernel saw at connect still held when they were read; otherwise the reason stands in
//! their place and no rule can match.

use crate::flag::Flags;
use crate::reason::Reason;

/// Whether a caller has effective user id 0 in the initial user namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Elevation {
    /// Effective user id 0 in the initial user namespace.
    Root,
    /// Anybody else.
    Unprivileged,
}

/// One calling process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Caller {
    /// What the kernel says about its privilege; known even when the rest is not.
    pub elevation: Elevation,
    /// What rules may select by, or why that is not known.
    pub attributes: Result<Attributes, Reason>,
}

/// What rules select callers by. An absent value matches no selector.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Attributes {
    /// The name of the effective user, if the user database has one.
    pub user_name: Option<String>,
    /// The names of the process's own groups, effective and supplementary.
    pub group_names: Vec<String>,
    /// The absolute path of the executable, if it still lies there.
    pub executable: Option<String>,
    /// The effective user, by number in the initial user namespace.
    pub uid: Option<u32>,
    /// The effective group, by number in the initial user namespace.
    pub gid: Option<u32>,
    /// The path of the cgroup that it connected in, from the root of the protected cgroups.
    pub cgroup: Option<String>,
    /// The unit of the system's systemd that this cgroup belongs to.
    pub systemd_unit: Option<String>,
    /// The slice that this unit lies in.
    pub systemd_slice: Option<String>,
    /// The id of the container that this cgroup belongs to.
    pub container_id: Option<String>,
    /// The path of the script that an interpreter was started for.
    pub script_path: Option<String>,
    /// SHA-256 of the executable in lower-case hexadecimal digits.
    pub exe_sha256: Option<String>,
    /// What rules may forbid.
    pub flags: Flags,
}

impl Attributes {
    /// Returns the last component of the executable's path.
    #[must_use]
    pub fn process_name(&self) -> Option<&str> {
        self.executable
            .as_deref()?
            .rsplit('/')
            .next()
            .filter(|name| !name.is_empty())
    }
}
