//! What is accepted as a configuration, and what is told of one that is not.

use super::*;
use crate::identity::Hashing;

fn check(text: &str) -> Result<Config, Vec<ConfigProblem>> {
    Config::check(toml::from_str(text).unwrap())
}

#[test]
fn empty_file_protects_azures_endpoints_in_enforce() {
    let config = check("").unwrap();
    assert_eq!(
        config.endpoints,
        EndpointTable::azure(latchkey_protocol::Mode::Enforce)
    );
    assert_eq!(config.channel, Some("168.63.129.16:80".parse().unwrap()));
}

#[test]
fn every_problem_is_reported() {
    let problems = check(
        "[listener]\naddress = \"0.0.0.0:3080\"\n[limits]\nmax_connections = 0\n[audit]\nqueue = 0\n\
         [[endpoints]]\nname = \"a\"\nkind = \"imds\"\naddresses = []\nport = 80",
    )
    .unwrap_err();
    assert_eq!(problems.len(), 4, "{problems:?}");
}

#[test]
fn executables_are_hashed_when_rules_ask_unless_told_otherwise() {
    let identity = check("").unwrap().identity;
    assert_eq!(identity.hashing, Hashing::WhenUsed);
    assert_eq!(identity.max_hashed_bytes, 536_870_912);
    let always = check("[identity]\nhash = \"always\"\nmax_hashed_bytes = 1").unwrap();
    assert_eq!(always.identity.hashing, Hashing::Always);
    assert!(check("[identity]\nmax_hashed_bytes = 0").is_err());
}

/// Where the problems of a text are, in the order in which they are told.
fn places(text: &str) -> Vec<(usize, usize)> {
    let findings = Config::parse(text).unwrap_err();
    let places = findings.iter().map(|finding| finding.place.unwrap());
    places.map(|place| (place.line, place.column)).collect()
}

#[test]
fn every_value_that_is_out_of_bounds_is_told_with_line_and_column() {
    let endpoint = "[[endpoints]]\nname = \"a\"\nkind = \"imds\"\nport = 80\naddresses = ";
    let text = format!(
        "[limits]\nmax_connections = 0\nhead_timeout_ms = 1\n[listener]\naddress = \"0.0.0.0:3080\"\n\
         {endpoint}[\"169.254.169.254\"]\n{endpoint}[\"169.254.169.253\"]\n{endpoint}[]\n"
    );
    assert_eq!(
        places(&text),
        [(2, 19), (3, 19), (5, 11), (6, 1), (11, 1), (16, 1)]
    );
}

#[test]
fn limits_of_a_cgroup_have_bounds_and_places() {
    let text =
        "[limits]\nconnects_per_second = 0\nconnect_burst = 1000001\nopen_connections = 16385\n";
    assert_eq!(places(text), [(2, 23), (3, 17), (4, 20)]);
    let limits = check("[limits]\nconnect_burst = 7").unwrap().kernel_limits;
    assert_eq!(limits.burst.get(), 7);
    assert_eq!(check("").unwrap().kernel_limits, KernelLimits::default());
}

#[test]
fn everything_unknown_or_of_the_wrong_type_is_told_with_line_and_column() {
    let text = "speed = 9\ninitial_mode = \"off\"\n[audit]\nfiel = \"x\"\nqueue = \"many\"\n\
                [limits]\nmax_connections = 0\n";
    assert_eq!(places(text), [(1, 1), (2, 16), (4, 1), (5, 9), (7, 19)]);
    let entry = "[[endpoints]]\nname = \"a\"\nkind = \"imds\"\nport = \"x\"\naddresses = [\"y\"]\n";
    assert_eq!(places(entry), [(4, 8), (5, 14)]);
}

#[test]
fn value_that_does_not_fit_is_not_told_a_second_time_as_absent() {
    let text = "[[endpoints]]\nname = \"a\"\nkind = \"imds\"\nport = 80\naddresses = [\"y\"]\n";
    assert_eq!(places(text), [(5, 14)]);
}

#[test]
fn columns_count_characters_and_lines_end_with_or_without_carriage_return() {
    let text =
        "\"k\u{e4}\u{20ac}\u{1f600}\" = 1\r\nlimits = { \"\u{fc}\" = 1, max_connections = 0 }\r\n";
    assert_eq!(places(text), [(1, 1), (2, 12), (2, 39)]);
}

#[test]
fn every_line_that_is_no_toml_is_told_with_line_and_column() {
    assert_eq!(places("a = \nstate_dir = \"x\"\nb c\n").len(), 2);
}

#[test]
fn endpoint_with_protocol_needs_a_channel() {
    let endpoint = "[[endpoints]]\nname = \"m\"\nkind = \"imds\"\naddresses = [\"169.254.169.254\"]\nport = 80\n";
    assert!(matches!(
        check(endpoint).unwrap_err()[..],
        [ConfigProblem::NoChannel]
    ));
    assert!(
        check(&format!("{endpoint}msp = false"))
            .unwrap()
            .channel
            .is_none()
    );
}

#[test]
fn shipped_sample_is_valid_and_shows_the_defaults() {
    let sample: ConfigFile = toml::from_str(include_str!("../../examples/agent.toml")).unwrap();
    assert_eq!(
        toml::to_string(&sample).unwrap(),
        toml::to_string(&ConfigFile::default()).unwrap()
    );
    Config::check(sample).unwrap();
}
