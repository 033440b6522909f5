//! Writes what holds as profiles, and everything that there is to say as a report.

use std::collections::{BTreeMap, BTreeSet};

use latchkey_protocol::authorization::{
    AccessControlRules, AuthorizationItem, Identity, Privilege, QueryParameters, Role,
    RoleAssignment,
};

use super::evidence::Evidence;
use super::grant::{Grant, Grants, What, Who};
use super::name::{self, Covered, Names};
use super::report::{self, Report};
use super::shape::{Reach, cut};
use super::tally::{EndpointOrder, Tally};
use super::{Learned, Options, Profile};
use crate::content::content_hash;

/// How much of an example a comment shows, in bytes.
const COMMENT_EXAMPLE_BYTES: usize = 120;

/// How many characters of the content's hash are in a profile's id.
const ID_DIGITS: usize = 12;

pub(super) fn written(grants: &Grants, tally: &Tally, options: &Options) -> Learned {
    let mut report = Report::of(tally, options, grants);
    let mut profiles = Vec::new();
    for endpoint in [EndpointOrder::Imds, EndpointOrder::WireServer] {
        let of_endpoint = grants
            .0
            .iter()
            .filter(|((place, ..), _)| *place == endpoint);
        let all: Vec<_> = of_endpoint
            .map(|((_, who, what), grant)| (who, what, grant))
            .collect();
        if all.is_empty() {
            continue;
        }
        let book = Book::of(&all);
        report
            .entries
            .extend(all.iter().map(|(who, what, grant)| report::Entry {
                id: grant.id.clone(),
                endpoint: endpoint.kind(),
                identity: book.identity(who),
                privilege: book.privilege(what, grant),
                state: report::State::of(grant),
                evidence: report::Evidence::of(&grant.evidence),
                callers: grant.callers.iter().map(|caller| caller.shown()).collect(),
                marks: grant.marks.iter().copied().collect(),
                open: report::open(&grant.free),
            }));
        let holding: Vec<_> = all
            .into_iter()
            .filter(|(_, _, grant)| grant.holds())
            .collect();
        profiles.push(Profile {
            endpoint: endpoint.kind(),
            item: book.item(&holding, options),
        });
    }
    Learned { profiles, report }
}

/// One rule: who, what, and why.
type Line<'a> = (&'a Who, &'a What, &'a Grant);

/// The names of one profile.
struct Book {
    privileges: Names<Covered>,
    identities: Names<Who>,
}

fn covered(what: &What, grant: &Grant) -> Covered {
    (what.clone(), grant.methods.keys().copied().collect())
}

impl Book {
    fn of(lines: &[Line<'_>]) -> Self {
        let all: BTreeSet<Covered> = lines
            .iter()
            .map(|(_, what, grant)| covered(what, grant))
            .collect();
        Self {
            privileges: name::privileges(all.iter()),
            identities: name::identities(lines.iter().map(|(who, ..)| *who)),
        }
    }

    fn item(&self, lines: &[Line<'_>], options: &Options) -> AuthorizationItem {
        let mut privileges: BTreeMap<String, Privilege> = BTreeMap::new();
        let mut by_who: BTreeMap<&Who, Vec<Line<'_>>> = BTreeMap::new();
        for line in lines {
            let privilege = self.privilege(line.1, line.2);
            privileges.insert(privilege.name.clone(), privilege);
            by_who.entry(line.0).or_default().push(*line);
        }
        let mut rules = Lists::default();
        for (who, lines) in by_who {
            rules.add(self.identity(who), self, &lines);
        }
        let mut item = AuthorizationItem {
            default_access: "Deny".to_owned(),
            mode: options.mode.clone(),
            rules: Some(AccessControlRules {
                privileges: Some(privileges.into_values().collect()),
                roles: Some(rules.roles),
                identities: Some(rules.identities),
                role_assignments: Some(rules.assignments),
            }),
            ..AuthorizationItem::default()
        };
        let hash: String = content_hash(&item).chars().take(ID_DIGITS).collect();
        item.id = format!("learned-{hash}");
        item
    }

    fn privilege(&self, what: &What, grant: &Grant) -> Privilege {
        let constraints = what.constraints.iter();
        let constraints: Vec<_> = constraints
            .map(|(name, value)| (escaped(name), escaped(value)))
            .collect();
        let key = covered(what, grant);
        Privilege {
            name: self.privileges.get(&key),
            path: what.path.to_string(),
            query_parameters: (!constraints.is_empty()).then_some(QueryParameters(constraints)),
            methods: Some(key.1.iter().map(|method| (*method).to_owned()).collect()),
            path_match: (what.reach == Reach::Exact).then(|| "exact".to_owned()),
        }
    }

    fn identity(&self, who: &Who) -> Identity {
        let text = |text: &Option<Box<str>>| text.as_deref().map(str::to_owned);
        Identity {
            name: self.identities.get(who),
            user_name: text(&who.user),
            exe_path: text(&who.executable),
            systemd_unit: text(&who.unit),
            script_path: text(&who.script),
            uid: who.uid,
            ..Identity::default()
        }
    }
}

/// The lists of a profile in which callers stand.
#[derive(Default)]
struct Lists {
    roles: Vec<Role>,
    identities: Vec<Identity>,
    assignments: Vec<RoleAssignment>,
}

impl Lists {
    /// Gives an identity a role of its own, so that each can be read and changed alone.
    fn add(&mut self, identity: Identity, book: &Book, lines: &[Line<'_>]) {
        let name = identity.name.clone();
        let privileges = lines
            .iter()
            .map(|(_, what, grant)| book.privileges.get(&covered(what, grant)));
        let mut evidence = Evidence::default();
        for (_, _, grant) in lines {
            evidence.merge(&grant.evidence);
        }
        let methods = lines
            .first()
            .and_then(|(_, _, grant)| grant.methods.keys().next().copied());
        self.roles.push(Role {
            name: name.clone(),
            privileges: privileges.collect(),
        });
        self.assignments.push(RoleAssignment {
            role: name.clone(),
            identities: vec![name],
            mode: None,
            comment: Some(comment(&evidence, methods.filter(|_| lines.len() == 1))),
        });
        self.identities.push(identity);
    }
}

/// Says on what a rule rests.
fn comment(evidence: &Evidence, method: Option<&str>) -> String {
    let requests = match evidence.count {
        1 => "1 request".to_owned(),
        count => format!("{count} requests"),
    };
    let day = |time: jiff::Timestamp| time.strftime("%Y-%m-%d").to_string();
    let when = match (evidence.first.map(day), evidence.last.map(day)) {
        (Some(first), Some(last)) if first == last => format!(" on {first}"),
        (Some(first), Some(last)) => format!(", {first} to {last}"),
        _ => String::new(),
    };
    let example = evidence
        .example
        .as_deref()
        .map_or(String::new(), |example| {
            let method = method.map_or(String::new(), |method| format!("{method} "));
            format!(", e.g. {method}{}", cut(example, COMMENT_EXAMPLE_BYTES))
        });
    format!("learned from {requests}{when}{example}")
}

/// Writes a decoded name or value so that a rule reads it as the same text.
fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace(';', "%3b")
}
