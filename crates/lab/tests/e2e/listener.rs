//! The agent's listener, reached without the kernel's redirect.

use latchkey_lab::GuestPlan;
use latchkey_lab::curl::Curl;
use latchkey_lab::system::LIMIT;
use latchkey_protocol::Reason;
use latchkey_record::audit::Outcome;

use crate::world::{TOKEN, World};

/// Connects, sends nothing at all, and prints what comes.
const SILENT: &str = r#"
import socket
s = socket.create_connection(("127.0.0.1", 3080), 20)
print(s.makefile("rb").readline().decode().strip())
"#;

/// Sends what is no HTTP, and prints what comes.
const GARBAGE: &str = r#"
import socket
s = socket.create_connection(("127.0.0.1", 3080), 20)
s.sendall(b"\x16\x03\x01\x00\x00 CONNECT \r\n\r\n")
print(s.makefile("rb").readline().decode().strip())
"#;

#[test]
fn direct_connection_is_misdirected_and_nothing_of_it_is_parsed() {
    let world = World::start([GuestPlan::enforce("vm")]);
    let direct = Curl::url(format!("http://127.0.0.1:3080{TOKEN}"))
        .header("Host: 169.254.169.254")
        .header("Metadata: true");
    for user in ["root", "app"] {
        world.expect_refusal("vm", user, &direct, (421, "no_flow_record"));
    }
    for script in [SILENT, GARBAGE] {
        let python = world.guest("vm").command("app", "/usr/bin/python3");
        let output = python.args(["-c", script]).output(LIMIT).unwrap();
        assert_eq!(
            output.stdout_text(),
            "HTTP/1.1 421 Misdirected Request\n",
            "{output:?}"
        );
    }
    world.record("vm", 4);
    for record in world.system.audit("vm").unwrap() {
        assert_eq!(
            (record.outcome, record.status),
            (Outcome::Refused, Some(421))
        );
        assert_eq!(record.reason, Some(Reason::NoFlowRecord));
        assert_eq!(
            (record.method, record.target, record.caller),
            (None, None, None)
        );
    }
    assert_eq!(world.observed("vm"), []);
    world.end(&[("vm", 4)]);
}

#[test]
fn port_of_the_listener_is_nobodys_but_roots() {
    let mut world = World::start([GuestPlan::enforce("vm")]);
    world.system.kill_agent("vm").unwrap();
    let bind = |user: &str| {
        let script = "import socket; socket.create_server(('127.0.0.1', 3080)); print('bound')";
        let python = world.guest("vm").command(user, "/usr/bin/python3");
        python.args(["-c", script]).output(LIMIT).unwrap()
    };
    let refused = bind("mallory");
    assert_eq!(refused.code(), Some(1), "{refused:?}");
    assert!(
        refused.stderr.contains("Operation not permitted"),
        "{}",
        refused.stderr
    );
    assert_eq!(bind("root").stdout_text(), "bound\n");
    world.end(&[]);
}
