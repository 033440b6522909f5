//! `@azure/identity` for Node.js: the credential of the machine's identity alone, and at the end
//! of the chain that the same program goes through on a developer's machine.

use latchkey_lab::Command;

use super::tool::FOLDER;

/// Packages are searched for where it runs. It tells of every connection.
fn module(node: Command, script: &str) -> Command {
    node.current_dir(FOLDER).env("NODE_DEBUG", "http").args([
        "--input-type=module",
        "--eval",
        script,
    ])
}

/// The credential that most programs on a machine use.
mod managed_identity {
    use latchkey_lab::system::profile::TOKEN_PATH;

    use super::super::situation::{Client, Gap, Refusal};
    use super::super::tool::Tool;
    use super::super::{situations, token};

    const CLIENT: Client = Client {
        tool: Tool::Node,
        user: "app",
        told: |node| {
            super::module(
                node,
                include_str!("../../clients/azure_managed_identity.mjs"),
            )
        },
        paths: (&[TOKEN_PATH], &[]),
        answers: &[200],
        refused_anyway: None,
        result: |world, said| token::verify(world, said, "https://management.azure.com"),
        refusal: Refusal {
            requests: 1,
            exit: 1,
            says: &[
                "CredentialUnavailableError: ManagedIdentityCredential",
                "caller_not_assigned",
                "it does not name this caller",
            ],
        },
        gap: Gap::Retries("SOCKET ERROR: connect ECONNREFUSED"),
    };

    situations!(CLIENT);
}

/// The chain of credentials. It asks first without header and query, and takes any answer for the
/// proof that it runs on such a machine.
mod default {
    use latchkey_lab::system::profile::TOKEN_PATH;

    use super::super::situation::{Client, Gap, Refusal};
    use super::super::tool::Tool;
    use super::super::{situations, token};

    const CLIENT: Client = Client {
        tool: Tool::Node,
        user: "app",
        told: |node| super::module(node, include_str!("../../clients/azure_default.mjs")),
        paths: (&[TOKEN_PATH], &[]),
        // To the first one the service itself objects.
        answers: &[400, 200],
        refused_anyway: None,
        result: |world, said| token::verify(world, said, "https://vault.azure.net"),
        refusal: Refusal {
            requests: 2,
            exit: 1,
            says: &[
                "AggregateAuthenticationError",
                "caller_not_assigned",
                "it does not name this caller",
            ],
        },
        gap: Gap::Ends(
            1,
            "Attempted to use the IMDS endpoint, but it is not available",
        ),
    };

    situations!(CLIENT);
}
