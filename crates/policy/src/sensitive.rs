//! What yields tokens, certificates or signed statements about the machine: the one list, for what is
//! learned by itself and for what lint warns of.
//!
//! Whoever may ask for these can act as the machine elsewhere, so no caller in doubt is given them.

use latchkey_protocol::EndpointKind;
use latchkey_protocol::EndpointKind::{HostGa, Imds, WireServer};

/// Returns whose profile holds at an endpoint: the agent applies the WireServer's to the HostGAPlugin
/// too, so what a rule opens at the one it opens at the other.
#[must_use]
pub(crate) const fn ruled_by(endpoint: EndpointKind) -> EndpointKind {
    match endpoint {
        Imds => Imds,
        WireServer | HostGa => WireServer,
    }
}

/// Who serves a part of the instance metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cloud {
    /// Azure.
    Azure,
    /// Amazon, and those who serve the same tree: Alibaba, Tencent, OpenStack.
    Amazon,
    /// Google.
    Google,
    /// Oracle.
    Oracle,
    /// IBM.
    Ibm,
    /// OpenStack's own tree, also that of Huawei.
    OpenStack,
}

impl Cloud {
    /// Tells by the first segment of a canonical path who serves it.
    pub(crate) fn of(path: &str) -> Option<Self> {
        Some(match segments(path).next()? {
            "metadata" => Self::Azure,
            "computemetadata" => Self::Google,
            "opc" => Self::Oracle,
            "instance_identity" | "identity" => Self::Ibm,
            "openstack" => Self::OpenStack,
            first if is_version(first) => Self::Amazon,
            _ => return None,
        })
    }
}

/// A part of an endpoint: its path and all below it. A star stands for any version of the interface.
pub(crate) struct Area {
    endpoint: EndpointKind,
    cloud: Cloud,
    path: &'static [&'static str],
    /// The path within, from which on it yields what others take for the machine.
    token: &'static [&'static str],
    /// What clients write for the star; a star itself stands for versions without number.
    versions: &'static [&'static str],
    /// Values of `comp` that are known to yield nothing secret; the list is empty for paths at which
    /// everything counts.
    harmless: &'static [&'static str],
}

const AZURE: Area = Area {
    endpoint: Imds,
    cloud: Cloud::Azure,
    path: &[],
    token: &[],
    versions: &[],
    harmless: &[],
};

const WIRE_SERVER: Area = Area {
    endpoint: WireServer,
    ..AZURE
};

const AREAS: [Area; 18] = [
    Area {
        path: &["metadata", "identity"],
        token: &["metadata", "identity", "oauth2", "token"],
        ..AZURE
    },
    // A proof of which machine this is, and no token.
    Area {
        path: &["metadata", "attested"],
        ..AZURE
    },
    amazon(
        &["*", "meta-data", "iam"],
        &["*", "meta-data", "iam", "security-credentials"],
    ),
    amazon(
        &["*", "meta-data", "identity-credentials"],
        &["*", "meta-data", "identity-credentials"],
    ),
    amazon(&["*", "meta-data", "ram"], &["*", "meta-data", "ram"]),
    amazon(&["*", "meta-data", "cam"], &["*", "meta-data", "cam"]),
    amazon(
        &["*", "dynamic", "instance-identity"],
        &["*", "dynamic", "instance-identity"],
    ),
    google(&["computemetadata", "*", "instance", "service-accounts"]),
    google(&["computemetadata", "*", "instance", "identity"]),
    google(&["computemetadata", "*", "instance", "attributes", "kube-env"]),
    of_cloud(Cloud::Oracle, &["opc", "*", "identity"], &["v2", "v1"]),
    of_cloud(Cloud::Ibm, &["instance_identity", "*", "token"], &["v1"]),
    of_cloud(
        Cloud::Ibm,
        &["instance_identity", "*", "iam_token"],
        &["v1"],
    ),
    of_cloud(Cloud::Ibm, &["identity", "*", "iam_tokens"], &["v1"]),
    of_cloud(
        Cloud::OpenStack,
        &["openstack", "*", "securitykey"],
        &["latest", "*"],
    ),
    // Goal state, its certificates and the configurations that name them.
    Area {
        path: &["machine"],
        harmless: &["health", "telemetrydata"],
        ..WIRE_SERVER
    },
    Area {
        path: &["vmsettings"],
        ..WIRE_SERVER
    },
    Area {
        path: &["certificates"],
        ..WIRE_SERVER
    },
];

const fn of_cloud(
    cloud: Cloud,
    path: &'static [&'static str],
    versions: &'static [&'static str],
) -> Area {
    Area {
        cloud,
        path,
        token: path,
        versions,
        ..AZURE
    }
}

const fn amazon(path: &'static [&'static str], token: &'static [&'static str]) -> Area {
    Area {
        token,
        ..of_cloud(Cloud::Amazon, path, &["latest", "*"])
    }
}

const fn google(path: &'static [&'static str]) -> Area {
    of_cloud(Cloud::Google, path, &["v1"])
}

impl Area {
    /// Returns who serves it.
    pub(crate) const fn cloud(&self) -> Cloud {
        self.cloud
    }

    /// Returns the paths from which on it yields tokens, one for each way to write the version.
    pub(crate) fn token_paths(&self) -> impl Iterator<Item = String> {
        let versions: &[&str] = if self.versions.is_empty() {
            &[""]
        } else {
            self.versions
        };
        versions.iter().map(|version| {
            let segments = self.token.iter();
            let written = segments.map(|own| if *own == "*" { *version } else { *own });
            written.flat_map(|segment| ["/", segment]).collect()
        })
    }

    /// Returns whether a canonical path is one from which on it yields tokens, or lies below.
    pub(crate) fn is_token_path(&self, path: &str) -> bool {
        agree(self.token, path) == Some(self.token.len())
    }

    /// Returns whether tokens lie below a canonical path.
    pub(crate) fn has_token_below(&self, path: &str) -> bool {
        lies_above(self.token, path)
    }

    /// Returns whether the whole part lies below a canonical path.
    pub(crate) fn lies_below(&self, path: &str) -> bool {
        lies_above(self.path, path)
    }
}

/// Returns the parts of the instance metadata that yield tokens.
pub(crate) fn tokens() -> impl Iterator<Item = &'static Area> {
    AREAS.iter().filter(|area| !area.token.is_empty())
}

/// Returns whether a canonical path with its parameters yields a token or certificate, or lies below
/// what does.
#[must_use]
pub fn is_sensitive(endpoint: EndpointKind, path: &str, comp: Option<&str>) -> bool {
    of(endpoint).any(|area| {
        let is_harmless = comp.is_some_and(|comp| area.harmless.contains(&comp));
        !is_harmless && agree(area.path, path) == Some(area.path.len())
    })
}

/// Returns whether a path, were it read as a prefix, would hold a whole sensitive part of the endpoint.
///
/// Where an operation is chosen by `comp`, a rule that names one reaches no other.
pub(crate) fn holds_sensitive(endpoint: EndpointKind, path: &str, comp: Option<&str>) -> bool {
    let depth = segments(path).count();
    of(endpoint).any(|area| {
        let is_open = comp.is_none() || area.endpoint == Imds;
        is_open && depth <= area.path.len() && agree(area.path, path) == Some(depth)
    })
}

fn of(endpoint: EndpointKind) -> impl Iterator<Item = &'static Area> {
    AREAS
        .iter()
        .filter(move |area| area.endpoint == ruled_by(endpoint))
}

/// Returns how many segments were compared, if all of them agree.
fn agree(area: &[&str], path: &str) -> Option<usize> {
    let mut pairs = area.iter().zip(segments(path));
    pairs.try_fold(0, |count, (own, segment)| {
        let is_same = *own == segment || (*own == "*" && is_version(segment));
        is_same.then_some(count + 1)
    })
}

fn lies_above(area: &[&str], path: &str) -> bool {
    let depth = segments(path).count();
    depth < area.len() && agree(area, path) == Some(depth)
}

/// Returns whether a segment names a version of an interface: `latest`, `2021-03-23`, `v1`; the star of
/// the table does too.
fn is_version(segment: &str) -> bool {
    let number = segment.strip_prefix('v').unwrap_or(segment);
    segment == "latest"
        || segment == "*"
        || number.starts_with(|first: char| first.is_ascii_digit())
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_certificates_are_known_at_every_cloud() {
        for path in [
            "/metadata/identity/oauth2/token",
            "/metadata/attested/document",
            "/computemetadata/v1/instance/service-accounts/default/token",
            "/latest/meta-data/iam/security-credentials/role",
            "/2021-03-23/meta-data/iam/security-credentials/role",
            "/latest/meta-data/ram/security-credentials/role",
            "/latest/meta-data/cam/security-credentials/role",
            "/opc/v2/identity/cert.pem",
            "/instance_identity/v1/token",
            "/identity/v1/iam_tokens",
            "/openstack/latest/securitykey",
            "/computemetadata/v1/instance/attributes/kube-env",
        ] {
            assert!(is_sensitive(Imds, path, None), "{path}");
        }
        for path in [
            "/",
            "/metadata",
            "/metadata/instance",
            "/metadata/identityx",
            "/latest/meta-data",
            "/app/meta-data/iam",
        ] {
            assert!(!is_sensitive(Imds, path, None), "{path}");
        }
    }

    #[test]
    fn wire_server_yields_secrets_unless_the_operation_is_known_to_be_harmless() {
        for comp in [
            None,
            Some("goalstate"),
            Some("certificates"),
            Some("config"),
            Some("new"),
        ] {
            assert!(is_sensitive(WireServer, "/machine/a/b", comp), "{comp:?}");
        }
        assert!(!is_sensitive(WireServer, "/machine", Some("health")));
        assert!(!is_sensitive(WireServer, "/", Some("versions")));
        assert!(is_sensitive(HostGa, "/vmsettings", None));
    }

    #[test]
    fn path_above_a_sensitive_part_holds_it() {
        for path in ["/metadata", "/", "/latest", "/metadata/identity"] {
            assert!(holds_sensitive(Imds, path, None), "{path}");
        }
        for path in ["/metadata/instance", "/metadata/identity/oauth2", "/app"] {
            assert!(!holds_sensitive(Imds, path, None), "{path}");
        }
        assert!(holds_sensitive(WireServer, "/", None));
        assert!(!holds_sensitive(WireServer, "/", Some("versions")));
    }
}
