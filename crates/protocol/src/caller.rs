//! The process behind a request, as far as rules may ask about it.
//!
//! Elevation comes from the kernel alone. Attributes are present only when what the
//! kernel saw at connect still held when they were read; otherwise the reason stands in
//! their place and no rule can match.

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// What the kernel says about its privilege; known even when the rest is not.
    pub elevation: Elevation,
    /// What rules may select by, or why that is not known.
    pub attributes: Result<Attributes, Reason>,
}

/// What rules select callers by. An absent value matches no selector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// The name of the effective user, if the user database has one.
    pub user_name: Option<String>,
    /// The names of the process's own groups, effective and supplementary.
    pub group_names: Vec<String>,
    /// The absolute path of the executable, if it still lies there.
    pub executable: Option<String>,
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
