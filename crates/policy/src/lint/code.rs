//! The codes of findings: the closed list, with a severity for each.
//!
//! A code appears in the answers of `latchkey profile lint` and in `docs/reference/lint.md`, and keeps its
//! meaning.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It may be as it should; worth to know.
    Note,
    /// It is probably not meant.
    Warning,
    /// It protects nothing, or lets in who should stay out.
    Error,
}

impl Severity {
    /// Returns the word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! codes {
    ($($(#[doc = $title:literal])+ $name:ident = $code:literal, $severity:ident;)+) => {
        /// What kind of thing was found.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Code {
            $($(#[doc = $title])+ #[serde(rename = $code)] $name,)+
        }

        impl Code {
            /// Every code, in the order of the reference documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// Returns the word that names this kind everywhere outside the process.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// Returns how bad findings of this kind are.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)+ }
            }

            /// Returns one sentence for people.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => concat!($($title),+).trim_ascii(),)+ }
            }
        }
    };
}

codes! {
    // Mode, default and time.
    /// The profile is Disabled, so its rules do nothing.
    DisabledWithRules = "disabled_with_rules", Warning;
    /// The default is Deny and nothing is granted to anybody.
    DeniesEverything = "denies_everything", Warning;
    /// Audit has no end, so what the rules refuse is let through for good.
    AuditWithoutEnd = "audit_without_end", Note;
    /// The end of Audit is past: it counts as Enforce.
    AuditExpired = "audit_expired", Warning;
    /// Audit ends within a week.
    AuditExpiresSoon = "audit_expires_soon", Warning;
    /// There is an end of Audit and nothing in Audit.
    AuditEndWithoutAudit = "audit_end_without_audit", Note;
    /// An assignment repeats the mode of the item.
    RedundantMode = "redundant_mode", Note;
    /// An assignment has Audit for a privilege that reaches tokens, in an enforced profile.
    TokenInAudit = "token_in_audit", Warning;
    /// An assignment has Audit where the default Deny is enforced, which opens to everybody what it covers.
    OpenTrial = "open_trial", Warning;

    // What privileges cover.
    /// Two privileges cover the same requests.
    DuplicatePrivilege = "duplicate_privilege", Warning;
    /// A wider privilege is granted to the same callers, so this one does nothing.
    ShadowedPrivilege = "shadowed_privilege", Warning;
    /// Nobody has the privilege, so it lets nobody in.
    UnassignedPrivilege = "unassigned_privilege", Warning;
    /// Nobody has the privilege, so it blocks what the default would allow.
    BlocksEverybody = "blocks_everybody", Warning;
    /// The privilege covers every path.
    GrantsEverything = "grants_everything", Warning;
    /// The path belongs to another endpoint.
    ForeignPath = "foreign_path", Error;
    /// The profile has paths of two endpoints.
    MixedEndpoints = "mixed_endpoints", Error;
    /// The path has a segment that looks like an id or a time.
    VolatilePath = "volatile_path", Warning;
    /// With the default Allow, the listed methods leave GET or HEAD of the same path open.
    MethodGap = "method_gap", Warning;

    // Query parameters.
    /// The value looks like an id, a counter or a time.
    VolatileValue = "volatile_value", Warning;
    /// The API version is fixed, so an update of a client breaks the rule.
    FixedApiVersion = "fixed_api_version", Warning;
    /// Two parameters of one privilege have nearly the same name.
    SimilarParameters = "similar_parameters", Warning;

    // Lists and names.
    /// The role holds no privilege.
    EmptyRole = "empty_role", Warning;
    /// The role is assigned to nobody.
    UnassignedRole = "unassigned_role", Warning;
    /// The assignment names no identity.
    EmptyAssignment = "empty_assignment", Warning;
    /// No assignment names the identity.
    UnusedIdentity = "unused_identity", Warning;
    /// Two names differ only by letter case or by characters that look alike.
    ConfusableNames = "confusable_names", Warning;
    /// The text has characters that are not seen, or that change how others are shown.
    UnseenCharacters = "unseen_characters", Warning;
    /// The name looks like it was made by a program.
    GeneratedName = "generated_name", Note;

    // Who callers are.
    /// The executable is an interpreter, and nothing says what it runs.
    BareInterpreter = "bare_interpreter", Warning;
    /// The executable passes on what others ask it to.
    RelayExecutable = "relay_executable", Warning;
    /// Only the name of the process is asked for, which anybody can give a program.
    ProcessNameAlone = "process_name_alone", Warning;
    /// Within a user the name of the process keeps nobody out.
    ProcessNameOfUser = "process_name_of_user", Note;
    /// Deployed agents give this name to every caller whose user or group has none.
    UndefinedAccount = "undefined_account", Error;
    /// Every update of the executable needs a new digest.
    PinnedDigest = "pinned_digest", Note;

    // Secrets.
    /// The default Allow leaves a path to tokens open.
    TokenOpenByDefault = "token_open_by_default", Error;
    /// The default Allow leaves the machine's certificates or goal state open.
    CertificatesOpenByDefault = "certificates_open_by_default", Warning;
    /// The default Allow leaves open what is less than a token and should not be everybody's.
    SecretOpenByDefault = "secret_open_by_default", Note;
    /// An identity that any user can become may fetch tokens.
    TokenForAnybody = "token_for_anybody", Error;
    /// The privilege reaches tokens only because its path is so short.
    TokenByWidePath = "token_by_wide_path", Warning;

    // Deployed agents.
    /// Deployed agents see no selector in the identity, and take everybody for it.
    EverybodyOnDeployed = "everybody_on_deployed", Warning;
    /// Deployed agents ignore some of the fields, which makes the rules another there.
    IgnoredByDeployed = "ignored_by_deployed", Note;
    /// Deployed agents compare the text as it stands, so the rule matches no usual request there.
    NeverMatchesOnDeployed = "never_matches_on_deployed", Warning;
    /// Deployed agents compare the start of the path, which a known other path has too.
    WidenedOnDeployed = "widened_on_deployed", Note;

    // The platform's own agents.
    /// A platform's agent is let in for some of what it needs, and refused for the rest.
    PlatformAgentRefused = "platform_agent_refused", Warning;
    /// None of the platform's agents is let in.
    NoPlatformAgent = "no_platform_agent", Warning;
    /// A platform's agent is not let in, though another one is.
    PlatformAgentMissing = "platform_agent_missing", Note;

    // The machine that the profile is for.
    /// The machine has no such user.
    UnknownUser = "unknown_user", Warning;
    /// The machine has no such group.
    UnknownGroup = "unknown_group", Warning;
    /// The machine has no such unit.
    UnknownUnit = "unknown_unit", Warning;
    /// The machine has no such file.
    MissingFile = "missing_file", Warning;
    /// The path leads over a link, and callers are known by where it ends.
    LinkedFile = "linked_file", Error;
    /// Others than root can exchange the file.
    WritableFile = "writable_file", Error;
    /// The identity's own user can exchange the executable, so its path keeps no other program of his out.
    FileOfItsUser = "file_of_its_user", Note;
    /// The executable is a script: the kernel runs its interpreter, so the rule never matches.
    ScriptAsExecutable = "script_as_executable", Error;
}

impl Code {
    /// Returns whether findings of this kind are about deployed agents alone: where only Latchkey reads the
    /// profile there is nothing to do about them.
    #[must_use]
    pub const fn is_of_deployed(self) -> bool {
        matches!(
            self,
            Self::EverybodyOnDeployed
                | Self::IgnoredByDeployed
                | Self::NeverMatchesOnDeployed
                | Self::UndefinedAccount
                | Self::WidenedOnDeployed
        )
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
