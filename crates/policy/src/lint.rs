//! Looks over a valid profile for what its author hardly meant: rules that do nothing, say more than they
//! seem to, or hold for more callers than they name.
//!
//! Findings change nothing: a profile with errors is still in force as it is written. What is no valid
//! document has no findings; [`RuleSet::compile`](crate::RuleSet::compile) says what is wrong with it.
//!
//! Every look is linear in the document, or stops looking: a search that would compare each rule with
//! each other one finds less, never something wrong.

use std::fmt;

use jiff::Timestamp;
use latchkey_protocol::EndpointKind;
use latchkey_protocol::authorization::AuthorizationItem;
use serde::Serialize;

mod appearance;
mod code;
mod coverage;
mod deployed;
mod executables;
mod identities;
mod index;
pub mod machine;
mod names;
mod parameters;
mod paths;
mod place;
mod platform;
mod reading;
mod references;
mod region;
mod secrets;
mod siblings;
mod trial;
pub(crate) mod unseen;

pub use code::{Code, Severity};
pub use machine::Machine;
pub(crate) use paths::owner;

use reading::Reading;

/// What a profile is looked at with.
#[derive(Clone, Copy, Default)]
pub struct Context<'a> {
    /// The endpoint that the profile is for; without, its paths tell.
    pub endpoint: Option<EndpointKind>,
    /// What time it is.
    pub now: Timestamp,
    /// The machine that the profile is for; without, nothing is said about users, files and units.
    pub machine: Option<&'a dyn Machine>,
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("endpoint", &self.endpoint)
            .field("now", &self.now)
            .field("has_machine", &self.machine.is_some())
            .finish()
    }
}

/// One thing that is probably not meant, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind of thing.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// A JSON pointer (RFC 6901) from the item to the value.
    pub pointer: String,
    /// What is found.
    pub message: String,
    /// What to do about it.
    pub remedy: &'static str,
}

impl Finding {
    fn new(
        code: Code,
        pointer: impl Into<String>,
        message: impl Into<String>,
        remedy: &'static str,
    ) -> Self {
        Self {
            code,
            severity: code.severity(),
            pointer: pointer.into(),
            message: message.into(),
            remedy,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            code,
            severity,
            pointer,
            message,
            remedy,
        } = self;
        let place = if pointer.is_empty() { "/" } else { pointer };
        write!(f, "{severity}[{code}] at `{place}`: {message}: {remedy}")
    }
}

/// One family of findings.
type Look = fn(&Reading<'_>, &mut Vec<Finding>);

const LOOKS: [Look; 13] = [
    trial::look,
    coverage::look,
    references::look,
    paths::look,
    siblings::look,
    parameters::look,
    names::look,
    unseen::look,
    identities::look,
    executables::look,
    deployed::look,
    secrets::look,
    platform::look,
];

/// Returns what in a valid profile is probably not meant, in the order of the document; nothing for a
/// document that is not valid.
#[must_use]
pub fn lint(item: &AuthorizationItem, context: &Context<'_>) -> Vec<Finding> {
    let Some(reading) = Reading::of(item, context) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    for look in LOOKS {
        look(&reading, &mut findings);
    }
    if let Some(machine) = context.machine {
        place::look(&reading, machine, &mut findings);
    }
    findings.sort_by_cached_key(|finding| place_in_document(&finding.pointer));
    findings
}

/// Returns by what findings are put in order: the item itself, then list after list as documents write
/// them, and entries by their number.
fn place_in_document(pointer: &str) -> Vec<(usize, String)> {
    const LISTS: [&str; 4] = ["privileges", "roles", "identities", "roleAssignments"];
    let parts = pointer.split('/').skip(1);
    parts
        .map(|part| {
            let number = LISTS.iter().position(|list| *list == part);
            match number.or_else(|| part.parse().ok()) {
                Some(number) => (number, String::new()),
                None => (0, part.to_owned()),
            }
        })
        .collect()
}
