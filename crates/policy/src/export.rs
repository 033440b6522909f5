//! Profiles for others to use: the resource model's body, Bicep, Terraform, a local rule file.
//!
//! The agents behind these targets know fewer fields. What a target cannot express is reported,
//! each thing with its place; what would let more through is refused unless that is accepted, and
//! an identity that would become everybody is refused always.

use latchkey_protocol::authorization::AuthorizationItem;
use serde_json::{Value, json};

use crate::document::InvalidProfile;
use crate::meaning::Meaning;

mod literal;
mod local;
mod loss;
pub mod name;
mod portable;
mod template;

pub use loss::{Loss, Severity};
use portable::{Losses, portable};
pub use template::{Deployment, HostEndpoint, Os};

/// Whom a profile is exported for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A file for Bicep.
    Bicep(Deployment),
    /// A local rule file of the deployed agent.
    Local,
    /// The body of a version that the management API takes, stored at this location.
    Resource(String),
    /// A configuration for Terraform's azapi provider.
    Terraform(Deployment),
}

/// What becomes of an export that would let more through than the profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Widening {
    /// It is made all the same.
    Accept,
    /// It is refused.
    Refuse,
}

/// An exported profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// The text of the target.
    pub text: String,
    /// What it does not take over.
    pub losses: Vec<Loss>,
}

/// A profile cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// It is invalid.
    #[error(transparent)]
    Invalid(#[from] InvalidProfile),
    /// It cannot be written as JSON.
    #[error("write the profile as JSON")]
    Json(#[from] serde_json::Error),
    /// The target cannot express it, or would let more through; all that is lost is listed.
    #[error("the target cannot express the profile safely")]
    Unsafe(Vec<Loss>),
}

/// Exports a profile; `regions` are where a version is replicated to, its location if there are none.
///
/// # Errors
/// Everything that the target cannot express safely, or every problem of the profile.
pub fn export(
    item: &AuthorizationItem,
    target: &Target,
    regions: &[String],
    widening: Widening,
) -> Result<Export, ExportError> {
    let meaning = Meaning::read(item)?;
    let mut losses = Losses::default();
    let item = portable(item, &meaning, &mut losses);
    if !matches!(target, Target::Local) && !item.id.is_empty() {
        let text = "a version is named by its resource id instead";
        losses.add(Severity::Dropped, "/id", text);
    }
    let targets = (!regions.is_empty()).then(|| target_locations(regions));
    let text = match target {
        Target::Bicep(deployment) => deployment.bicep(&properties(&item)?, targets.as_ref()),
        Target::Local => local::file(item, &mut losses),
        Target::Resource(location) => {
            let mut properties = properties(&item)?;
            let own = || target_locations(std::slice::from_ref(location));
            if let Value::Object(members) = &mut properties {
                members.insert("targetLocations".to_owned(), targets.unwrap_or_else(own));
                members.insert("excludeFromLatest".to_owned(), Value::Bool(false));
            }
            json_text(&json!({"location": location, "properties": properties}))?
        }
        Target::Terraform(deployment) => {
            deployment.terraform(&properties(&item)?, targets.as_ref())
        }
    };
    let Losses(losses) = losses;
    let limit = match widening {
        Widening::Accept => Severity::Impossible,
        Widening::Refuse => Severity::Widens,
    };
    if losses.iter().any(|loss| loss.severity >= limit) {
        Err(ExportError::Unsafe(losses))
    } else {
        Ok(Export { text, losses })
    }
}

/// Returns what a version says in the resource model about requests.
fn properties(item: &AuthorizationItem) -> Result<Value, serde_json::Error> {
    let mut properties = json!({"mode": item.mode, "defaultAccess": item.default_access});
    if let (Some(rules), Value::Object(members)) = (&item.rules, &mut properties) {
        members.insert("rules".to_owned(), serde_json::to_value(rules)?);
    }
    Ok(properties)
}

fn target_locations(regions: &[String]) -> Value {
    regions
        .iter()
        .map(|region| json!({"name": region}))
        .collect()
}

fn json_text(value: &Value) -> Result<String, serde_json::Error> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

#[cfg(test)]
mod tests;
