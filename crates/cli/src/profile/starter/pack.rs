//! The packs that are shipped: the files of `profiles/`, as they stand there.

use latchkey_protocol::authorization::AuthorizationItem;

use crate::arguments::ProfileEndpoint;

/// What one kind of program needs.
#[derive(Debug)]
pub(super) struct Pack {
    pub(super) name: &'static str,
    /// Whom it is for and what it grants, in one line.
    pub(super) says: &'static str,
    imds: Option<&'static str>,
    wireserver: Option<&'static str>,
    /// The identity that stands for a program which only the machine's owner knows.
    pub(super) placeholder: Option<&'static str>,
}

macro_rules! file {
    ($name:literal) => {
        Some(include_str!(concat!("../../../../../profiles/", $name)))
    };
}

/// All packs, by name.
pub(super) const PACKS: [Pack; 3] = [
    Pack {
        name: "cloud-init",
        says: "cloud-init: the machine's description, the goal state, and the report that it is ready",
        imds: file!("cloud-init/imds.json"),
        wireserver: file!("cloud-init/wireserver.json"),
        placeholder: None,
    },
    Pack {
        name: "linux-agent",
        says: "Azure's Linux agent (waagent): goal state, certificates, extensions, status, telemetry",
        imds: file!("linux-agent/imds.json"),
        wireserver: file!("linux-agent/wireserver.json"),
        placeholder: None,
    },
    Pack {
        name: "managed-identity",
        says: "one service, named by --user and --unit: tokens of the machine's identities",
        imds: file!("managed-identity/imds.json"),
        wireserver: None,
        placeholder: Some("managed-identity-user"),
    },
];

impl Pack {
    /// Returns the pack of this name.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        PACKS.iter().find(|pack| pack.name == name)
    }

    /// Returns the endpoints at which the pack grants something.
    pub(super) fn endpoints(&self) -> Vec<&'static str> {
        let places = [("imds", self.imds), ("wireserver", self.wireserver)];
        let granting = places.into_iter().filter(|(_, text)| text.is_some());
        granting.map(|(name, _)| name).collect()
    }

    /// Returns the pack's profile of an endpoint; nothing if it grants nothing there.
    ///
    /// # Errors
    /// The file is no profile, which a test rules out.
    pub(super) fn item(
        &self,
        endpoint: ProfileEndpoint,
    ) -> Result<Option<AuthorizationItem>, serde_json::Error> {
        let text = match endpoint {
            ProfileEndpoint::Imds => self.imds,
            ProfileEndpoint::WireServer => self.wireserver,
        };
        text.map(serde_json::from_str).transpose()
    }
}
