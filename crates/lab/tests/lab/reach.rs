//! Who reaches whom.

use std::process::Command;

use latchkey_lab::Output;

use crate::{LIMIT, lab, serve, shell};

const STATUS: &str = "curl -s -o /dev/null -w '%{http_code}' http://169.254.169.254/hello";

#[test]
fn guest_reaches_the_metadata_address_of_its_host() {
    let lab = lab(&["web"]);
    let guest = lab.guest("web").unwrap();
    let server = serve(&lab, "hello");
    let answer = shell(guest, "app", STATUS);
    assert_eq!(answer.stdout_text(), "200", "{}", answer.stderr);
    let seen = server.log().unwrap();
    assert!(seen.contains(&format!("{} - -", guest.address())), "{seen}");
}

#[test]
fn mapped_ipv6_socket_reaches_it_too() {
    let lab = lab(&["web"]);
    let _server = serve(&lab, "hello");
    let script = "import socket; s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM); \
                  s.settimeout(20); s.connect(('::ffff:169.254.169.254', 80)); \
                  s.sendall(b'GET /hello HTTP/1.0\\r\\n\\r\\n'); print(s.recv(12).decode())";
    let guest = lab.guest("web").unwrap();
    let answer = guest
        .command("app", "/usr/bin/python3")
        .args(["-c", script])
        .output(LIMIT);
    let answer = answer.unwrap();
    assert_eq!(answer.stdout_text(), "HTTP/1.0 200\n", "{}", answer.stderr);
}

#[test]
fn guest_that_uses_another_source_address_gets_no_answer() {
    let lab = lab(&["one", "two"]);
    let server = serve(&lab, "hello");
    let (one, two) = (lab.guest("one").unwrap(), lab.guest("two").unwrap());
    let with_source = |source: &str| {
        shell(
            one,
            "root",
            &format!("{STATUS} --max-time 2 --interface {source}"),
        )
    };
    assert_eq!(with_source(&one.address().to_string()).stdout_text(), "200");
    let others = [
        two.address().to_string(),
        "203.0.113.7".into(),
        "168.63.129.16".into(),
    ];
    for source in others {
        let added = shell(one, "root", &format!("ip address add {source}/32 dev lo"));
        assert!(added.success(), "{}", added.stderr);
        let answer = with_source(&source);
        assert_eq!(
            answer.code(),
            Some(28),
            "{source}: {}",
            answer.stdout_text()
        );
        assert!(!server.log().unwrap().contains(&format!("{source} - -")));
    }
    // The two packets without a route back died of the filter and of nothing else.
    let counters = lab
        .host()
        .command("root", "cat")
        .arg("/proc/net/netstat")
        .output(LIMIT);
    assert!(counter(&counters.unwrap(), "TcpExt:", "IPReversePathFilter") >= 2);
}

#[test]
fn guest_has_no_way_to_the_outside_or_to_another_guest() {
    let lab = lab(&["one", "two"]);
    let one = lab.guest("one").unwrap();
    for target in [
        "203.0.113.7",
        "8.8.8.8",
        &lab.guest("two").unwrap().address().to_string(),
    ] {
        // Asks for the route only; nothing is sent.
        let answer = shell(one, "root", &format!("ip route get {target}"));
        assert!(
            answer.stderr.contains("Network is unreachable"),
            "{target}: {answer:?}"
        );
    }
    assert!(shell(one, "root", "ip route get 169.254.169.254").success());
}

#[test]
fn machine_itself_gets_no_interface_address_or_route_of_a_lab() {
    let _lab = lab(&["one"]);
    let machine = |arguments: &str| {
        let output = Command::new("ip")
            .args(arguments.split(' '))
            .output()
            .unwrap();
        assert!(output.status.success(), "ip {arguments}");
        String::from_utf8(output.stdout).unwrap()
    };
    for command in [
        "-o address",
        "route show table local",
        "route show root 10.77.0.0/16",
    ] {
        let shown = machine(command);
        for address in ["10.77.", "169.254.169.254", "168.63.129.16"] {
            assert!(!shown.contains(address), "ip {command}: {shown}");
        }
    }
    assert!(!machine("-o link").contains("vm1"));
}

#[test]
fn two_labs_at_once_do_not_disturb_each_other() {
    let (left, right) = (lab(&["web"]), lab(&["web"]));
    let (_left_server, _right_server) = (serve(&left, "left"), serve(&right, "right"));
    let read = "curl -s http://169.254.169.254/hello";
    let (in_left, in_right) = (left.guest("web").unwrap(), right.guest("web").unwrap());
    assert_eq!(in_left.address(), in_right.address());
    assert_eq!(shell(in_left, "app", read).stdout_text(), "left");
    assert_eq!(shell(in_right, "app", read).stdout_text(), "right");
    left.stop().unwrap();
    assert_eq!(shell(in_right, "app", read).stdout_text(), "right");
}

/// Reads one counter of `/proc/net/netstat`: a line of names is followed by one of values.
fn counter(netstat: &Output, group: &str, name: &str) -> u64 {
    let text = netstat.stdout_text();
    let mut lines = text.lines().filter(|line| line.starts_with(group));
    let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
    let mut pairs = names.split(' ').zip(values.split(' '));
    pairs
        .find(|(found, _)| *found == name)
        .unwrap()
        .1
        .parse()
        .unwrap()
}
