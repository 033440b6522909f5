//! `azure-identity` for Python: the credential of the machine's identity alone, and at the end of
//! the chain that the same program goes through on a developer's machine.

/// What the clients show of a refusal.
const REFUSED: &str = "Token request error: (caller_not_assigned) \
                       A rule covers this request, and it does not name this caller.";

/// The credential that most programs on a machine use.
mod managed_identity {
    use latchkey_lab::system::profile::TOKEN_PATH;

    use super::super::situation::{Client, Gap, Refusal};
    use super::super::tool::Tool;
    use super::super::{situations, token};
    use super::REFUSED;

    const CLIENT: Client = Client {
        tool: Tool::Python,
        user: "app",
        told: |python| {
            let script = include_str!("../../clients/azure_managed_identity.py");
            python.args(["-B", "-c", script])
        },
        paths: (&[TOKEN_PATH], &[]),
        answers: &[200],
        refused_anyway: None,
        result: |world, said| token::verify(world, said, "https://management.azure.com"),
        refusal: Refusal {
            requests: 1,
            exit: 1,
            says: &[
                "azure.identity._exceptions.CredentialUnavailableError",
                REFUSED,
            ],
        },
        // The second connection is opened when the first one was refused.
        gap: Gap::Retries("Starting new HTTP connection (2): 169.254.169.254:80"),
    };

    situations!(CLIENT);
}

/// The chain of credentials. It asks first without the header that the service demands, and takes
/// the service's own refusal of that for the proof that it runs on such a machine.
mod default {
    use latchkey_lab::system::profile::TOKEN_PATH;

    use super::super::situation::{Client, Gap, Refusal};
    use super::super::tool::Tool;
    use super::super::{situations, token};
    use super::REFUSED;

    const CLIENT: Client = Client {
        tool: Tool::Python,
        user: "app",
        told: |python| {
            let script = include_str!("../../clients/azure_default.py");
            python.args(["-B", "-c", script])
        },
        paths: (&[TOKEN_PATH], &[]),
        // To the first one the service itself objects.
        answers: &[400, 200],
        refused_anyway: None,
        result: |world, said| token::verify(world, said, "https://vault.azure.net"),
        refusal: Refusal {
            requests: 2,
            exit: 1,
            says: &["azure.core.exceptions.ClientAuthenticationError", REFUSED],
        },
        gap: Gap::Ends(1, "no response from the IMDS endpoint"),
    };

    situations!(CLIENT);
}
