//! How request lines and callers are read and answered, and what cannot be judged.

use latchkey_protocol::Flag;

use super::*;

fn line(text: &str) -> RequestLine {
    RequestLine::read(text.as_bytes()).unwrap()
}

fn answer(text: &str) -> Answer {
    line(text).answer(Timestamp::UNIX_EPOCH).unwrap()
}

const WHO: &str = r#"{"userName":"root","userGroups":[],"runAsElevated":true}"#;

#[test]
fn both_names_of_a_field_mean_the_same() {
    let ours = format!(
        r#"{{"id":7,"endpoint":"wireserver","method":"GET","target":"/a","caller":{WHO}}}"#
    );
    let theirs = format!(
        r#"{{"id":7,"destination":"wireserver","method":"GET","url":"/a","claims":{WHO},"verdict":"deny","x":1}}"#
    );
    assert_eq!(answer(&ours), answer(&theirs));
    assert_eq!(answer(&ours).verdict, Verdict::Allow);
    assert_eq!(line(&ours).id, Some(Value::from(7)));
    let both = ours.replace("\"target\"", "\"url\":\"/b\",\"target\"");
    assert!(RequestLine::read(both.as_bytes()).is_err());
}

#[test]
fn root_gate_stands_before_the_rules() {
    let text = r#"{"endpoint":"hostga","method":"GET","target":"/a","caller":{}}"#;
    let answer = answer(text);
    assert_eq!(answer.verdict, Verdict::Deny);
    assert_eq!(answer.reason, Some(Reason::RootRequired));
    let root = text.replace("{}", r#"{"uid":0}"#);
    assert_eq!(self::answer(&root).verdict, Verdict::Allow);
}

#[test]
fn target_writes_no_headers() {
    let endpoint = endpoint("imds").unwrap();
    for target in ["/a HTTP/1.1\r\nX: y", "/a\nX: y", "/a b"] {
        let read = request(&endpoint, "GET", target.as_bytes());
        assert!(read.is_err(), "{target:?}");
    }
    for method in ["GET /b HTTP/1.1\r\nX:", "GET /b", ""] {
        assert!(request(&endpoint, method, b"/a").is_err(), "{method:?}");
    }
}

#[test]
fn what_cannot_be_judged_is_an_error_that_says_why() {
    let with = |endpoint: &str, profile: &str| {
        format!(
            r#"{{"endpoint":"{endpoint}","method":"GET","target":"/a","caller":{WHO},{profile}}}"#
        )
    };
    let item = r#""profile":{"defaultAccess":"Deny","mode":"Strict","id":"1"}"#;
    for (text, says) in [
        (with("other", r#""profile":null"#), "`other` is no endpoint"),
        (with("imds", r#""profile":{"mode":1}"#), "cannot be read"),
        (with("imds", r#""profile_text":"{""#), "cannot be read"),
        (with("imds", item), "`Strict` is not a mode"),
        (with("imds", r#""url_hex":"zz""#), "not hexadecimal"),
        (
            with("imds", r#""x":1"#).replace("true}", r#"true,"flags":["x"]}"#),
            "is no flag",
        ),
    ] {
        let error = line(&text).answer(Timestamp::UNIX_EPOCH).unwrap_err();
        assert!(error.to_string().contains(says), "{text}: {error}");
    }
}

#[test]
fn profile_with_a_name_twice_is_an_error_as_a_file_of_it_is() {
    const ITEM: &str = r#"{"defaultAccess":"deny","mode":"enforce","id":"s","rules":{
        "privileges":[{"name":"p","path":"/m"}],"roles":[{"name":"r","privileges":["p"]}],
        "identities":[{"name":"i","userName":"a"}],
        "roleAssignments":[{"role":"r","identities":["i"]}]}}"#;
    let with = |item: &str| {
        line(&format!(
            r#"{{"endpoint":"imds","method":"GET","target":"/m","caller":{WHO},"profile":{item}}}"#
        ))
    };
    assert!(with(ITEM).answer(Timestamp::UNIX_EPOCH).is_ok());
    for (one, twice) in [
        ("\"mode\"", "\"mode\":\"disabled\",\"mode\""),
        (
            "\"defaultAccess\"",
            "\"defaultAccess\":\"allow\",\"defaultAccess\"",
        ),
        ("\"path\"", "\"path\":\"/x\",\"path\""),
        ("\"userName\"", "\"userName\":\"root\",\"userName\""),
    ] {
        let line = with(&ITEM.replace(one, twice));
        let error = line.answer(Timestamp::UNIX_EPOCH).unwrap_err();
        assert!(matches!(error, CaseError::ProfileForm(_)), "{one}: {error}");
    }
}

#[test]
fn flags_that_are_not_named_are_clear_if_any_list_is_given() {
    let claims = |text: &str| -> CallerClaims { serde_json::from_str(text).unwrap() };
    let flags = |text: &str| claims(text).caller().unwrap().attributes.unwrap().flags;
    assert!(!flags("{}").is_clear(Flag::Traced));
    assert!(flags(r#"{"flags":[]}"#).is_clear(Flag::Traced));
    assert!(!flags(r#"{"flags":["traced"]}"#).is_clear(Flag::Traced));
}

#[test]
fn misspelt_attribute_of_a_caller_document_is_an_error() {
    let read = |text: &str| CallerClaims::strict(&serde_json::from_str(text).unwrap());
    assert!(read(r#"{"userName":"a","clientPort":1,"processCmdLine":"x"}"#).is_ok());
    let error = read(r#"{"username":"a"}"#).unwrap_err();
    assert_eq!(error.to_string(), "`username` is no attribute of a caller");
    assert!(read("[]").is_err());
}

#[test]
fn list_is_taken_for_no_line_no_caller_and_no_profile() {
    let good = serde_json::json!({
        "id": "a", "endpoint": "imds", "method": "GET", "target": "/a", "caller": {},
        "profile": {"defaultAccess": "Deny", "mode": "Enforce", "id": "i", "rules": {}},
    });
    assert!(
        line(&good.to_string())
            .answer(Timestamp::UNIX_EPOCH)
            .is_ok()
    );
    for (place, list) in [
        (
            "",
            serde_json::json!(["a", "imds", "GET", "/a", null, {}, null, null, null]),
        ),
        ("/caller", serde_json::json!([])),
        ("/caller", serde_json::json!(["alice"])),
        (
            "/profile",
            serde_json::json!(["Allow", "Enforce", "i", null, null]),
        ),
        ("/profile/rules", serde_json::json!([])),
    ] {
        let mut listed = good.clone();
        *listed.pointer_mut(place).unwrap() = list;
        let answer = RequestLine::read(listed.to_string().as_bytes())
            .and_then(|line| line.answer(Timestamp::UNIX_EPOCH));
        let error = with_source(&answer.unwrap_err());
        assert!(
            error.contains("invalid type: sequence"),
            "{listed}: {error}"
        );
    }
}

fn with_source(error: &dyn std::error::Error) -> String {
    let source = error.source().map(ToString::to_string);
    format!("{error}: {}", source.unwrap_or_default())
}

#[test]
fn attribute_of_a_caller_document_that_stands_twice_is_an_error() {
    let error = CallerClaims::read(r#"{"userName":"bob","userName":"alice"}"#).unwrap_err();
    let ClaimsError::Form(source) = error else {
        panic!("{error:?}")
    };
    assert!(source.to_string().contains("duplicate field `userName`"));
    assert!(CallerClaims::read(r#"{"userName":"bob"}"#).is_ok());
}

#[test]
fn name_of_a_process_counts_where_its_path_is_not_known() {
    let attributes = |text: &str| {
        let caller = CallerClaims::read(text).unwrap().caller().unwrap();
        caller.attributes.unwrap()
    };
    for (text, name) in [
        (r#"{"processName":"curl"}"#, Some("curl")),
        (
            r#"{"processName":"curl","processFullPath":""}"#,
            Some("curl"),
        ),
        (
            r#"{"processName":"curl","processFullPath":"/usr/bin/curl"}"#,
            Some("curl"),
        ),
        (r#"{"processName":"/usr/bin/curl"}"#, None),
        (
            r#"{"processName":"curl","processFullPath":"/a/curl (deleted)"}"#,
            None,
        ),
        (r#"{"processName":""}"#, None),
    ] {
        assert_eq!(attributes(text).process_name(), name, "{text}");
    }
    let none: [String; 0] = [];
    assert_eq!(attributes(r#"{"userGroups":null}"#).group_names, none);
}
