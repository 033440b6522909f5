//! A caller that somebody wrote down: the claims of the deployed agent, and what Latchkey knows besides.
//!
//! What is left out is not known, and what is not known matches no selector; a flag that is not
//! known counts as set.

use latchkey_protocol::flag::FlagError;
use latchkey_protocol::{Attributes, Caller, Elevation, Flag, Flags, objects_only};
use serde::Deserialize;
use serde_json::{Map, Value};

/// What the deployed agent writes for a user that has no name.
const NO_NAME: &str = "undefined";

/// How Linux shows an executable whose name was removed.
const DELETED: &str = " (deleted)";

/// A caller in the form of the deployed agent's claims.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self", rename_all = "camelCase", default)]
pub struct CallerClaims {
    /// The name of the effective user.
    pub user_name: Option<String>,
    /// The names of the process's groups.
    pub user_groups: Option<Vec<String>>,
    /// The path of the executable. The process's name is its last component.
    pub process_full_path: Option<String>,
    /// The process's name, where the path of its executable is not known.
    pub process_name: Option<String>,
    /// Whether it is root; if left out, whether `uid` is 0.
    pub run_as_elevated: Option<bool>,
    /// The effective user by number.
    pub uid: Option<u32>,
    /// The effective group by number.
    pub gid: Option<u32>,
    /// The unit of systemd.
    pub systemd_unit: Option<String>,
    /// The slice that the unit lies in.
    pub systemd_slice: Option<String>,
    /// The container's id.
    pub container_id: Option<String>,
    /// The cgroup's path.
    pub cgroup: Option<String>,
    /// The script that an interpreter runs.
    pub script_path: Option<String>,
    /// SHA-256 of the executable in hexadecimal digits.
    pub exe_sha256: Option<String>,
    /// The flags that are set, all others being clear; if left out, none is known.
    #[cfg_attr(
        feature = "schema",
        schemars(schema_with = "latchkey_protocol::authorization::schema::set_flags")
    )]
    pub flags: Option<Vec<String>>,
}

objects_only!(CallerClaims);

/// Why a caller cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ClaimsError {
    /// The flag is none.
    #[error(transparent)]
    Flag(#[from] FlagError),
    /// A field is of another form.
    #[error("the caller cannot be read")]
    Form(#[source] serde_json::Error),
    /// The field is none.
    #[error("`{0}` is no attribute of a caller")]
    UnknownField(String),
}

/// How many fields the deployed agent's claims have beside those.
const CLAIMS_ALONE: usize = 5;

/// Every field of a caller; those that rules cannot ask about come last.
pub(super) const FIELDS: [&str; 19] = [
    "userName",
    "userGroups",
    "processFullPath",
    "processName",
    "runAsElevated",
    "uid",
    "gid",
    "systemdUnit",
    "systemdSlice",
    "containerId",
    "cgroup",
    "scriptPath",
    "exeSha256",
    "flags",
    "userId",
    "processId",
    "processCmdLine",
    "clientIp",
    "clientPort",
];

impl CallerClaims {
    /// Returns the names of the attributes that rules can ask about.
    #[must_use]
    pub fn attributes() -> &'static [&'static str] {
        FIELDS.split_at(FIELDS.len().saturating_sub(CLAIMS_ALONE)).0
    }

    /// Reads a document of its own, in which a field that is not known or named twice is a mistake.
    ///
    /// # Errors
    /// When it is no object, or a field is not known, not of its form or there twice.
    pub fn read(text: &str) -> Result<Self, ClaimsError> {
        only_known(&serde_json::from_str(text).map_err(ClaimsError::Form)?)?;
        // SECURITY: of two users with one name a value keeps the last; the text shows both.
        serde_json::from_str(text).map_err(ClaimsError::Form)
    }

    /// Reads what a document of its own says, as [`read`](Self::read) does but for names that stand twice.
    ///
    /// # Errors
    /// When it is no object, or a field is not known or not of its form.
    pub fn strict(value: &Value) -> Result<Self, ClaimsError> {
        only_known(&Map::deserialize(value).map_err(ClaimsError::Form)?)?;
        Deserialize::deserialize(value).map_err(ClaimsError::Form)
    }

    /// Returns the caller as rules see it.
    ///
    /// # Errors
    /// When a flag is none.
    pub fn caller(&self) -> Result<Caller, ClaimsError> {
        let is_root = self.run_as_elevated.unwrap_or(self.uid == Some(0));
        let elevation = if is_root {
            Elevation::Root
        } else {
            Elevation::Unprivileged
        };
        let attributes = Attributes {
            user_name: self.user_name.clone().filter(|name| name != NO_NAME),
            group_names: self.user_groups.clone().unwrap_or_default(),
            executable: self.executable(),
            uid: self.uid,
            gid: self.gid,
            cgroup: self.cgroup.clone(),
            systemd_unit: self.systemd_unit.clone(),
            systemd_slice: self.systemd_slice.clone(),
            container_id: self.container_id.clone(),
            script_path: self.script_path.clone(),
            exe_sha256: self.exe_sha256.as_deref().map(str::to_ascii_lowercase),
            flags: self.flags()?,
        };
        Ok(Caller {
            elevation,
            attributes: Ok(attributes),
        })
    }

    /// Returns the path of the executable, or its name alone, which is no path that a rule could name.
    fn executable(&self) -> Option<String> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let path = given(&self.process_full_path);
        let known = path.or_else(|| given(&self.process_name).filter(|name| !name.contains('/')));
        known.filter(|path| !path.ends_with(DELETED))
    }

    fn flags(&self) -> Result<Flags, FlagError> {
        let Some(words) = &self.flags else {
            return Ok(Flags::default());
        };
        let mut flags = Flags::default();
        for flag in Flag::ALL {
            flags = flags.with(flag, Some(false));
        }
        for word in words {
            flags = flags.with(word.parse()?, Some(true));
        }
        Ok(flags)
    }
}

fn only_known(object: &Map<String, Value>) -> Result<(), ClaimsError> {
    let mut names = object.keys();
    match names.find(|name| !FIELDS.contains(&name.as_str())) {
        Some(unknown) => Err(ClaimsError::UnknownField(unknown.clone())),
        None => Ok(()),
    }
}
