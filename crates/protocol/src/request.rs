//! A request as it is judged: canonical, or ambiguous with the reason; never anything between.
//!
//! [`Request::read`] is the only way to one. Malformed requests never become one.

use crate::endpoint::{Endpoint, EndpointKind};
use crate::head::{Framing, RequestHead};
use crate::header;
use crate::reason::Reason;
use crate::target::CanonicalTarget;

/// The largest body that is buffered and signed, in bytes.
pub const MAX_BODY_BYTES: u64 = 100 * 1024;
/// The largest body of the two uploads, in bytes.
pub const MAX_UPLOAD_BYTES: u64 = 100 * 1024 * 1024;

/// The two requests of the protocol whose bodies stream and that are never signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upload {
    /// `PUT /vmAgentLog`.
    AgentLog,
    /// `POST /machine/?comp=telemetrydata`.
    Telemetry,
}

impl Upload {
    /// Recognises an upload at an endpoint by method and exact target, in any letter case.
    #[must_use]
    pub fn recognise(endpoint: EndpointKind, method: &str, target: &str) -> Option<Self> {
        let (upload, exact) = match method {
            "PUT" => (Self::AgentLog, "/vmAgentLog"),
            "POST" => (Self::Telemetry, "/machine/?comp=telemetrydata"),
            _ => return None,
        };
        let is_upload = endpoint.is_root_only() && target.eq_ignore_ascii_case(exact);
        is_upload.then_some(upload)
    }
}

/// What a request means.
#[derive(Clone, Debug)]
pub enum Meaning {
    /// Every parser reads it like this.
    Canonical(CanonicalTarget),
    /// Two parsers could read it differently.
    Ambiguous(Reason),
}

impl From<Result<CanonicalTarget, Reason>> for Meaning {
    fn from(read: Result<CanonicalTarget, Reason>) -> Self {
        match read {
            Ok(target) => Self::Canonical(target),
            Err(reason) => Self::Ambiguous(reason),
        }
    }
}

/// A well-formed request to an endpoint.
#[derive(Clone, Debug)]
pub struct Request {
    head: RequestHead,
    endpoint: EndpointKind,
    meaning: Meaning,
    upload: Option<Upload>,
}

impl Request {
    /// Reads a well-formed head as a request to `endpoint`.
    ///
    /// # Errors
    /// [`Reason::BodyTooLarge`] when the declared length exceeds the limit.
    pub fn read(head: RequestHead, endpoint: &Endpoint) -> Result<Self, Reason> {
        let upload = Upload::recognise(endpoint.kind, head.method.as_str(), &head.target);
        if matches!(head.framing, Framing::Length(length) if length > max_body_bytes(upload)) {
            return Err(Reason::BodyTooLarge);
        }
        let meaning = Meaning::from(interpret(&head, endpoint));
        Ok(Self {
            head,
            endpoint: endpoint.kind,
            meaning,
            upload,
        })
    }

    /// Returns the head as received.
    #[must_use]
    pub const fn head(&self) -> &RequestHead {
        &self.head
    }

    /// Returns the head, giving up the request.
    #[must_use]
    pub fn into_head(self) -> RequestHead {
        self.head
    }

    /// Returns the kind of the endpoint that the request was read for.
    #[must_use]
    pub const fn endpoint(&self) -> EndpointKind {
        self.endpoint
    }

    /// Returns what the request means.
    #[must_use]
    pub const fn meaning(&self) -> &Meaning {
        &self.meaning
    }

    /// Returns which of the two uploads this is, at an endpoint that has them.
    #[must_use]
    pub const fn upload(&self) -> Option<Upload> {
        self.upload
    }

    /// Returns the size limit of this request's body in bytes.
    #[must_use]
    pub const fn max_body_bytes(&self) -> u64 {
        max_body_bytes(self.upload)
    }
}

const fn max_body_bytes(upload: Option<Upload>) -> u64 {
    match upload {
        Some(_) => MAX_UPLOAD_BYTES,
        None => MAX_BODY_BYTES,
    }
}

fn interpret(head: &RequestHead, endpoint: &Endpoint) -> Result<CanonicalTarget, Reason> {
    if let Some(host) = head.headers.get(http::header::HOST) {
        let is_own = host.to_str().is_ok_and(|host| endpoint.accepts_host(host));
        if !is_own {
            return Err(Reason::ForeignHost);
        }
    }
    header::check(&head.headers)?;
    CanonicalTarget::parse(&head.target)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::EndpointTable;
    use crate::head::{Parsed, parse};
    use crate::mode::Mode;

    fn read(endpoint: usize, text: &str) -> Result<Request, Reason> {
        let Ok(Parsed::Complete(head, _)) = parse(text.as_bytes()) else {
            panic!("{text}")
        };
        Request::read(
            *head,
            &EndpointTable::azure(Mode::Enforce).as_slice()[endpoint],
        )
    }

    fn upload(endpoint: usize, line: &str) -> Option<Upload> {
        let host = if endpoint == 0 {
            "169.254.169.254"
        } else {
            "168.63.129.16"
        };
        read(
            endpoint,
            &format!("{line} HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        )
        .unwrap()
        .upload()
    }

    #[test]
    fn uploads_are_known_by_exact_method_and_target_at_root_only_endpoints() {
        assert_eq!(
            upload(1, "POST /machine/?COMP=TelemetryData"),
            Some(Upload::Telemetry)
        );
        assert_eq!(upload(2, "PUT /vmAgentLog"), Some(Upload::AgentLog));
        assert_eq!(upload(0, "PUT /vmAgentLog"), None);
        for line in [
            "POST /machine?comp=telemetrydata",
            "PUT /vmAgentLog/",
            "PUT /vmAgentLog?x=1",
            "POST /vmAgentLog",
        ] {
            assert_eq!(upload(2, line), None, "{line}");
        }
    }

    #[test]
    fn declared_bodies_are_bounded_by_kind() {
        let post = |line: &str, length: u64| {
            read(
                1,
                &format!(
                    "{line} HTTP/1.1\r\nHost: 168.63.129.16\r\nContent-Length: {length}\r\n\r\n"
                ),
            )
        };
        assert!(post("POST /x", MAX_BODY_BYTES).is_ok());
        assert!(matches!(
            post("POST /x", MAX_BODY_BYTES + 1),
            Err(Reason::BodyTooLarge)
        ));
        assert!(post("POST /machine/?comp=telemetrydata", MAX_UPLOAD_BYTES).is_ok());
        assert!(post("POST /machine/?comp=telemetrydata", MAX_UPLOAD_BYTES + 1).is_err());
    }

    #[test]
    fn foreign_host_is_ambiguous() {
        let request = read(0, "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n").unwrap();
        assert!(matches!(
            request.meaning(),
            Meaning::Ambiguous(Reason::ForeignHost)
        ));
    }
}
