//! curl as scripts of administrators and provisioning use it, many ways in one run.

use latchkey_lab::system::profile::INSTANCE_PATH;

use super::situation::{Client, Gap, Refusal};
use super::situations;
use super::tool::Tool;

/// What holds for every transfer: a refusal is an error, nobody there is asked again.
const EACH: &str = r#"
fail
max-time = 20
retry = 8
retry-delay = 1
retry-connrefused
write-out = "%{http_code} %{method} %{http_version} connects=%{num_connects}\n"
"#;

const TRANSFERS: [&str; 6] = [
    // Three on one connection.
    r#"
    header = "Metadata: true"
    url = "http://169.254.169.254/metadata/instance?api-version=2021-02-01"
    output = "/dev/null"
    url = "http://169.254.169.254/metadata/instance/compute?api-version=2021-02-01"
    output = "/dev/null"
    url = "http://169.254.169.254/metadata/instance/network?api-version=2021-02-01"
    output = "/dev/null"
    "#,
    r#"
    head
    header = "Metadata: true"
    url = "http://169.254.169.254/metadata/instance?api-version=2021-02-01"
    output = "/dev/null"
    "#,
    r#"
    http1.0
    header = "Metadata: true"
    url = "http://169.254.169.254/metadata/instance?api-version=2021-02-01"
    output = "/dev/null"
    "#,
    r#"
    data-binary = "@/etc/passwd"
    url = "http://168.63.129.16/machine?comp=health"
    "#,
    r#"
    header = "Transfer-Encoding: chunked"
    data-binary = "@/etc/passwd"
    url = "http://168.63.129.16/machine?comp=telemetrydata"
    "#,
    // Larger than any body that the agent would buffer.
    r#"
    upload-file = "/usr/bin/curl"
    url = "http://168.63.129.16/vmAgentLog"
    "#,
];

const ANSWERS: &str = "\
200 GET 1.1 connects=1
200 GET 1.1 connects=0
200 GET 1.1 connects=0
200 HEAD 1.1 connects=0
200 GET 1.1 connects=0
200 POST 1.1 connects=1
200 POST 1.1 connects=0
200 PUT 1.1 connects=0
";

const CLIENT: Client = Client {
    tool: Tool::Curl,
    user: "root",
    told: |curl| {
        let transfers = TRANSFERS.map(|transfer| format!("{EACH}{transfer}"));
        // Without the user's configuration; retries are still told.
        curl.args(["--disable", "--no-progress-meter", "--config", "-"])
            .stdin(transfers.join("next\n"))
    },
    paths: (&[INSTANCE_PATH], &["/machine", "/vmAgentLog"]),
    answers: &[200; 8],
    refused_anyway: None,
    result: |_, said| assert!(said.contains(ANSWERS), "{said}"),
    refusal: Refusal {
        requests: 8,
        exit: 22,
        says: &["curl: (22) The requested URL returned error: 403"],
    },
    gap: Gap::Retries("Will retry in 1 second"),
};

situations!(CLIENT);
