//! Who asks: by every socket family, and when many ask at once.

use latchkey_lab::GuestPlan;
use latchkey_lab::curl::Curl;
use latchkey_lab::system::LIMIT;
use latchkey_record::audit::Outcome;

use crate::world::{INSTANCE, TOKEN, World};

/// Opens this many connections before it asks over any of them, and prints each status.
const AT_ONCE: &str = r#"
import asyncio, collections, sys
count = int(sys.argv[1])
request = b"GET /metadata/instance?api-version=2021-08-01 HTTP/1.1\r\n" \
          b"Host: 169.254.169.254\r\nMetadata: true\r\nConnection: close\r\n\r\n"

async def ask(stream):
    reader, writer = stream
    writer.write(request)
    answer = await reader.read()
    writer.close()
    return answer.split(b"\r\n", 1)[0].decode()

async def main():
    connect = lambda: asyncio.open_connection("169.254.169.254", 80)
    streams = await asyncio.gather(*(connect() for _ in range(count)))
    answers = await asyncio.gather(*(ask(stream) for stream in streams))
    print(dict(collections.Counter(answers)))

asyncio.run(main())
"#;

/// Shows the kind of socket that reaches the IPv4-mapped address, and the answer's status line.
const MAPPED: &str = r#"
import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
s.settimeout(20)
s.connect(("::ffff:169.254.169.254", 80))
s.sendall(b"GET /metadata/instance?api-version=2021-08-01 HTTP/1.1\r\n"
          b"Host: 169.254.169.254\r\nMetadata: true\r\nConnection: close\r\n\r\n")
print(s.getpeername()[0], s.recv(12).decode())
"#;

/// Asks with a program that lies on overlayfs, over a lower layer of another file system.
const FROM_OVERLAY: &str = r#"
mount -t tmpfs none "$HOME"
mkdir "$HOME/upper" "$HOME/work" "$HOME/all"
mount -t overlay -o "lowerdir=/usr/bin,upperdir=$HOME/upper,workdir=$HOME/work" overlay "$HOME/all"
"$HOME/all/curl" --silent --include --max-time 20 --header "Metadata: true" \
    "http://169.254.169.254/metadata/instance?api-version=2021-08-01" | head -c 12
"#;

#[test]
fn program_on_an_overlay_file_system_is_attributed() {
    let world = World::start([GuestPlan::enforce("vm")]);
    let unshare = world.guest("vm").command("root", "/usr/bin/unshare");
    let output = unshare
        .args(["--mount", "sh", "-e", "-c", FROM_OVERLAY])
        .output(LIMIT)
        .unwrap();
    assert_eq!(output.stdout_text(), "HTTP/1.1 200", "{output:?}");
    world.end(&[("vm", 1)]);
}

#[test]
fn ipv4_mapped_connection_is_attributed_and_judged_alike() {
    let world = World::start([GuestPlan::enforce("vm")]);
    world.expect("vm", "app", &Curl::imds_mapped(TOKEN), 200);
    world.expect_refusal(
        "vm",
        "mallory",
        &Curl::imds_mapped(TOKEN),
        (403, "caller_not_assigned"),
    );
    world.record("vm", 2);
    let records = world.system.audit("vm").unwrap();
    for (record, user) in records.iter().zip(["app", "mallory"]) {
        let caller = record.caller.as_ref().unwrap();
        assert_eq!(caller.user.as_deref(), Some(user));
        assert_eq!(record.destination.as_deref(), Some("169.254.169.254:80"));
    }
    assert_eq!(world.wait_for_observed("vm", 1)[0].is_root, Some(false));
    world.end(&[("vm", 2)]);
}

#[test]
fn socket_of_family_inet6_sees_the_peer_it_asked_for() {
    let world = World::start([GuestPlan::enforce("vm")]);
    let run = |user: &str| {
        let python = world.guest("vm").command(user, "/usr/bin/python3");
        python.args(["-c", MAPPED]).output(LIMIT).unwrap()
    };
    assert_eq!(
        run("app").stdout_text(),
        "::ffff:169.254.169.254 HTTP/1.1 200\n"
    );
    assert_eq!(
        run("mallory").stdout_text(),
        "::ffff:169.254.169.254 HTTP/1.1 403\n"
    );
    let caller = world.record("vm", 2).caller.unwrap();
    assert!(
        caller
            .executable
            .as_deref()
            .unwrap()
            .starts_with("/usr/bin/python3")
    );
    world.end(&[("vm", 2)]);
}

#[test]
fn two_hundred_connections_at_once_are_all_attributed() {
    let world = World::start([GuestPlan::enforce("vm")]);
    let python = world.guest("vm").command("app", "/usr/bin/python3");
    let output = python.args(["-c", AT_ONCE, "200"]).output(LIMIT).unwrap();
    assert_eq!(
        output.stdout_text(),
        "{'HTTP/1.1 200 OK': 200}\n",
        "{}",
        output.stderr
    );
    world.record("vm", 200);
    for record in world.system.audit("vm").unwrap() {
        assert_eq!(record.outcome, Outcome::Forwarded, "{record:?}");
        assert_eq!(record.caller.unwrap().user.as_deref(), Some("app"));
        assert_eq!(record.target.as_deref(), Some(INSTANCE));
    }
    world.end(&[("vm", 200)]);
}

#[test]
fn two_users_who_ask_in_turn_over_one_address_are_never_mixed_up() {
    let world = World::start([GuestPlan::enforce("vm")]);
    for _ in 0..5 {
        world.expect("vm", "app", &Curl::imds(TOKEN), 200);
        world.expect("vm", "www", &Curl::imds(TOKEN), 403);
    }
    world.end(&[("vm", 10)]);
}
