//! What yields tokens, certificates or signed statements about the machine: the one list.
//!
//! Whoever may ask for these can act as the machine elsewhere, so no caller in doubt is given them.

use latchkey_protocol::EndpointKind;
use latchkey_protocol::EndpointKind::{HostGa, Imds, WireServer};

/// Returns whose profile holds at an endpoint: the agent applies the WireServer's to the HostGAPlugin
/// too, so what a rule opens at the one it opens at the other.
#[must_use]
pub(super) const fn ruled_by(endpoint: EndpointKind) -> EndpointKind {
    match endpoint {
        Imds => Imds,
        WireServer | HostGa => WireServer,
    }
}

/// A part of an endpoint: its path and all below it. A star stands for any one segment.
struct Area {
    endpoint: EndpointKind,
    path: &'static [&'static str],
    /// Values of `comp` that are known to yield nothing secret; the list is empty for paths at which
    /// everything counts.
    harmless: &'static [&'static str],
}

const AREAS: [Area; 12] = [
    whole(Imds, &["metadata", "identity"]),
    whole(Imds, &["metadata", "attested"]),
    whole(
        Imds,
        &["computemetadata", "*", "instance", "service-accounts"],
    ),
    whole(Imds, &["computemetadata", "*", "instance", "identity"]),
    whole(Imds, &["*", "meta-data", "iam"]),
    whole(Imds, &["*", "meta-data", "identity-credentials"]),
    whole(Imds, &["*", "meta-data", "ram"]),
    whole(Imds, &["*", "dynamic", "instance-identity"]),
    whole(Imds, &["opc", "*", "identity"]),
    // Goal state, its certificates and the configurations that name them.
    Area {
        endpoint: WireServer,
        path: &["machine"],
        harmless: &["health", "telemetrydata"],
    },
    whole(WireServer, &["vmsettings"]),
    whole(WireServer, &["certificates"]),
];

const fn whole(endpoint: EndpointKind, path: &'static [&'static str]) -> Area {
    Area {
        endpoint,
        path,
        harmless: &[],
    }
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
pub(super) fn holds_sensitive(endpoint: EndpointKind, path: &str, comp: Option<&str>) -> bool {
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
        (*own == "*" || *own == segment).then_some(count + 1)
    })
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
            "/opc/v2/identity/cert.pem",
        ] {
            assert!(is_sensitive(Imds, path, None), "{path}");
        }
        for path in [
            "/",
            "/metadata",
            "/metadata/instance",
            "/metadata/identityx",
            "/latest/meta-data",
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
        for path in ["/metadata/instance", "/metadata/identity/oauth2"] {
            assert!(!holds_sensitive(Imds, path, None), "{path}");
        }
        assert!(holds_sensitive(WireServer, "/", None));
        assert!(!holds_sensitive(WireServer, "/", Some("versions")));
    }
}
