//! What the options make of the shipped profiles; what these allow is told by their golden tests.

use super::*;

fn starter(names: &[&str]) -> Starter {
    Starter {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        endpoint: None,
        user: None,
        unit: None,
        mode: StarterMode::Enforce,
        format: Format::Text,
    }
}

#[test]
fn every_file_begins_in_audit_and_denies_what_it_does_not_name() {
    for pack in PACKS {
        for endpoint in [ProfileEndpoint::Imds, ProfileEndpoint::WireServer] {
            let item = pack.item(endpoint).unwrap();
            let words = item.map(|item| (item.mode, item.default_access));
            let expected = ("Audit".to_owned(), "Deny".to_owned());
            assert!(words.is_none() || words == Some(expected), "{}", pack.name);
        }
    }
}

#[test]
fn service_is_known_by_what_the_operator_names_and_nothing_else() {
    let named = |user: Option<&str>, unit: Option<&str>| Starter {
        user: user.map(str::to_owned),
        unit: unit.map(str::to_owned),
        ..starter(&["managed-identity"])
    };
    for unit in [None, Some("web.service")] {
        let item = joined(&named(Some("web"), unit), ProfileEndpoint::Imds).unwrap();
        let expected = Identity {
            name: "managed-identity-user".to_owned(),
            user_name: Some("web".to_owned()),
            systemd_unit: unit.map(str::to_owned),
            ..Identity::default()
        };
        assert_eq!(item.rules.unwrap().identities.unwrap(), [expected]);
    }
    let nameless = joined(&named(None, Some("web.service")), ProfileEndpoint::Imds).unwrap_err();
    assert_eq!(nameless.exit(), Exit::Usage);
    let wrong = profile(&named(Some("web"), Some("web")), ProfileEndpoint::Imds).unwrap_err();
    assert_eq!(wrong.exit(), Exit::Invalid);
}

#[test]
fn options_that_would_change_nothing_are_refused() {
    let stray = Starter {
        user: Some("web".to_owned()),
        ..starter(&["cloud-init"])
    };
    let error = joined(&stray, ProfileEndpoint::Imds).unwrap_err();
    assert!(matches!(error, StarterError::NoPlaceholder), "{error}");
    let nothing = joined(&starter(&["managed-identity"]), ProfileEndpoint::WireServer).unwrap_err();
    assert!(matches!(nothing, StarterError::Nothing(_)), "{nothing}");
}

#[test]
fn what_two_packs_cover_alike_becomes_one_privilege_of_both() {
    let item = joined(
        &starter(&["cloud-init", "linux-agent"]),
        ProfileEndpoint::Imds,
    )
    .unwrap();
    let rules = item.rules.unwrap();
    assert_eq!(rules.privileges.unwrap().len(), 1);
    let roles = rules.roles.unwrap();
    assert_eq!(roles.len(), 2);
    for role in roles {
        assert_eq!(role.privileges, ["cloud-init-instance"]);
    }
}
