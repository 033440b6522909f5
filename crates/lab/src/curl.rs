//! Runs the curl program in a guest and reads its answer; the requests are those of a real client.

use std::time::Duration;

use latchkey_protocol::reason::REASON_HEADER;

use crate::command::Command;
use crate::guest::Guest;
use crate::network::{METADATA_ADDRESS, WIRESERVER_ADDRESS};
use crate::process::ProcessError;

/// How long curl may take before it gives up by itself, in seconds.
const MAX_SECONDS: u64 = 20;

/// One request, as the arguments of curl.
#[derive(Debug, Clone)]
#[must_use = "a call does nothing until `run`"]
pub struct Curl {
    url: String,
    arguments: Vec<String>,
}

/// What curl got.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Curl's exit code, 0 for an answer of any status, 7 when it could not connect; nothing when
    /// a signal ended it.
    pub exit: Option<i32>,
    /// The status of the answer.
    pub status: Option<u16>,
    /// The answer's headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The answer's body; bytes that are no text are escaped.
    pub body: String,
    /// What curl wrote to standard error.
    pub said: String,
}

impl Curl {
    /// Describes a request for this URL.
    pub fn url(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            arguments: Vec::new(),
        }
    }

    /// Describes a request to the instance metadata service, with the header that it asks for.
    pub fn imds(target: &str) -> Self {
        Self::url(format!("http://{METADATA_ADDRESS}{target}")).header("Metadata: true")
    }

    /// As [`Curl::imds`], over an IPv6 socket to the IPv4-mapped address (RFC 4291 2.5.5.2).
    pub fn imds_mapped(target: &str) -> Self {
        Self::url(format!("http://[::ffff:{METADATA_ADDRESS}]{target}"))
            .header("Metadata: true")
            .arguments(&["--ipv6"])
    }

    /// Describes a request to the `WireServer`, as provisioning agents make it.
    pub fn wireserver(target: &str) -> Self {
        Self::url(format!("http://{WIRESERVER_ADDRESS}{target}"))
            .header("x-ms-version: 2012-11-30")
            .header("x-ms-agent-name: WALinuxAgent")
    }

    /// Adds a header line.
    pub fn header(self, line: &str) -> Self {
        self.arguments(&["--header", line])
    }

    /// Adds arguments of curl.
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments
            .extend(arguments.iter().map(|&argument| argument.to_owned()));
        self
    }

    /// Returns the command that makes this request as the user `user`; its output is the head of
    /// the answer, and its body.
    pub fn command(&self, guest: &Guest, user: &str) -> Command {
        guest
            .command(user, "curl")
            // Without a configuration of the user's, and with brackets in URLs as they stand.
            .args(["--disable", "--globoff", "--silent", "--show-error"])
            .args(["--include", "--path-as-is", "--max-time"])
            .arg(MAX_SECONDS.to_string())
            .args(&self.arguments)
            .arg(&self.url)
    }

    /// Makes the request.
    ///
    /// # Errors
    /// Curl could not be run; that it got no answer is one of its answers.
    pub fn run(&self, guest: &Guest, user: &str) -> Result<Answer, ProcessError> {
        let limit = Duration::from_secs(2 * MAX_SECONDS);
        let output = self.command(guest, user).output(limit)?;
        let mut answer = Answer::parse(&output.stdout_text());
        answer.exit = output.code();
        answer.said = output.stderr;
        Ok(answer)
    }
}

impl Answer {
    /// Reads what `curl --include` wrote: heads, of which interim ones are skipped, and a body.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut answer = Self {
            exit: None,
            status: None,
            headers: Vec::new(),
            body: String::new(),
            said: String::new(),
        };
        let mut rest = text;
        while rest.starts_with("HTTP/") {
            let (head, body) = rest.split_once("\r\n\r\n").unwrap_or((rest, ""));
            let mut lines = head.split("\r\n");
            let status = lines.next().and_then(|line| line.split(' ').nth(1));
            answer.status = status.and_then(|status| status.parse().ok());
            let fields = lines.filter_map(|line| line.split_once(':'));
            answer.headers = fields
                .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
                .collect();
            rest = body;
            if answer.status.is_none_or(|status| status >= 200) {
                break;
            }
        }
        rest.clone_into(&mut answer.body);
        answer
    }

    /// Returns the value of a header, by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.headers.iter();
        let found = fields.find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Returns the code of the reason why the request was refused.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.header(REASON_HEADER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interim_answer_is_skipped() {
        let text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 Forbidden\r\n\
                    Latchkey-Reason: root_required\r\n\r\n{}\r\n\r\nHTTP/1.1";
        let answer = Answer::parse(text);
        assert_eq!(answer.status, Some(403));
        assert_eq!(answer.reason(), Some("root_required"));
        assert_eq!(answer.body, "{}\r\n\r\nHTTP/1.1");
    }

    #[test]
    fn no_answer_has_no_status() {
        let answer = Answer::parse("");
        assert_eq!((answer.status, answer.reason()), (None, None));
        assert_eq!(answer.body, "");
    }
}
