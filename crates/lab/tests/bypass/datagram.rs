//! Datagrams: refused at protected ports, untouched at the ports of DNS, DHCP and NTP.

use latchkey_lab::Process;
use latchkey_lab::system::LIMIT;

use crate::trial::{Trial, trial};

#[test]
fn datagram_to_a_protected_port_is_refused() {
    trial!().proves("app", &["datagram"]);
}

#[test]
fn connected_datagram_to_a_protected_port_is_refused() {
    trial!().proves("app", &["datagram", "connected"]);
}

#[test]
fn datagram_to_an_address_without_a_family_is_refused() {
    trial!().proves("app", &["datagram", "unspecified"]);
}

#[test]
fn lite_datagram_to_a_protected_port_is_refused() {
    trial!().proves("app", &["datagram", "lite"]);
}

#[test]
fn datagram_made_by_hand_to_a_protected_port_is_refused() {
    trial!().proves("root", &["handmade-datagram", "raw-header"]);
}

/// Echoes at the metadata address, on the host, what comes to the ports that must stay open.
fn echo(trial: &Trial) -> Process {
    let host = trial.world.system.lab().host();
    let command = host.command("root", trial.other());
    let mut process = command.args(["echo", "53", "67", "123"]).spawn().unwrap();
    process.wait_for_line("ready", LIMIT).unwrap();
    process
}

/// Tries one kind of socket at all three ports.
#[track_caller]
fn passes(trial: Trial, user: &str, kind: &[&str]) {
    let _echo = echo(&trial);
    for port in ["port=53", "port=67"] {
        let report = trial.call(user, &[kind, &[port]].concat());
        assert_eq!(
            (report.step.as_str(), &report.error),
            ("echoed", &None),
            "{port}"
        );
    }
    let report = trial.call(user, &[kind, &["port=123"]].concat());
    trial.concludes(&report, user);
}

#[test]
fn datagrams_to_dns_dhcp_and_ntp_pass() {
    passes(trial!(), "app", &["datagram"]);
}

#[test]
fn connected_datagrams_to_dns_dhcp_and_ntp_pass() {
    passes(trial!(), "app", &["datagram", "connected"]);
}

#[test]
fn raw_datagrams_to_dns_dhcp_and_ntp_pass() {
    passes(trial!(), "root", &["handmade-datagram", "raw-header"]);
}

#[test]
fn framed_datagrams_to_dns_dhcp_and_ntp_pass() {
    passes(trial!(), "root", &["handmade-datagram", "packet"]);
}
