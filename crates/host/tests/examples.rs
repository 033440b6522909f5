//! The shipped examples are checked by the very validation that the program uses.

use std::net::Ipv4Addr;
use std::path::Path;

use jiff::Timestamp;
use latchkey_gateway::facts::Throttle;
use latchkey_host::config::Config;
use latchkey_host::machines;
use latchkey_protocol::{EndpointKind, Mode};

fn examples() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/examples"))
}

#[test]
fn sample_configuration_is_valid_and_shows_the_defaults() {
    let sample = Config::load(&examples().join("latchkey-host.toml")).unwrap();
    assert_eq!(sample.to_string(), Config::parse("").unwrap().to_string());
}

#[test]
fn sample_machines_are_valid() {
    let table = machines::read(&examples().join("machines"))
        .outcome
        .unwrap();
    let web = table.find("web").unwrap();
    assert_eq!(
        web.mode(EndpointKind::Imds, Timestamp::UNIX_EPOCH),
        Mode::Enforce
    );
    assert_eq!(
        web.mode(EndpointKind::HostGa, Timestamp::UNIX_EPOCH),
        Mode::Audit
    );
    assert_eq!(web.facts.identities.iter().count(), 2);
    assert_eq!(web.facts.throttle, Some(Throttle::default()));
    let build = table.find("build").unwrap();
    assert_eq!(
        build.mode(EndpointKind::WireServer, Timestamp::UNIX_EPOCH),
        Mode::Enforce
    );
    assert_eq!(table.as_slice().len(), 2);
}

#[test]
fn emulator_on_loopback_is_valid() {
    let emulator = examples().join("emulator");
    let config = Config::load(&emulator.join("host.toml")).unwrap();
    assert!(config.to_string().contains("port = 8080"), "{config}");
    let table = machines::read(&emulator.join("machines")).outcome.unwrap();
    let dev = table.identify(Ipv4Addr::LOCALHOST.into(), None).unwrap();
    assert_eq!(
        dev.mode(EndpointKind::Imds, Timestamp::UNIX_EPOCH),
        Mode::Disabled
    );
}
