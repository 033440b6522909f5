//! Names are still resolved by a server at the protected address: only the protected port is ours.

use latchkey_lab::curl::Curl;
use latchkey_lab::system::LIMIT;
use latchkey_lab::{GuestPlan, Process};

use crate::world::{INSTANCE, World};

/// A name that only the server of the test knows, and its address (RFC 5737).
const NAME: &str = "service.latchkey.test";
const ADDRESS: &str = "192.0.2.7";

/// Serves names at the host's metadata address, over UDP and TCP.
fn start_resolver(world: &World) -> Process {
    let dnsmasq = world.system.lab().host().command("root", "dnsmasq");
    let mut resolver = dnsmasq
        .args(["--keep-in-foreground", "--log-facility=-", "--log-queries"])
        .args(["--conf-file=/dev/null", "--pid-file=", "--user=root"])
        .args(["--no-resolv", "--no-hosts", "--bind-interfaces"])
        .arg("--listen-address=169.254.169.254")
        .arg(format!("--address=/{NAME}/{ADDRESS}"))
        .spawn()
        .unwrap();
    resolver.wait_for_line("started", LIMIT).unwrap();
    resolver
}

#[test]
fn names_are_resolved_at_the_protected_address_over_udp_and_tcp() {
    let world = World::start([GuestPlan::enforce("vm")]);
    let resolver = start_resolver(&world);
    let file = world.guest("vm").dir().join("etc/resolv.conf");
    for option in ["timeout:2", "use-vc"] {
        // Written in place: the guest sees this very file.
        let text = format!("nameserver 169.254.169.254\noptions attempts:1 {option}\n");
        std::fs::write(&file, text).unwrap();
        for user in ["root", "mallory"] {
            let getent = world
                .guest("vm")
                .command(user, "getent")
                .args(["hosts", NAME]);
            let found = getent.output(LIMIT).unwrap();
            let words: Vec<String> = found
                .stdout_text()
                .split_whitespace()
                .map(str::to_owned)
                .collect();
            assert_eq!(words, [ADDRESS, NAME], "{option}: {found:?}");
        }
        let script = "import socket, sys; print(socket.getaddrinfo(sys.argv[1], 80)[0][4][0])";
        let python = world.guest("vm").command("app", "/usr/bin/python3");
        let found = python.args(["-c", script, NAME]).output(LIMIT).unwrap();
        assert_eq!(found.stdout_text().trim(), ADDRESS, "{option}: {found:?}");
    }
    let log = resolver.log().unwrap();
    assert!(
        log.matches(&format!("query[A] {NAME} from 10.77.1.2"))
            .count()
            >= 2,
        "{log}"
    );
    // The protected port of the same address is protected all the while.
    world.expect("vm", "mallory", &Curl::imds(INSTANCE), 403);
    world.end(&[("vm", 1)]);
}

#[test]
fn datagrams_to_the_protected_port_are_refused() {
    let world = World::start([GuestPlan::enforce("vm")]);
    let script = "import socket\n\
                  s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
                  for port in (80, 81):\n    \
                      try: s.sendto(b'x', ('169.254.169.254', port)); print(port, 'sent')\n    \
                      except OSError as error: print(port, error.strerror)\n";
    let python = world.guest("vm").command("mallory", "/usr/bin/python3");
    let output = python.args(["-c", script]).output(LIMIT).unwrap();
    assert_eq!(
        output.stdout_text(),
        "80 Connection refused\n81 sent\n",
        "{}",
        output.stderr
    );
    world.end(&[("vm", 0)]);
}
