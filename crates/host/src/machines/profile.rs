//! Turns the profile of a machine file into the item that travels: valid, and with an id that follows its content.
//!
//! Deployed agents read an item again only when its id changed, so every id ends in a
//! short hash of the content.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use latchkey_policy::{RuleSet, content_hash};
use latchkey_protocol::Mode;
use latchkey_protocol::authorization::{AccessControlRules, AuthorizationItem};
use serde::Deserialize;
use serde_json::Value;

use super::form::Form;
use super::sources::Sources;
use super::unique::Unique;

/// How many digits of the content's hash an id ends in.
const HASH_DIGITS: usize = 12;

/// A profile as people write it: an authorization item whose mode and id may be left out.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ProfileDocument {
    default_access: String,
    mode: Option<String>,
    id: Option<String>,
    audit_until: Option<String>,
    rules: Option<AccessControlRules>,
}

/// Returns the path of a profile that a machine file names.
pub(super) fn beside(machine_file: &Path, name: &str) -> PathBuf {
    machine_file.parent().unwrap_or(Path::new("")).join(name)
}

/// Returns the valid item of one endpoint, or what is wrong.
pub(super) fn resolve(
    mode: &str,
    profile: Option<&Value>,
    default_id: &str,
    machine_file: &Path,
    sources: &mut Sources,
) -> Result<AuthorizationItem, String> {
    let mode: Mode = mode
        .parse()
        .map_err(|error: latchkey_protocol::mode::ModeError| error.to_string())?;
    let document = match profile {
        None => ProfileDocument {
            default_access: "Allow".to_owned(),
            mode: None,
            id: None,
            audit_until: None,
            rules: None,
        },
        Some(Value::String(name)) => read(&beside(machine_file, name), sources)?,
        Some(inline) => interpret(inline.clone())?,
    };
    if let Some(Err(error)) = document.mode.as_deref().map(str::parse::<Mode>) {
        return Err(error.to_string());
    }
    let mut item = AuthorizationItem {
        default_access: document.default_access,
        mode: mode.as_str().to_owned(),
        id: document.id.unwrap_or_else(|| default_id.to_owned()),
        audit_until: document.audit_until,
        rules: document.rules,
    };
    RuleSet::compile(&item).map_err(|error| error.to_string())?;
    item.id = with_hash(&item);
    Ok(item)
}

fn read(path: &Path, sources: &mut Sources) -> Result<ProfileDocument, String> {
    let text = sources.read(path)?;
    let form = Form::<Unique>::read(path, &text);
    match form.value {
        Some(Unique(value)) if form.misfits.is_empty() => {
            interpret(value).map_err(|problem| format!("{}: {problem}", path.display()))
        }
        Some(_) | None => {
            let problems = form.problems(path, Vec::new()).into_iter();
            let lines: Vec<_> = problems.map(|problem| problem.to_string()).collect();
            Err(lines.join("; "))
        }
    }
}

/// Reads a profile; fields that it does not have are errors at any depth.
fn interpret(value: Value) -> Result<ProfileDocument, String> {
    let mut unknown = Vec::new();
    let document = serde_ignored::deserialize(value, |path| unknown.push(path.to_string()))
        .map_err(|error: serde_json::Error| format!("the profile is not of the form: {error}"))?;
    if unknown.is_empty() {
        Ok(document)
    } else {
        Err(format!(
            "the profile has unknown fields: {}",
            unknown.join(", ")
        ))
    }
}

/// Returns the item's id with the hash of its content. An id may be a contract: base64 of a JSON
/// object that holds the id proper and a flag; then the id proper gets the hash.
fn with_hash(item: &AuthorizationItem) -> String {
    let hash: String = content_hash(item).chars().take(HASH_DIGITS).collect();
    match contract(&item.id) {
        Some(mut fields) => {
            let own = fields
                .get("id")
                .and_then(Value::as_str)
                .unwrap_or("profile");
            let id = format!("{own}-{hash}");
            fields.insert("id".to_owned(), id.into());
            STANDARD.encode(Value::Object(fields).to_string())
        }
        None => format!("{}-{hash}", item.id),
    }
}

fn contract(id: &str) -> Option<serde_json::Map<String, Value>> {
    let decoded = STANDARD.decode(id.trim()).ok()?;
    serde_json::from_slice(&decoded).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn item(profile: &Value) -> Result<AuthorizationItem, String> {
        resolve(
            "audit",
            Some(profile),
            "web-imds",
            Path::new("/x/web.toml"),
            &mut Sources::default(),
        )
    }

    #[test]
    fn id_follows_the_content() {
        let allow = item(&json!({ "defaultAccess": "Allow" })).unwrap();
        let deny = item(&json!({ "defaultAccess": "Deny" })).unwrap();
        assert!(allow.id.starts_with("web-imds-") && deny.id.starts_with("web-imds-"));
        assert_ne!(allow.id, deny.id);
        assert_eq!(allow, item(&json!({ "defaultAccess": "Allow" })).unwrap());
        let named = item(&json!({ "defaultAccess": "Allow", "id": "mine" })).unwrap();
        assert!(
            named.id.starts_with("mine-") && named.mode == "Audit",
            "{}",
            named.id
        );
    }

    #[test]
    fn end_of_audit_travels_and_must_be_a_time() {
        let ending = |time: &str| item(&json!({ "defaultAccess": "Allow", "auditUntil": time }));
        let travelling = ending("2031-01-01T00:00:00Z").unwrap();
        assert_eq!(
            travelling.audit_until.as_deref(),
            Some("2031-01-01T00:00:00Z")
        );
        let problem = ending("soon").unwrap_err();
        assert!(problem.contains("`/auditUntil`"), "{problem}");
    }

    #[test]
    fn contract_id_stays_a_contract() {
        let contract_id = STANDARD.encode(r#"{"id":"mine","useLocalFileRules":true}"#);
        let item = item(&json!({ "defaultAccess": "Allow", "id": contract_id })).unwrap();
        let fields = contract(&item.id).unwrap();
        assert!(fields["id"].as_str().unwrap().starts_with("mine-"));
        assert_eq!(fields["useLocalFileRules"], true);
    }

    #[test]
    fn toml_profile_may_use_every_selector_and_condition() {
        let folder = tempfile::tempdir().unwrap();
        let digest = "0f".repeat(32);
        let text = format!(
            "defaultAccess = \"Deny\"\n[rules]\nprivileges = []\nroles = []\nroleAssignments = []\n\
             [[rules.identities]]\nname = \"i\"\nuid = 0\ngid = 0\nsystemdUnit = \"app.service\"\n\
             systemdSlice = \"system.slice\"\ncontainerId = \"{digest}\"\ncgroup = \"/system.slice\"\n\
             scriptPath = \"/opt/a.py\"\nexeSha256 = [\"{digest}\"]\nforbid = [\"traced\", \"preloaded\"]\n"
        );
        std::fs::write(folder.path().join("profile.toml"), &text).unwrap();
        let machine_file = folder.path().join("web.toml");
        let named = json!("profile.toml");
        let read = || {
            let mut sources = Sources::default();
            resolve("audit", Some(&named), "web", &machine_file, &mut sources)
        };
        let item = read().unwrap();
        let identity = &item.rules.unwrap().identities.unwrap()[0];
        assert_eq!(
            (identity.uid, identity.forbid.as_ref().map(Vec::len)),
            (Some(0), Some(2))
        );
        let wrong = text.replace("\"traced\"", "\"trced\"");
        std::fs::write(folder.path().join("profile.toml"), wrong).unwrap();
        let problem = read().unwrap_err();
        assert!(
            problem.contains("/rules/identities/0/forbid/0"),
            "{problem}"
        );
    }

    #[test]
    fn profile_that_the_agents_would_refuse_is_refused() {
        for profile in [
            json!({ "defaultAccess": "perhaps" }),
            json!({ "defaultAccess": "Allow", "mode": "sometimes" }),
            json!({ "defaultAccess": "Allow", "ruels": {} }),
            json!({ "defaultAccess": "Allow", "rules": { "privileges": [], "rolez": [] } }),
            json!({ "defaultAccess": "Allow", "rules": { "privileges": [], "roles": [],
                "identities": [], "roleAssignments": [{ "role": "none", "identities": [] }] } }),
            json!(["defaultAccess"]),
        ] {
            assert!(item(&profile).is_err(), "{profile}");
        }
    }
}
