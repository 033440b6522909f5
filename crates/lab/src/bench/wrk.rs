//! Runs wrk in a guest and reads its figures; requests that failed make the run invalid.

use std::time::Duration;

use serde::Deserialize;

use crate::command::Command;
use crate::guest::Guest;
use crate::process::ProcessError;

/// Prints the figures as one JSON line, so that no text for people is parsed.
const SCRIPT: &str = r#"
done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"duration_us":%d,"p50_us":%.1f,"p99_us":%.1f,"failed":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"#;
/// How much longer than its measurement wrk may run.
const GRACE: Duration = Duration::from_secs(20);

/// The figures of one run.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    /// Answered requests.
    pub requests: u64,
    /// Length of the run in microseconds.
    pub duration_us: u64,
    /// Median latency in microseconds.
    pub p50_us: f64,
    /// 99th percentile of the latency in microseconds.
    pub p99_us: f64,
    /// Requests that failed in any way.
    pub failed: u64,
}

/// A run gave no usable figures.
#[derive(Debug, thiserror::Error)]
pub enum WrkError {
    /// The script could not be written.
    #[error("write wrk's script")]
    Script(#[source] std::io::Error),
    /// wrk could not be run.
    #[error("run wrk: install it with `make bench`")]
    Process(#[from] ProcessError),
    /// wrk failed.
    #[error("wrk failed: {0}")]
    Failed(String),
    /// wrk printed something else than figures.
    #[error("understand wrk's figures in `{text}`")]
    Figures {
        /// What it printed.
        text: String,
        /// Why it cannot be understood.
        #[source]
        source: serde_json::Error,
    },
    /// Requests failed, so the figures do not count.
    #[error("{failed} of {requests} requests failed")]
    FailedRequests {
        /// How many failed.
        failed: u64,
        /// How many were answered.
        requests: u64,
    },
}

/// How connections are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// Many requests per connection.
    KeepAlive,
    /// A connection for each request.
    Close,
}

impl Load {
    /// Returns the name in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KeepAlive => "keepalive",
            Self::Close => "close",
        }
    }
}

/// Loads `url` from a guest for a while.
///
/// # Errors
/// When wrk cannot be run or a request failed.
pub(super) fn run(
    guest: &Guest,
    url: &str,
    load: Load,
    connections: u32,
    seconds: u32,
) -> Result<Figures, WrkError> {
    let script = guest.dir().join("figures.lua");
    std::fs::write(&script, SCRIPT).map_err(WrkError::Script)?;
    let limit = Duration::from_secs(seconds.into()) + GRACE;
    let output = command(guest, url, load, connections, seconds)
        .arg("--script")
        .arg(&script)
        .arg(url)
        .output(limit)?;
    if !output.success() {
        return Err(WrkError::Failed(output.stderr));
    }
    let text = output.stdout_text();
    let line = text
        .lines()
        .rfind(|line| line.starts_with('{'))
        .unwrap_or(&text);
    let figures: Figures = serde_json::from_str(line).map_err(|source| WrkError::Figures {
        text: text.clone(),
        source,
    })?;
    match figures {
        Figures {
            failed: 0,
            requests: 1..,
            ..
        } => Ok(figures),
        Figures {
            failed, requests, ..
        } => Err(WrkError::FailedRequests { failed, requests }),
    }
}

fn command(guest: &Guest, url: &str, load: Load, connections: u32, seconds: u32) -> Command {
    let host = url.split('/').nth(2).unwrap_or_default();
    let command = guest
        .command("app", "wrk")
        .args([
            "--threads",
            "1",
            "--timeout",
            "5s",
            "--header",
            "Metadata: true",
        ])
        .args(["--connections", &connections.to_string()])
        .args(["--duration", &format!("{seconds}s")]);
    // Through the proxy on loopback the request still names the metadata service.
    let command = if host.starts_with("127.") {
        command.args(["--header", "Host: 169.254.169.254"])
    } else {
        command
    };
    match load {
        Load::KeepAlive => command,
        Load::Close => command.args(["--header", "Connection: close"]),
    }
}
