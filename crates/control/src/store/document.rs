//! A document: a JSON value under a key, with the revision that wrote it.

use std::fmt;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::StoreError;

/// What a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A person's account.
    Account,
    /// An agent that reports to control itself.
    Agent,
    /// An API token.
    ApiToken,
    /// Something that only control itself needs to remember: its CA, a one-time setup link.
    Control,
    /// A one-time token that a gateway or an agent enrols with.
    EnrolmentToken,
    /// A feature's registration.
    Feature,
    /// A gallery.
    Gallery,
    /// A gateway.
    Gateway,
    /// A machine as its gateway reports it.
    Machine,
    /// An access control profile.
    Profile,
    /// A version of a profile.
    ProfileVersion,
    /// A provider's registration.
    Provider,
    /// A roll-out.
    Rollout,
    /// A rotation of keys.
    Rotation,
    /// A scale set.
    ScaleSet,
    /// An instance of a scale set.
    ScaleSetInstance,
    /// A session of a person.
    Session,
    /// Settings of the control plane.
    Setting,
    /// A virtual machine with its settings.
    VirtualMachine,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::Account,
        Self::Agent,
        Self::ApiToken,
        Self::Control,
        Self::EnrolmentToken,
        Self::Feature,
        Self::Gallery,
        Self::Gateway,
        Self::Machine,
        Self::Profile,
        Self::ProfileVersion,
        Self::Provider,
        Self::Rollout,
        Self::Rotation,
        Self::ScaleSet,
        Self::ScaleSetInstance,
        Self::Session,
        Self::Setting,
        Self::VirtualMachine,
    ];

    /// Returns the kind's word in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Agent => "agent",
            Self::ApiToken => "api-token",
            Self::Control => "control",
            Self::EnrolmentToken => "enrolment-token",
            Self::Feature => "feature",
            Self::Gallery => "gallery",
            Self::Gateway => "gateway",
            Self::Machine => "machine",
            Self::Profile => "profile",
            Self::ProfileVersion => "profile-version",
            Self::Provider => "provider",
            Self::Rollout => "rollout",
            Self::Rotation => "rotation",
            Self::ScaleSet => "scale-set",
            Self::ScaleSetInstance => "scale-set-instance",
            Self::Session => "session",
            Self::Setting => "setting",
            Self::VirtualMachine => "virtual-machine",
        }
    }

    /// Returns the kind of a word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// Names a document.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// What it is.
    pub kind: Kind,
    /// Its id among its kind. Resource ids are in lower case, since they mean the same in any.
    pub id: String,
}

impl Key {
    /// Makes a key.
    pub fn new(kind: Kind, id: impl Into<String>) -> Self {
        Self {
            kind,
            id: id.into(),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`", self.kind.as_str(), self.id)
    }
}

/// Counts commits: each commit has a larger one than all before it, and gives it to what it writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Revision(pub u64);

impl Revision {
    /// Returns the entity tag (RFC 9110, 8.8.3).
    #[must_use]
    pub fn etag(self) -> String {
        format!("\"{}\"", self.0)
    }
}

/// A document as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its name.
    pub key: Key,
    /// What it says.
    pub body: Value,
    /// The commit that wrote it.
    pub revision: Revision,
    /// When it was first written.
    pub created: Timestamp,
    /// When it was last written.
    pub updated: Timestamp,
    /// When it is deleted by itself. Readers must look: it is there until it is pruned.
    pub expires: Option<Timestamp>,
}

impl Document {
    /// Reads what the document says.
    ///
    /// # Errors
    /// When it is of another form.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, StoreError> {
        T::deserialize(&self.body).map_err(|source| StoreError::Damaged {
            key: self.key.clone(),
            source,
        })
    }
}

/// Which documents are listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQuery {
    /// What they are.
    pub kind: Kind,
    /// What their ids begin with; byte for byte, no pattern.
    pub prefix: String,
    /// The id after which the list begins: [`Slice::next`](super::Slice::next) of the part before.
    pub after: Option<String>,
    /// At most so many, at least one.
    pub limit: usize,
}

impl ListQuery {
    /// All of a kind, `limit` at a time.
    #[must_use]
    pub const fn of(kind: Kind, limit: usize) -> Self {
        Self {
            kind,
            prefix: String::new(),
            after: None,
            limit,
        }
    }

    /// Those whose ids begin so.
    #[must_use]
    pub fn below(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Those after this id.
    #[must_use]
    pub fn after(mut self, id: Option<String>) -> Self {
        self.after = id;
        self
    }
}
