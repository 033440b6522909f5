//! Fields that are unknown, null, repeated or missing, as a host may send them.

use serde_json::{Value, json};

use super::*;

fn status() -> Value {
    json!({
        "authorizationScheme": SCHEME, "keyDeliveryMethod": "http", "version": "2.0",
        "secureChannelEnabled": true,
        "authorizationRules": {"imds": {
            "defaultAccess": "Deny", "mode": "Audit", "id": "i",
            "rules": {
                "privileges": [{"name": "p", "path": "/m", "queryParameters": {"a": "1"}}],
                "roles": [{"name": "r", "privileges": ["p"]}],
                "identities": [{"name": "i", "userName": "alice"}],
                "roleAssignments": [{"role": "r", "identities": ["i"]}],
            },
        }},
    })
}

fn parse(status: &Value) -> Result<SecureChannel, StatusError> {
    SecureChannel::parse(status.to_string().as_bytes())
}

const ITEM: &str = "/authorizationRules/imds";
const RULES: &str = "/authorizationRules/imds/rules";

#[test]
fn unknown_field_at_any_depth_is_ignored_with_a_warning_that_names_it() {
    let good = parse(&status()).unwrap();
    assert_eq!(good.warnings, [""; 0]);
    for place in [
        String::new(),
        ITEM.to_owned(),
        RULES.to_owned(),
        format!("{RULES}/privileges/0"),
        format!("{RULES}/roles/0"),
        format!("{RULES}/identities/0"),
        format!("{RULES}/roleAssignments/0"),
    ] {
        let mut grown = status();
        grown.pointer_mut(&place).unwrap()["future"] = json!({"a": 1});
        let read = parse(&grown).unwrap();
        assert_eq!(read.warnings.len(), 1, "{place}");
        assert!(read.warnings[0].contains("future` is ignored"), "{place}");
        assert_eq!(read.imds, good.imds, "{place}");
    }
}

#[test]
fn null_is_absence_where_a_field_may_be_absent_and_an_error_elsewhere() {
    for (field, is_optional) in [
        ("/keyGuid", true),
        ("/keyIncarnationId", true),
        ("/authorizationRules", true),
        ("/authorizationRules/imds", true),
        ("/authorizationRules/wireserver", true),
        ("/authorizationRules/imds/rules", true),
        ("/authorizationRules/imds/auditUntil", true),
        ("/authorizationRules/imds/rules/privileges", true),
        (
            "/authorizationRules/imds/rules/privileges/0/queryParameters",
            true,
        ),
        ("/authorizationRules/imds/rules/identities/0/exePath", true),
        ("/authorizationRules/imds/mode", false),
        ("/authorizationRules/imds/id", false),
        ("/authorizationRules/imds/rules/privileges/0", false),
        ("/authorizationRules/imds/rules/privileges/0/path", false),
        (
            "/authorizationRules/imds/rules/privileges/0/queryParameters/a",
            false,
        ),
        ("/authorizationRules/imds/rules/roles/0/privileges", false),
        (
            "/authorizationRules/imds/rules/roleAssignments/0/identities",
            false,
        ),
    ] {
        let (parent, name) = field.rsplit_once('/').unwrap();
        let (mut nulled, mut without) = (status(), status());
        match nulled.pointer_mut(parent).unwrap() {
            Value::Object(members) => members.insert(name.to_owned(), Value::Null),
            elements => Some(std::mem::take(&mut elements[0])),
        };
        let read = parse(&nulled);
        assert_eq!(read.is_ok(), is_optional, "{field}: {read:?}");
        if let (true, Value::Object(members)) = (is_optional, without.pointer_mut(parent).unwrap())
        {
            members.remove(name);
            assert_eq!(read.unwrap(), parse(&without).unwrap(), "{field}");
        }
    }
}

#[test]
fn repeated_field_is_an_error_and_a_repeated_parameter_stays_for_the_reader_of_its_endpoint() {
    let text = status().to_string();
    for repeated in [
        r#""mode":"Audit""#,
        r#""id":"i""#,
        r#""path":"/m""#,
        r#""userName":"alice""#,
        r#""version":"2.0""#,
    ] {
        assert!(text.contains(repeated), "{repeated}");
        let twice = text.replacen(repeated, &format!("{repeated},{repeated}"), 1);
        let read = SecureChannel::parse(twice.as_bytes());
        assert!(
            matches!(read, Err(StatusError::Malformed(_))),
            "{repeated}: {read:?}"
        );
    }
    let twice = text.replacen(r#""a":"1""#, r#""a":"1","a":"2""#, 1);
    let item = SecureChannel::parse(twice.as_bytes()).unwrap().imds.item;
    let privileges = item.unwrap().rules.unwrap().privileges.unwrap();
    let parameters = privileges[0].query_parameters.as_ref().unwrap();
    let pair = |value: &str| ("a".to_owned(), value.to_owned());
    assert_eq!(parameters.0, [pair("1"), pair("2")]);
}

#[test]
fn list_is_taken_for_no_struct() {
    let text = status().to_string();
    assert!(SecureChannel::parse(text.as_bytes()).is_ok());
    for place in [
        "",
        "/authorizationRules",
        ITEM,
        RULES,
        "/authorizationRules/imds/rules/privileges/0",
        "/authorizationRules/imds/rules/privileges/0/queryParameters",
        "/authorizationRules/imds/rules/roles/0",
        "/authorizationRules/imds/rules/identities/0",
        "/authorizationRules/imds/rules/roleAssignments/0",
    ] {
        let members: Vec<_> = status()
            .pointer(place)
            .unwrap()
            .as_object()
            .unwrap()
            .clone()
            .into_values()
            .collect();
        for list in [
            json!([]),
            json!(members),
            json!(["a", "b", "c", null, null, null, null, null]),
        ] {
            let mut listed = status();
            *listed.pointer_mut(place).unwrap() = list;
            let error = parse(&listed).unwrap_err();
            let StatusError::Malformed(source) = &error else {
                panic!("{place}: {error}");
            };
            assert!(
                source.to_string().contains("invalid type: sequence"),
                "{place}: {source}"
            );
        }
    }
}
