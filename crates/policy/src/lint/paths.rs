//! Paths that cover more than is meant, nothing at all, or one moment only.

use std::collections::BTreeSet;

use latchkey_protocol::EndpointKind;

use super::appearance::Appearance;
use super::reading::{PrivilegeView, Reading, privilege_at};
use super::region::Extent;
use super::{Code, Finding};
use crate::rules::Access;

/// First segments that only an instance metadata service serves.
const OF_IMDS: [&str; 4] = ["computemetadata", "latest", "metadata", "openstack"];
/// First segments that only the WireServer and the HostGAPlugin serve.
const OF_WIRE_SERVER: [&str; 6] = [
    "extensionartifact",
    "healthservice",
    "machine",
    "secure-channel",
    "vmagentlog",
    "vmsettings",
];
/// Parameters of the WireServer by which it tells one operation from another. A service takes no notice
/// of any other that it does not know, so whoever asks may add it to every request.
const OPERATIONS: [&str; 2] = ["comp", "type"];

pub(super) fn look(reading: &Reading<'_>, findings: &mut Vec<Finding>) {
    let mut first_owner = None;
    for (at, privilege) in reading.privileges.iter().enumerate() {
        findings.extend(everything(reading, at, privilege));
        findings.extend(volatile(at, privilege));
        findings.extend(method_gap(reading, at, privilege));
        let Some(owner) = owner(&privilege.region.path) else {
            continue;
        };
        match reading.endpoint {
            Some(endpoint) if endpoint.is_root_only() != owner.is_root_only() => {
                findings.push(foreign(at, privilege, endpoint, owner));
            }
            Some(_) => {}
            None if *first_owner.get_or_insert(owner) != owner => {
                findings.push(mixed(at, privilege));
            }
            None => {}
        }
    }
}

/// Returns the endpoint that a path tells by its first segment.
pub(crate) fn owner(path: &str) -> Option<EndpointKind> {
    let first = path.split('/').nth(1)?;
    if OF_IMDS.contains(&first) {
        Some(EndpointKind::Imds)
    } else if OF_WIRE_SERVER.contains(&first) {
        Some(EndpointKind::WireServer)
    } else {
        None
    }
}

fn everything(reading: &Reading<'_>, at: usize, privilege: &PrivilegeView<'_>) -> Option<Finding> {
    let region = &privilege.region;
    let mut names = region.constraints.iter().map(|(name, _)| name.as_str());
    let is_narrowed = !reading.is_imds() && names.any(|name| OPERATIONS.contains(&name));
    (region.path == "/" && region.extent != Extent::Exact && !is_narrowed).then(|| {
        Finding::new(
            Code::GrantsEverything,
            format!("{}/path", privilege_at(at)),
            format!(
                "`{}` covers every path of the endpoint",
                privilege.form.name
            ),
            "name the paths that are needed, or set pathMatch to exact if only `/` is meant",
        )
    })
}

fn foreign(
    at: usize,
    privilege: &PrivilegeView<'_>,
    endpoint: EndpointKind,
    owner: EndpointKind,
) -> Finding {
    let (name, path) = (&privilege.form.name, &privilege.form.path);
    Finding::new(
        Code::ForeignPath,
        format!("{}/path", privilege_at(at)),
        format!("`{name}` is about `{path}`, which {owner} serves, in a profile for {endpoint}"),
        "move it into the profile of that endpoint; here it protects and grants nothing",
    )
}

fn mixed(at: usize, privilege: &PrivilegeView<'_>) -> Finding {
    let (name, path) = (&privilege.form.name, &privilege.form.path);
    Finding::new(
        Code::MixedEndpoints,
        format!("{}/path", privilege_at(at)),
        format!(
            "`{name}` is about `{path}`, which another endpoint serves than the paths before it"
        ),
        "write one profile for each endpoint",
    )
}

fn volatile(at: usize, privilege: &PrivilegeView<'_>) -> Option<Finding> {
    let mut segments = privilege.region.path.split('/');
    let (segment, looks) = segments.find_map(|segment| {
        // Dates in paths are versions of interfaces: /2021-03-23/meta-data.
        let looks = Appearance::of(segment).filter(|looks| *looks != Appearance::Time)?;
        Some((segment, looks))
    })?;
    Some(Finding::new(
        Code::VolatilePath,
        format!("{}/path", privilege_at(at)),
        format!(
            "`{segment}` looks like {}, which will be another one soon",
            looks.as_str()
        ),
        "end the path before it: a path covers all below it",
    ))
}

/// SECURITY: what no privilege covers is decided by the default, so with Allow a privilege for GET alone
/// leaves HEAD to everybody, and a server may answer it like GET.
fn method_gap(reading: &Reading<'_>, at: usize, privilege: &PrivilegeView<'_>) -> Option<Finding> {
    let methods = privilege.region.methods.as_ref()?;
    if reading.default_access != Access::Allow {
        return None;
    }
    let (given, lacking) = match (methods.contains("GET"), methods.contains("HEAD")) {
        (true, false) => ("GET", "HEAD"),
        (false, true) => ("HEAD", "GET"),
        _ => return None,
    };
    let mut gap = privilege.region.clone();
    gap.methods = Some(BTreeSet::from([lacking.to_owned()]));
    let is_covered = reading.containing(&gap).next().is_some();
    (!is_covered).then(|| {
        Finding::new(
            Code::MethodGap,
            format!("{}/methods", privilege_at(at)),
            format!(
                "`{}` covers {given} and not {lacking}, which the default allows to everybody",
                privilege.form.name
            ),
            "list both, or leave methods out to cover all",
        )
    })
}
