//! Who reaches what is worth stealing: tokens, certificates, attestations.

use std::collections::{BTreeMap, BTreeSet};

use latchkey_protocol::Mode;

use super::identities::is_open;
use super::reading::{PrivilegeView, Reading, identity_at, privilege_at};
use super::region::{Extent, Region};
use super::{Code, Finding};
use crate::rules::Access;
use crate::sensitive::{Area, Cloud, tokens};

/// What is less than a token, by path.
const LESSER: [(&str, &str); 3] = [
    (
        "/metadata/attested/document",
        "a signed proof of which machine this is",
    ),
    (
        "/metadata/instance/compute/userdata",
        "user data, which often holds passwords",
    ),
    (
        "/metadata/scheduledevents",
        "events of maintenance, which callers may also approve",
    ),
];

/// What the WireServer tells the machine's own agents, by path and `comp`. Goal states stand at the path
/// itself, certificates below the ids of container and role.
const OF_WIRE_SERVER: [(&str, &str); 2] = [
    ("/machine", "goalstate"),
    ("/machine/container/role", "certificates"),
];

/// Returns whether a cloud serves the endpoint, as far as the profile tells by the first segments of its paths.
fn is_served(reading: &Reading<'_>, cloud: Cloud) -> bool {
    let privileges = reading.privileges.iter();
    let own = privileges.filter_map(|privilege| Cloud::of(&privilege.region.path));
    let own: BTreeSet<Cloud> = own.collect();
    // Without a path that tells the service it is the one whose profiles these are.
    own.contains(&cloud) || (own.is_empty() && cloud == Cloud::Azure)
}

/// Returns whether a part of an endpoint holds tokens.
pub(super) fn reaches_token(region: &Region) -> bool {
    tokens().any(|area| reaches(region, area))
}

fn reaches(region: &Region, area: &Area) -> bool {
    area.is_token_path(&region.path)
        || (region.extent == Extent::Segments && area.has_token_below(&region.path))
}

pub(super) fn look(reading: &Reading<'_>, findings: &mut Vec<Finding>) {
    if reading.mode == Mode::Disabled {
        return;
    }
    if reading.is_wire_server() && reading.default_access == Access::Allow {
        findings.extend(open_certificates(reading));
    }
    if !reading.is_imds() {
        return;
    }
    if reading.default_access == Access::Allow {
        findings.extend(open_tokens(reading));
        findings.extend(open_lesser(reading));
    }
    let granted = reading.privileges.iter().enumerate();
    let granted = granted.filter(|(_, privilege)| reading.is_granted(privilege));
    let reaching: Vec<_> = granted
        .filter(|(_, privilege)| reaches_token(&privilege.region))
        .collect();
    for (at, privilege) in &reaching {
        findings.extend(wide(*at, privilege));
    }
    anybody(reading, &reaching, findings);
}

/// Returns whether some privilege covers all of a part, so that the default is not asked about it.
fn is_covered(reading: &Reading<'_>, region: &Region) -> bool {
    reading.containing(region).next().is_some()
}

fn open_tokens(reading: &Reading<'_>) -> Option<Finding> {
    let served = tokens().filter(|area| is_served(reading, area.cloud()));
    let mut paths = served.flat_map(|area| area.token_paths().map(move |path| (area, path)));
    let (area, open) =
        paths.find(|(_, path)| !is_covered(reading, &Region::at(path, Some("GET"))))?;
    let mut privileges = reading.privileges.iter();
    let part = privileges.find(|privilege| reaches(&privilege.region, area));
    let part = part.map_or_else(String::new, |privilege| {
        format!(
            ", because `{}` covers only a part of it",
            privilege.form.name
        )
    });
    let any = if open.contains('*') {
        " (`*` is any version)"
    } else {
        ""
    };
    Some(Finding::new(
        Code::TokenOpenByDefault,
        "/defaultAccess",
        format!("the default Allow gives `{open}`{any} to every process of the machine{part}"),
        "add a privilege for the whole path, without parameters, and assign it to those who need tokens; or set the default to Deny",
    ))
}

fn open_lesser(reading: &Reading<'_>) -> Option<Finding> {
    let served = LESSER.iter().filter(|_| is_served(reading, Cloud::Azure));
    let open = served.filter(|(path, _)| !is_covered(reading, &Region::at(path, Some("GET"))));
    let open: Vec<_> = open
        .map(|(path, what)| format!("`{path}` ({what})"))
        .collect();
    (!open.is_empty()).then(|| {
        Finding::new(
            Code::SecretOpenByDefault,
            "/defaultAccess",
            format!("the default Allow gives every process {}", open.join(", ")),
            "add privileges for what not everybody needs, or set the default to Deny",
        )
    })
}

fn open_certificates(reading: &Reading<'_>) -> Option<Finding> {
    let open = OF_WIRE_SERVER.iter().filter(|(path, comp)| {
        let region = Region::at(path, Some("GET")).with(&[("comp", comp)]);
        !is_covered(reading, &region)
    });
    let open: Vec<_> = open.map(|(_, comp)| *comp).collect();
    (!open.is_empty()).then(|| {
        Finding::new(
            Code::CertificatesOpenByDefault,
            "/defaultAccess",
            format!(
                "the default Allow gives {} to every process of root, also in containers",
                open.join(" and ")
            ),
            "set the default to Deny, and grant the platform's agents what they ask for",
        )
    })
}

fn wide(at: usize, privilege: &PrivilegeView<'_>) -> Option<Finding> {
    let path = privilege.region.path.as_str();
    let area = tokens().find(|area| path != "/" && area.lies_below(path))?;
    let token = area.token_paths().next()?;
    Some(Finding::new(
        Code::TokenByWidePath,
        format!("{}/path", privilege_at(at)),
        format!(
            "`{}` reaches tokens too, because `{}` lies below `{path}`, whatever a narrower privilege says",
            privilege.form.name, token
        ),
        "name the paths below that are needed",
    ))
}

/// SECURITY: a rule about the program alone keeps nobody out: any user may start the program, tell it what
/// to do and have it load code.
fn anybody(
    reading: &Reading<'_>,
    reaching: &[(usize, &PrivilegeView<'_>)],
    findings: &mut Vec<Finding>,
) {
    let mut roles: BTreeMap<usize, &str> = BTreeMap::new();
    for (_, privilege) in reaching {
        for role in &privilege.roles {
            roles.entry(*role).or_insert(&privilege.form.name);
        }
    }
    let mut told = BTreeSet::new();
    for (role, privilege) in roles {
        let holders = reading
            .roles
            .get(role)
            .into_iter()
            .flat_map(|role| &role.identities);
        for at in holders {
            let Some(identity) = reading
                .identities
                .get(*at)
                .filter(|identity| is_open(identity))
            else {
                continue;
            };
            if told.insert(*at) {
                findings.push(Finding::new(
                    Code::TokenForAnybody,
                    identity_at(*at),
                    format!("any user of the machine can become `{}`, which gets tokens by `{privilege}`", identity.name),
                    "name the user, group or systemdUnit too",
                ));
            }
        }
    }
}
