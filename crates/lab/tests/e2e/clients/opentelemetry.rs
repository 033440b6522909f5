//! OpenTelemetry's detector of Azure machines for Python, which waits 200 ms for its one answer.

use latchkey_lab::system::profile::INSTANCE_PATH;

use super::situation::{Client, Gap, Refusal};
use super::situations;
use super::tool::Tool;

const CLIENT: Client = Client {
    tool: Tool::Python,
    user: "app",
    told: |python| {
        let script = include_str!("../../clients/opentelemetry_azure.py");
        python.args(["-B", "-c", script])
    },
    paths: (&[INSTANCE_PATH], &[]),
    answers: &[200],
    refused_anyway: None,
    result: |_, said| {
        assert!(said.contains(r#""cloud.platform": "azure_vm""#), "{said}");
        assert!(said.contains(r#""host.name": "vm""#), "{said}");
    },
    // It takes every failure for another cloud and never asks again, which its users want.
    refusal: Refusal {
        requests: 1,
        exit: 0,
        says: &["{}"],
    },
    gap: Gap::Ends(0, "{}"),
};

situations!(CLIENT);
