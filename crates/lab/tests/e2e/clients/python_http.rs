//! HTTP as Python programs speak it: by the `requests` package, and by hand.

/// A session of `requests`.
pub(super) mod requests {
    use latchkey_lab::system::profile::INSTANCE_PATH;

    use super::super::situation::{Client, Gap, Refusal};
    use super::super::situations;
    use super::super::tool::Tool;

    pub(crate) const CLIENT: Client = Client {
        tool: Tool::Python,
        user: "root",
        told: |python| python.args(["-B", "-c", include_str!("../../clients/requests_mix.py")]),
        paths: (&[INSTANCE_PATH, "/metadata/versions"], &["/machine"]),
        answers: &[200; 23],
        refused_anyway: None,
        result: |_, said| assert!(said.contains("all answered"), "{said}"),
        refusal: Refusal {
            requests: 1,
            exit: 1,
            says: &["requests.exceptions.HTTPError: 403 Client Error: Forbidden for url"],
        },
        gap: Gap::Retries("Connection refused"),
    };

    situations!(CLIENT);
}

/// Sockets written to by hand.
mod raw_sockets {
    use latchkey_protocol::Reason;

    use super::super::situation::{Client, Gap, Refusal};
    use super::super::situations;
    use super::super::tool::Tool;

    const ANSWERS: &str = "\
first: ['HTTP/1.1 200']
pipelined: ['HTTP/1.1 200', 'HTTP/1.1 200']
version 1.0: ['HTTP/1.1 200']
in 40 pieces: ['HTTP/1.1 200']
expecting: ['HTTP/1.1 100', 'HTTP/1.1 200']
absolute form: ['HTTP/1.1 400']
";

    const CLIENT: Client = Client {
        tool: Tool::Python,
        user: "root",
        told: |python| python.args(["-B", "-c", include_str!("../../clients/raw_sockets.py")]),
        paths: (&["/metadata/versions"], &["/machine"]),
        answers: &[200; 6],
        refused_anyway: Some(Reason::AbsoluteForm),
        result: |_, said| assert!(said.contains(ANSWERS), "{said}"),
        refusal: Refusal {
            // After the first refusal the connection ends: the second of two is not read.
            requests: 6,
            exit: 0,
            says: &[
                "first: ['HTTP/1.1 403']",
                "pipelined: ['HTTP/1.1 403']",
                "expecting: ['HTTP/1.1 403']",
            ],
        },
        gap: Gap::Retries("connection refused"),
    };

    situations!(CLIENT);
}
