//! What is asked about the machine that a profile is for; answered by whoever can look at it.

/// A machine whose users, files and units can be looked up. Nothing stands for what cannot be found out.
pub trait Machine {
    /// Returns whether a user of this name exists.
    fn has_user(&self, name: &str) -> Option<bool>;

    /// Returns whether a group of this name exists.
    fn has_group(&self, name: &str) -> Option<bool>;

    /// Returns whether systemd has a unit of this name.
    fn has_unit(&self, name: &str) -> Option<bool>;

    /// Returns what lies at an absolute path.
    fn file(&self, path: &str) -> Option<File>;
}

/// What lies at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum File {
    /// Nothing.
    Missing,
    /// A file.
    Present(Facts),
}

/// What is known of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Where the path leads, if over a link.
    pub leads_to: Option<String>,
    /// What others than root can write to: the file itself, or a folder above it.
    pub writable: Option<Writable>,
    /// The interpreter that its first line names.
    pub interpreter: Option<String>,
}

/// What others than root can write to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writable {
    /// Its path.
    pub path: String,
    /// The one user who can, by name, if nobody else but root can.
    pub only_by: Option<String>,
}
