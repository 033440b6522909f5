//! The agent's listener: who may stand in its place, and who reaches it from where.

use crate::trial::{GUEST, trial};

#[test]
fn listeners_port_at_all_addresses_is_nobodys_but_roots() {
    trial!().proves("mallory", &["bind", "0.0.0.0"]);
}

#[test]
fn listeners_port_of_a_dual_stack_socket_is_nobodys_but_roots() {
    trial!().proves("mallory", &["bind", "::"]);
}

#[test]
fn listeners_port_at_the_mapped_address_is_nobodys_but_roots() {
    trial!().proves("mallory", &["bind", "::ffff:127.0.0.1"]);
}

#[test]
fn listener_that_is_reached_over_the_link_knows_no_caller() {
    let trial = trial!();
    // Nobody answers a question for neighbours that comes from 127.0.0.1, so it is asked before.
    trial.prepare(
        r#"curl --silent --max-time 2 "http://$GATEWAY/" || true
           echo 1 >/proc/sys/net/ipv4/conf/eth0/route_localnet"#,
    );
    let interface = trial.world.guest(GUEST).interface().to_owned();
    let host = trial.world.system.lab().host();
    let command = host.command("root", trial.other()).env("UPLINK", interface);
    let arguments = ["handmade", "packet", "to=127.0.0.1", "port=3080"];
    let output = command
        .args(arguments)
        .output(latchkey_lab::system::LIMIT)
        .unwrap();
    let report = crate::trial::Report::read(&output);
    trial.concludes(&report, "nobody");
}
