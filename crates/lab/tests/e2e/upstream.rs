//! The gateway before metadata services that nobody here wrote: what passes gets there, and nothing else.

use std::path::Path;

use latchkey_lab::curl::Curl;
use latchkey_lab::system::{LIMIT, SystemBuilder};
use latchkey_lab::{GuestPlan, Process};
use latchkey_protocol::Mode;
use latchkey_record::observation::SignatureFinding;

use crate::world::{INSTANCE, World};

/// Where the metadata service listens, in the host's own network namespace.
const SERVICE: &str = "http://127.0.0.1:8775";

/// Answers with the headers that it got.
const MIRROR: &str = r"
import http.server

class Mirror(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def do_GET(self):
        lines = (f'{name.lower()}: {value}\n' for name, value in self.headers.items())
        body = ''.join(lines).encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

server = http.server.ThreadingHTTPServer(('127.0.0.1', 8775), Mirror)
print('Serving', flush=True)
server.serve_forever()
";

fn world(plans: impl IntoIterator<Item = GuestPlan>) -> World {
    World::start_with(plans, |builder: SystemBuilder| {
        builder.imds_upstream(SERVICE, &[("X-Instance-ID", "{id}")])
    })
}

/// Starts a server of Python's standard library in the host.
fn start(world: &World, arguments: &[&str]) -> Process {
    let host = world.system.lab().host();
    let python = host.command("root", "/usr/bin/python3").arg("-u");
    let mut server = python.args(arguments).spawn().unwrap();
    server.wait_for_line("Serving", LIMIT).unwrap();
    server
}

/// Serves the files below a directory, as Python's own program does.
fn serve_files(world: &World, directory: &Path) -> Process {
    let directory = directory.to_str().unwrap();
    let place = ["8775", "--bind", "127.0.0.1", "--directory", directory];
    start(world, &[&["-m", "http.server"][..], &place[..]].concat())
}

#[test]
fn signed_request_gets_the_file_of_a_foreign_server_and_an_unsigned_one_never_gets_there() {
    let world = world([
        GuestPlan::enforce("vm"),
        GuestPlan::enforce("bare").without_agent(),
    ]);
    let files = world.system.lab().host().dir().join("files");
    std::fs::create_dir_all(files.join("metadata")).unwrap();
    std::fs::write(files.join("metadata/instance"), "of the service\n").unwrap();
    let server = serve_files(&world, &files);
    let answer = world.expect("vm", "app", &Curl::imds(INSTANCE), 200);
    assert_eq!(answer.body, "of the service\n");
    let unsigned = world.expect("bare", "root", &Curl::imds(INSTANCE), 401);
    assert_eq!(unsigned.reason(), Some("signature_missing"));
    world.expect_refusal(
        "vm",
        "mallory",
        &Curl::imds(INSTANCE),
        (403, "caller_not_assigned"),
    );
    let log = server.log().unwrap();
    assert_eq!(log.matches("GET /metadata/instance").count(), 1, "{log}");
    let seen = world.wait_for_observed("vm", 1).remove(0);
    assert_eq!(
        (seen.signature, seen.accepted, seen.status),
        (SignatureFinding::Valid, true, 200)
    );
    drop(server);
    let gone = world.expect("vm", "app", &Curl::imds(INSTANCE), 502);
    assert_eq!(gone.reason(), Some("upstream_unreachable"));
    world.end_with_strays(&[("vm", 3)], 1);
}

#[test]
fn service_sees_no_header_of_the_protocol_and_only_the_hosts_word_for_who_asks() {
    for (mode, record) in [(Mode::Enforce, 1), (Mode::Audit, 1)] {
        let world = world([GuestPlan::new("vm", mode)]);
        let server = start(&world, &["-c", MIRROR]);
        let request = Curl::imds(INSTANCE)
            .header("x_instance_id: other")
            .header("x-ms-azure-host-claims: { \"isRoot\": \"true\"}");
        let answer = world.expect("vm", "app", &request, 200);
        let mut names: Vec<_> = answer
            .body
            .lines()
            .filter_map(|line| line.split(": ").next())
            .collect();
        names.sort_unstable();
        let expected = ["accept", "host", "metadata", "user-agent", "x-instance-id"];
        assert_eq!(names, expected, "{}", answer.body);
        assert!(
            answer.body.contains("x-instance-id: vm\n"),
            "{}",
            answer.body
        );
        drop(server);
        world.end(&[("vm", record)]);
    }
}
