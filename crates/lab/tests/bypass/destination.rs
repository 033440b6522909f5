//! Other ways to name an endpoint: spellings, names, redirects, address forms, neighbours.

use latchkey_lab::system::LIMIT;

use crate::trial::{GUEST, trial};
use crate::world::TOKEN;

#[test]
fn address_in_any_spelling_is_brokered() {
    let trial = trial!();
    for spelling in ["to=0xa9fea9fe", "to=2852039166", "to=0251.0376.0251.0376"] {
        let report = trial.call("app", &["stream", spelling]);
        assert_eq!(report.status, Some(200), "{spelling}: {report:?}");
    }
    trial
        .after(3)
        .proves("app", &["stream", "to=169.254.43518"]);
}

/// Answers each request by sending the client on to the metadata service.
const REDIRECTOR: &str = r#"
import http.server, sys
class Redirector(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(302)
        self.send_header("Location", "http://169.254.169.254" + sys.argv[1])
        self.end_headers()
server = http.server.HTTPServer(("127.0.0.1", 0), Redirector)
print("port", server.server_port, flush=True)
server.serve_forever()
"#;

#[test]
fn redirect_to_the_endpoint_is_judged_by_who_follows_it() {
    let trial = trial!();
    let server = trial.command("www", "/usr/bin/python3");
    let mut server = server.args(["-c", REDIRECTOR, TOKEN]).spawn().unwrap();
    let line = server.wait_for_line("port ", LIMIT).unwrap();
    let port = line.strip_prefix("port ").unwrap();
    let script = format!(
        r#"curl --silent --location --header Metadata:true --output "$HOME/answer" \
            --write-out '{{"step":"answered","error":null,"peer":null,"status":%{{http_code}},"reason":null}}\n' \
            http://127.0.0.1:{port}/"#
    );
    let report = trial.script("www", &script);
    drop(server);
    trial.concludes(&report, "www");
}

#[test]
fn name_that_leads_to_the_endpoint_is_refused_for_its_host() {
    let trial = trial!();
    let report = trial.script("app", r#"HOST=metadata.example "$OTHER" stream"#);
    trial.concludes(&report, "app");
}

#[test]
fn translated_address_is_brokered() {
    trial!().proves("app", &["stream", "nat64"]);
}

#[test]
fn compatible_address_has_no_route() {
    trial!().proves("app", &["stream", "compatible"]);
}

#[test]
fn hosts_own_address_answers_nobody() {
    let trial = trial!();
    let to = format!("to={}", trial.world.guest(GUEST).gateway());
    trial.proves("app", &["stream", &to]);
}

#[test]
fn port_without_a_service_is_left_alone_and_answers_nobody() {
    trial!().proves("app", &["stream", "port=8080"]);
}
