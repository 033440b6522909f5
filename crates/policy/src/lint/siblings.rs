//! Paths that deployed agents take for the beginning of a known other path.
//!
//! They compare texts, not segments: `/metadata/instance/net` lets callers ask for `/metadata/instance/network`
//! too. That is told only where such a path is known, from the services or from the profile itself.

use std::collections::BTreeSet;
use std::ops::Bound::{Excluded, Included};

use super::reading::{Reading, privilege_at};
use super::{Code, Finding};

/// Paths that the services are known to serve, in canonical form.
const SERVED: [&str; 26] = [
    "/extensionartifact",
    "/health",
    "/healthservice",
    "/machine",
    "/metadata/attested/document",
    "/metadata/identity/info",
    "/metadata/identity/oauth2/token",
    "/metadata/instance/compute/osprofile",
    "/metadata/instance/compute/plan",
    "/metadata/instance/compute/platformfaultdomain",
    "/metadata/instance/compute/platformupdatedomain",
    "/metadata/instance/compute/publickeys",
    "/metadata/instance/compute/resourcegroupname",
    "/metadata/instance/compute/resourceid",
    "/metadata/instance/compute/tags",
    "/metadata/instance/compute/tagslist",
    "/metadata/instance/compute/vmid",
    "/metadata/instance/compute/vmscalesetname",
    "/metadata/instance/compute/vmsize",
    "/metadata/instance/network/interface",
    "/metadata/loadbalancer",
    "/metadata/scheduledevents",
    "/metadata/versions",
    "/status",
    "/vmagentlog",
    "/vmsettings",
];

pub(super) fn look(reading: &Reading<'_>, findings: &mut Vec<Finding>) {
    let own = reading
        .privileges
        .iter()
        .map(|privilege| privilege.region.path.as_str());
    let known: BTreeSet<&str> = own.chain(SERVED).collect();
    for (at, privilege) in reading.privileges.iter().enumerate() {
        let path = privilege.region.path.as_str();
        // A path that ends in a slash is the beginning of what lies below it alone, and `/` of all anyway.
        if privilege.form.path.ends_with('/') || !reading.is_granted(privilege) {
            continue;
        }
        if let Some(sibling) = sibling(&known, path) {
            findings.push(Finding::new(
                Code::WidenedOnDeployed,
                format!("{}/path", privilege_at(at)),
                format!(
                    "deployed agents take `{path}` for the beginning of a text, so that `{}` covers `{sibling}` there too",
                    privilege.form.name
                ),
                "end the path in a slash if only what is below it is needed, or know it",
            ));
        }
    }
}

/// Returns a known path that begins with `path` and goes on within its last segment.
fn sibling<'a>(known: &BTreeSet<&'a str>, path: &str) -> Option<&'a str> {
    // What goes on with a slash lies below the path, and stands together between these two.
    let (below, after) = (format!("{path}/"), format!("{path}0"));
    let before = known
        .range::<str, _>((Excluded(path), Excluded(below.as_str())))
        .next();
    let behind = || {
        known
            .range::<str, _>((Included(after.as_str()), std::ops::Bound::Unbounded))
            .next()
    };
    let found = before.or_else(behind).copied();
    found.filter(|found| found.starts_with(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sibling_goes_on_within_the_segment() {
        let known = BTreeSet::from(["/a", "/a-b", "/b", "/b/c", "/bc", "/c", "/c/d", "/d"]);
        for (path, expected) in [
            ("/a", Some("/a-b")),
            ("/b", Some("/bc")),
            ("/c", None),
            ("/d", None),
            ("/b/c", None),
        ] {
            assert_eq!(sibling(&known, path), expected, "{path}");
        }
    }
}
