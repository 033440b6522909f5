//! What is accepted as a configuration, and what is told of one that is not.

use super::*;

#[test]
fn empty_file_is_the_default_configuration() {
    let config = Config::parse("").unwrap();
    assert_eq!(config.admin_listen.to_string(), "127.0.0.1:9420");
    assert_eq!(config.issuer, "http://127.0.0.1:9420");
    let names: Vec<_> = config
        .endpoints
        .as_slice()
        .iter()
        .map(|e| (e.name.as_str(), e.port))
        .collect();
    assert_eq!(names, [("imds", 80), ("wireserver", 80), ("hostga", 32526)]);
}

#[test]
fn printed_configuration_configures_the_same() {
    let config = Config::parse("state_dir = \"/tmp/x\"\n[limits]\nidle_seconds = 9\n").unwrap();
    let again = Config::parse(&config.to_string()).unwrap();
    assert_eq!(format!("{config:?}"), format!("{again:?}"));
}

#[test]
fn upstream_is_printed_as_it_is_configured() {
    let text = "[endpoints.imds]\naddresses = [\"169.254.169.254\"]\n\
                upstream = \"http://10.0.0.5:8775\"\nupstream_secret_file = \"/etc/secret\"\n\
                upstream_headers = { X-Instance-ID = \"{vm_id}\", x-code = \"{hmac:vm_id}\" }\n";
    let config = Config::parse(text).unwrap();
    let upstream = config.upstream(EndpointKind::Imds).unwrap();
    assert_eq!(upstream.location.authority(), "10.0.0.5:8775");
    assert!(config.upstream(EndpointKind::WireServer).is_none());
    let again = Config::parse(&config.to_string()).unwrap();
    assert_eq!(format!("{config:?}"), format!("{again:?}"));
}

#[test]
fn upstream_that_would_not_work_is_refused_with_its_place() {
    let section = "[endpoints.imds]\naddresses = [\"169.254.169.254\"]\n";
    for (line, complaint) in [
        ("upstream = \"https://a\"", "TLS is not spoken"),
        ("upstream_headers = { x = \"a\" }", "there is none"),
        ("upstream_secret_file = \"/s\"", "there is none"),
        (
            "upstream = \"http://a\"\nupstream_headers = { Host = \"a\" }",
            "itself",
        ),
        (
            "upstream = \"http://a\"\nupstream_headers = { x = \"{uuid}\" }",
            "is no field",
        ),
        (
            "upstream = \"http://a\"\nupstream_headers = { x = \"{hmac:id}\" }",
            "no upstream_secret_file",
        ),
    ] {
        let problems = Config::parse(&format!("{section}{line}\n")).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].message.contains(complaint), "{problems:?}");
        assert!(problems[0].place.unwrap().line >= 3, "{problems:?}");
    }
}

/// What is wrong with a text, each on a line with its place.
fn told(text: &str) -> Vec<String> {
    let problems = Config::parse(text).unwrap_err();
    problems.iter().map(ConfigProblem::to_string).collect()
}

fn assert_told(text: &str, expected: &[&str]) {
    let told = told(text);
    assert_eq!(told.len(), expected.len(), "{told:?}");
    for (line, expected) in told.iter().zip(expected) {
        assert!(line.starts_with(expected), "{expected} in {told:?}");
    }
}

#[test]
fn every_problem_is_reported_with_line_and_column() {
    let text = "[admin]\nlisten = \"here\"\n[endpoints.imds]\naddresses = [\"169.254.169.254\", \"x\"]\nport = 0\n[limits]\nhead_seconds = 0\n";
    assert_told(
        text,
        &["2:10: `here`", "4:33: `x`", "5:8: the", "7:16: the"],
    );
}

#[test]
fn wrong_form_and_wrong_values_are_reported_together() {
    let text = "state_dri = \"/tmp\"\n[admin]\nlisten = \"here\"\n[endpoints.imds]\nport = 81\n\
                [endpoints.wireserver]\naddresses = [\"168.63.129.16\"]\nport = 70000\n\
                upstream = 5\nupstream_headers = { x = \"a\" }\n\
                [limits]\nhead_seconds = 0\nidle_seconds = \"long\"\nconnections = -1\n";
    let expected = [
        "1:1: unknown field `state_dri`",
        "3:10: `here` is no address",
        "4:1: missing field `addresses`",
        "8:8: invalid value",
        "9:12: invalid type",
        "12:16: the limit is 0",
        "13:16: invalid type",
        "14:15: invalid value",
    ];
    assert_told(text, &expected);
    // An editor of another system counts the same lines.
    assert_told(&text.replace('\n', "\r\n"), &expected);
}

#[test]
fn columns_count_characters() {
    assert_told(
        "endpoints.imds = { hosts = [\"größe\"], addresses = [\"ü\", 1] }\n",
        &["1:52: `ü` is no IP", "1:57: invalid type"],
    );
}

#[test]
fn what_is_no_toml_is_reported_with_its_place() {
    assert_told(
        "state_dir = \"/a\"\nstate_dir = \"/b\"\n[limits]\n[limits]\n",
        &["2:1: duplicate key", "4:2: duplicate key"],
    );
}

#[test]
fn unknown_field_is_refused_with_its_place() {
    let text = "state_dir = \"/tmp\"\nstate_dri = \"/tmp\"\n";
    assert_told(text, &["2:1: unknown field `state_dri`"]);
}

#[test]
fn one_address_and_port_cannot_be_two_endpoints() {
    let text = "[endpoints.imds]\naddresses = [\"168.63.129.16\"]\n";
    assert!(
        Config::parse(text).unwrap_err()[0]
            .to_string()
            .contains("both claim")
    );
}
