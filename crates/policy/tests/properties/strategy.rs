//! Small random profiles, requests and callers, drawn from few values so that they meet.

use jiff::Timestamp;
use latchkey_policy::KeyState;
use latchkey_protocol::authorization::{
    AccessControlRules, AuthorizationItem, Identity, Privilege, QueryParameters, Role,
    RoleAssignment,
};
use latchkey_protocol::{
    Attributes, Caller, Elevation, Endpoint, EndpointTable, Flag, Flags, Mode, Reason,
};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

const PATHS: [&str; 12] = [
    "/", "/a", "/a/", "/A/%42", "/a/b/", "/a//b/c", "/ab", "/b", "/b/c", "/a//", "/a.b", "/c/",
];
const NAMES: [&str; 3] = ["x", "Y", "%7a"];
const METHODS: [&str; 3] = ["GET", "POST", "PUT"];
const VALUES: [&str; 4] = ["", "1", "Two", "%74wo"];
const AMBIGUOUS_PATHS: [&str; 7] = [
    "/a/../b", "/a%2fb", "/a;x", "/%61%00", "/a%252fb", "/a/./b", "//a",
];

fn parameters() -> impl Strategy<Value = Vec<(String, String)>> {
    (
        subsequence(&NAMES[..], 0..=3),
        prop::collection::vec(select(&VALUES[..]), 3),
    )
        .prop_map(|(names, values)| {
            let pairs = names.into_iter().zip(values);
            pairs
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect()
        })
}

fn rule_names(prefix: &'static str, count: usize) -> impl Strategy<Value = Vec<String>> {
    let all: Vec<_> = (0..count).map(|at| format!("{prefix}{at}")).collect();
    subsequence(all, 0..=count)
}

fn some_of(values: &'static [&'static str]) -> impl Strategy<Value = Option<String>> {
    prop::option::of(select(values).prop_map(str::to_owned))
}

const USERS: &[&str] = &["alice", "bob", "root"];
const GROUPS: &[&str] = &["dev", "ops"];
const EXECUTABLES: &[&str] = &["/bin/curl", "/bin/python3", "/opt/curl"];
const PROCESSES: &[&str] = &["curl", "python3"];

const UNITS: &[&str] = &["app.service", "web.service"];
const SLICES: &[&str] = &["system.slice", "-.slice"];
const CONTAINERS: &[&str] = &["c1", "c2"];
const CGROUPS: &[&str] = &["/a", "/a/b", "/a/b/c", "/ab", "/b"];
const SCRIPTS: &[&str] = &["/opt/a.py", "/opt/b.py"];
const DIGEST: &str = "00000000000000000000000000000000000000000000000000000000000000aa";
const OTHER_DIGEST: &str = "00000000000000000000000000000000000000000000000000000000000000BB";

/// Selectors of the deployed form.
fn deployed() -> impl Strategy<Value = Identity> {
    let selectors = (
        some_of(USERS),
        some_of(GROUPS),
        some_of(EXECUTABLES),
        some_of(PROCESSES),
    );
    selectors.prop_map(|(user_name, group_name, exe_path, process_name)| Identity {
        user_name,
        group_name,
        exe_path,
        process_name,
        ..Identity::default()
    })
}

fn words(all: &'static [&'static str]) -> impl Strategy<Value = Option<Vec<String>>> {
    let some = subsequence(all, 1..=2);
    prop::option::of(some.prop_map(|words| words.into_iter().map(str::to_owned).collect()))
}

/// Selectors of ours.
fn own() -> impl Strategy<Value = Identity> {
    let texts = (
        some_of(UNITS),
        some_of(SLICES),
        some_of(CONTAINERS),
        some_of(CGROUPS),
        some_of(SCRIPTS),
    );
    let numbers = (prop::option::of(0..2_u32), prop::option::of(0..2_u32));
    (texts, numbers, words(&[DIGEST, OTHER_DIGEST])).prop_map(|(texts, (uid, gid), exe_sha256)| {
        let (systemd_unit, systemd_slice, container_id, cgroup, script_path) = texts;
        Identity {
            systemd_unit,
            systemd_slice,
            container_id,
            cgroup,
            script_path,
            exe_sha256,
            uid,
            gid,
            ..Identity::default()
        }
    })
}

fn identity() -> impl Strategy<Value = Identity> {
    let both = (deployed(), own()).prop_map(|(deployed, own)| Identity {
        user_name: deployed.user_name,
        exe_path: deployed.exe_path,
        ..own
    });
    let forbid = words(&["traced", "preloaded", "userNamespace"]);
    let selectors = prop_oneof![2 => deployed(), 2 => one_of_own(), 1 => both]
        .prop_filter("an identity selects somebody", |i| {
            *i != Identity::default()
        });
    (selectors, prop::option::weighted(0.3, forbid)).prop_map(|(selectors, forbid)| Identity {
        forbid: forbid.flatten(),
        ..selectors
    })
}

/// At most one selector of ours: with more of them hardly any caller would be of an identity.
fn one_of_own() -> impl Strategy<Value = Identity> {
    (own(), 0..8_u8).prop_map(|(all, kept)| {
        let keep = |at: u8| kept == at;
        Identity {
            systemd_unit: all.systemd_unit.filter(|_| keep(0)),
            systemd_slice: all.systemd_slice.filter(|_| keep(1)),
            container_id: all.container_id.filter(|_| keep(2)),
            cgroup: all.cgroup.filter(|_| keep(3)),
            script_path: all.script_path.filter(|_| keep(4)),
            exe_sha256: all.exe_sha256.filter(|_| keep(5)),
            uid: all.uid.filter(|_| keep(6)),
            gid: all.gid.filter(|_| keep(7)),
            ..Identity::default()
        }
    })
}

const PRIVILEGES: usize = 5;
const ROLES: usize = 3;
const IDENTITIES: usize = 4;

fn privilege() -> impl Strategy<Value = Privilege> {
    let methods = subsequence(&METHODS[..], 1..=METHODS.len());
    let methods = methods.prop_map(|methods| methods.into_iter().map(str::to_owned).collect());
    (
        select(&PATHS[..]),
        prop::option::of(parameters()),
        prop::option::weighted(0.3, methods),
        some_of(&["segments", "exact"]),
    )
        .prop_map(|(path, parameters, methods, path_match)| Privilege {
            path: path.to_owned(),
            query_parameters: parameters.map(QueryParameters),
            methods,
            path_match,
            ..Privilege::default()
        })
}

pub(crate) fn assignment() -> impl Strategy<Value = RoleAssignment> {
    let mode = prop::option::weighted(0.4, select(&["Audit", "Enforce", "aUDIT"][..]));
    (0..ROLES, rule_names("i", IDENTITIES), mode).prop_map(|(role, identities, mode)| {
        RoleAssignment {
            role: format!("r{role}"),
            identities,
            mode: mode.map(str::to_owned),
            comment: None,
        }
    })
}

fn rules() -> impl Strategy<Value = AccessControlRules> {
    (
        prop::collection::vec(privilege(), PRIVILEGES),
        prop::collection::vec(rule_names("p", PRIVILEGES), ROLES),
        prop::collection::vec(identity(), IDENTITIES),
        prop::collection::vec(assignment(), 0..4),
    )
        .prop_map(
            |(privileges, roles, identities, assignments)| AccessControlRules {
                privileges: Some(numbered(privileges, |at, p| Privilege {
                    name: format!("p{at}"),
                    ..p
                })),
                roles: Some(numbered(roles, |at, privileges| Role {
                    name: format!("r{at}"),
                    privileges,
                })),
                identities: Some(numbered(identities, |at, i| Identity {
                    name: format!("i{at}"),
                    ..i
                })),
                role_assignments: Some(assignments),
            },
        )
}

fn numbered<T, U>(entries: Vec<T>, name: impl Fn(usize, T) -> U) -> Vec<U> {
    entries
        .into_iter()
        .enumerate()
        .map(|(at, entry)| name(at, entry))
        .collect()
}

pub(crate) fn item() -> impl Strategy<Value = AuthorizationItem> {
    let access = select(&["Allow", "Deny"][..]);
    let mode = select(&["Disabled", "Audit", "Enforce"][..]);
    let audit_until = some_of(&["1970-01-01T00:00:10Z", "1970-01-01T01:00:20+01:00"]);
    let rules = prop::option::weighted(0.9, rules());
    (access, mode, audit_until, rules).prop_map(|(access, mode, audit_until, rules)| {
        let (default_access, mode) = (access.to_owned(), mode.to_owned());
        AuthorizationItem {
            default_access,
            mode,
            id: "random".to_owned(),
            audit_until,
            rules,
        }
    })
}

/// Times before, at and after the ends of Audit.
pub(crate) fn now() -> impl Strategy<Value = Timestamp> {
    select(&[0, 9, 10, 11, 20][..]).prop_map(|second| Timestamp::new(second, 0).unwrap())
}

pub(crate) fn method() -> impl Strategy<Value = &'static str> {
    select(&METHODS[..])
}

pub(crate) fn target() -> impl Strategy<Value = String> {
    let query = parameters().prop_map(|pairs| {
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        pairs.join("&")
    });
    let path = prop_oneof![4 => select(&PATHS[..]), 1 => select(&AMBIGUOUS_PATHS[..])];
    (path, query).prop_map(|(path, query)| format!("{path}?{query}"))
}

pub(crate) fn attributes() -> impl Strategy<Value = Attributes> {
    let groups = subsequence(GROUPS, 0..=2);
    let deployed = (some_of(USERS), groups, some_of(EXECUTABLES));
    (deployed, own(), flags()).prop_map(|((user_name, groups, executable), own, flags)| {
        let group_names = groups.into_iter().map(str::to_owned).collect();
        let digest = own.exe_sha256.and_then(|digests| digests.first().cloned());
        Attributes {
            user_name,
            group_names,
            executable,
            uid: own.uid,
            gid: own.gid,
            cgroup: own.cgroup,
            systemd_unit: own.systemd_unit,
            systemd_slice: own.systemd_slice,
            container_id: own.container_id,
            script_path: own.script_path,
            exe_sha256: digest.map(|digest| digest.to_ascii_lowercase()),
            flags,
        }
    })
}

fn flags() -> impl Strategy<Value = Flags> {
    let state = || prop_oneof![3 => Just(Some(false)), 1 => Just(Some(true)), 1 => Just(None)];
    (state(), state()).prop_map(|(traced, preloaded)| {
        let flags = Flags::default().with(Flag::Traced, traced);
        flags.with(Flag::Preloaded, preloaded)
    })
}

pub(crate) fn caller() -> impl Strategy<Value = Caller> {
    let attributes =
        prop_oneof![4 => attributes().prop_map(Ok), 1 => Just(Err(Reason::CallerGone))];
    let elevation = select(&[Elevation::Root, Elevation::Unprivileged][..]);
    (elevation, attributes).prop_map(|(elevation, attributes)| Caller {
        elevation,
        attributes,
    })
}

pub(crate) fn endpoint() -> impl Strategy<Value = Endpoint> {
    select(EndpointTable::azure(Mode::Enforce).as_slice().to_vec())
}

pub(crate) fn key() -> impl Strategy<Value = KeyState> {
    select(&[KeyState::Held, KeyState::Missing, KeyState::NotUsed][..])
}

/// Changes letter case and encodes letters, which changes no meaning.
pub(crate) fn respell(target: &str, spelling: &[u8]) -> String {
    let mut choices = spelling.iter().cycle();
    let mut escape = 0;
    let mut respelled = String::new();
    for letter in target.chars() {
        escape = if letter == '%' { 3_usize } else { escape };
        let is_free = escape == 0 && letter.is_ascii_alphanumeric();
        escape = escape.saturating_sub(1);
        match choices.next() {
            Some(1) => respelled.push(letter.to_ascii_uppercase()),
            Some(2) if is_free => respelled.push_str(&format!("%{:02X}", u32::from(letter))),
            Some(3) if letter == '/' && !respelled.is_empty() && !target.contains("//") => {
                respelled.push_str("//");
            }
            _ => respelled.push(letter),
        }
    }
    respelled
}
