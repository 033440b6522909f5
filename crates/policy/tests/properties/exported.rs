//! Round trips: what a target can express comes back with the same meaning.

use latchkey_policy::diff::{Difference, diff};
use latchkey_policy::document::{Form, text};
use latchkey_policy::export::{
    Deployment, ExportError, HostEndpoint, Os, Severity, Target, Widening, export,
};
use serde_json::{Value, json};

use super::bicep;
use super::*;

/// A profile of deployed fields alone.
fn portable() -> impl Strategy<Value = AuthorizationItem> {
    (item(), prop::collection::vec("\\PC{0,12}", 4)).prop_map(|(mut item, users)| {
        item.audit_until = None;
        let Some(rules) = &mut item.rules else {
            return item;
        };
        for privilege in rules.privileges.iter_mut().flatten() {
            (privilege.methods, privilege.path_match) = (None, None);
        }
        for assignment in rules.role_assignments.iter_mut().flatten() {
            (assignment.mode, assignment.comment) = (None, None);
        }
        for (identity, user) in rules.identities.iter_mut().flatten().zip(users) {
            *identity = Identity {
                name: identity.name.clone(),
                user_name: Some(format!("u{user}")),
                group_name: identity.group_name.clone(),
                exe_path: identity.exe_path.clone(),
                process_name: identity.process_name.clone(),
                ..Identity::default()
            };
        }
        item
    })
}

fn deployment() -> Deployment {
    Deployment {
        endpoint: HostEndpoint::Imds,
        os: Os::Linux,
        gallery: None,
        profile: None,
        version: None,
        location: None,
    }
}

fn exported(item: &AuthorizationItem, target: &Target) -> String {
    export(item, target, &[], Widening::Refuse).unwrap().text
}

fn compared(before: &AuthorizationItem, after: &AuthorizationItem) -> Difference {
    diff(before, after, EndpointKind::Imds).unwrap()
}

/// What a version says, once its deployment is read.
fn of_version(properties: &Value) -> AuthorizationItem {
    let version = json!({
        "location": "x",
        "properties": {
            "mode": properties["mode"],
            "defaultAccess": properties["defaultAccess"],
            "rules": properties.get("rules").cloned().unwrap_or_else(|| json!({})),
        }
    });
    text::read(&version.to_string(), None).unwrap().item
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn resource_means_what_the_profile_means(item in portable()) {
        let body = exported(&item, &Target::Resource("westeurope".to_owned()));
        let back = text::read(&body, None).unwrap();
        let difference = compared(&item, &back.item);
        prop_assert!(difference.is_empty(), "{difference:?}");
    }

    #[test]
    fn terraform_means_what_the_profile_means(item in portable()) {
        let file = exported(&item, &Target::Terraform(deployment()));
        let read: Value = hcl::from_str(&file).unwrap();
        let body = &read["resource"]["azapi_resource"]["version"]["body"];
        let difference = compared(&item, &of_version(&body["properties"]));
        prop_assert!(difference.is_empty(), "{file} {difference:?}");
    }

    #[test]
    fn bicep_means_what_the_profile_means(item in portable()) {
        let file = exported(&item, &Target::Bicep(deployment()));
        let version = bicep::resource(&file, "version");
        let difference = compared(&item, &of_version(&version["properties"]));
        prop_assert!(difference.is_empty(), "{file} {difference:?}");
    }

    #[test]
    fn local_file_means_what_the_profile_means_but_for_its_mode(item in portable()) {
        let export = match export(&item, &Target::Local, &[], Widening::Refuse) {
            Ok(export) => export,
            Err(ExportError::Unsafe(losses)) => {
                // A blank value is what such a file cannot ask for.
                prop_assert!(losses.iter().any(|loss| loss.severity == Severity::Impossible));
                return Ok(());
            }
            Err(error) => panic!("{error}"),
        };
        let back = text::read(&export.text, Some(Form::Local)).unwrap();
        let before = AuthorizationItem { mode: back.item.mode.clone(), ..item };
        let difference = compared(&before, &back.item);
        prop_assert!(difference.effects.is_empty(), "{} {difference:?}", export.text);
        let is_whole = export.losses.iter().all(|loss| loss.severity != Severity::Dropped);
        prop_assert!(difference.is_empty() || !is_whole, "{} {difference:?}", export.text);
    }

    #[test]
    fn what_is_exported_without_a_word_lets_nothing_more_through(item in item()) {
        let target = Target::Resource("westeurope".to_owned());
        if let Ok(export) = export(&item, &target, &[], Widening::Refuse) {
            let back = text::read(&export.text, None).unwrap();
            let difference = compared(&item, &back.item);
            prop_assert!(difference.effects.is_empty(), "{difference:?}");
        }
    }
}
