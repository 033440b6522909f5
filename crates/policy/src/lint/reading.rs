//! A valid profile laid out for looking at it: references resolved both ways, parts in canonical form.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use latchkey_protocol::authorization::{
    AuthorizationItem, Identity, Privilege, Role, RoleAssignment,
};
use latchkey_protocol::{EndpointKind, Mode};

use super::Context;
use super::index::Index;
use super::paths::owner;
use super::region::Region;
use crate::rules::Access;

/// A privilege and the roles that hold it.
pub(super) struct PrivilegeView<'a> {
    pub(super) form: &'a Privilege,
    pub(super) region: Region,
    /// Indexes of roles, sorted.
    pub(super) roles: Vec<usize>,
}

/// A role and whom it is assigned to.
pub(super) struct RoleView<'a> {
    pub(super) form: &'a Role,
    pub(super) privileges: Vec<usize>,
    pub(super) assignments: Vec<usize>,
    pub(super) identities: BTreeSet<usize>,
}

/// A profile, laid out.
pub(super) struct Reading<'a> {
    pub(super) item: &'a AuthorizationItem,
    pub(super) mode: Mode,
    pub(super) default_access: Access,
    pub(super) endpoint: Option<EndpointKind>,
    pub(super) now: Timestamp,
    pub(super) privileges: Vec<PrivilegeView<'a>>,
    pub(super) roles: Vec<RoleView<'a>>,
    pub(super) identities: &'a [Identity],
    pub(super) assignments: &'a [RoleAssignment],
    /// By identity: whether an assignment names it.
    pub(super) is_assigned: Vec<bool>,
    index: Index,
}

impl<'a> Reading<'a> {
    /// Reads a profile; nothing if it is not valid.
    pub(super) fn of(item: &'a AuthorizationItem, context: &Context<'_>) -> Option<Self> {
        let rules = item.rules.as_ref();
        let mut reading = Self {
            item,
            mode: item.mode.parse().ok()?,
            default_access: Access::parse(&item.default_access)?,
            endpoint: None,
            now: context.now,
            privileges: Vec::new(),
            roles: Vec::new(),
            identities: rules
                .and_then(|all| all.identities.as_deref())
                .unwrap_or_default(),
            assignments: rules
                .and_then(|all| all.role_assignments.as_deref())
                .unwrap_or_default(),
            is_assigned: Vec::new(),
            index: Index::default(),
        };
        let privileges = rules
            .and_then(|all| all.privileges.as_deref())
            .unwrap_or_default();
        for form in privileges {
            let region = Region::of(form)?;
            reading.privileges.push(PrivilegeView {
                form,
                region,
                roles: Vec::new(),
            });
        }
        let roles = rules
            .and_then(|all| all.roles.as_deref())
            .unwrap_or_default();
        reading.read_roles(roles)?;
        reading.read_assignments()?;
        reading.index = Index::of(&reading.privileges);
        reading.endpoint = context.endpoint.or_else(|| reading.owner());
        Some(reading)
    }

    fn read_roles(&mut self, roles: &'a [Role]) -> Option<()> {
        let names = self.privileges.iter().map(|view| view.form.name.as_str());
        let names: HashMap<&str, usize> = names.zip(0..).collect();
        for (at, form) in roles.iter().enumerate() {
            let privileges = form.privileges.iter();
            let privileges = privileges.map(|name| names.get(name.as_str()).copied());
            let privileges = privileges.collect::<Option<Vec<usize>>>()?;
            for privilege in &privileges {
                let holders = &mut self.privileges.get_mut(*privilege)?.roles;
                // A privilege that a role lists twice is held once.
                if holders.last() != Some(&at) {
                    holders.push(at);
                }
            }
            self.roles.push(RoleView {
                form,
                privileges,
                assignments: Vec::new(),
                identities: BTreeSet::new(),
            });
        }
        Some(())
    }

    fn read_assignments(&mut self) -> Option<()> {
        let names = self.identities.iter().map(|form| form.name.as_str());
        let identities: HashMap<&str, usize> = names.zip(0..).collect();
        let names = self.roles.iter().map(|view| view.form.name.as_str());
        let roles: HashMap<&str, usize> = names.zip(0..).collect();
        self.is_assigned = vec![false; self.identities.len()];
        for (at, form) in self.assignments.iter().enumerate() {
            let role = self.roles.get_mut(*roles.get(form.role.as_str())?)?;
            role.assignments.push(at);
            for name in &form.identities {
                let identity = *identities.get(name.as_str())?;
                role.identities.insert(identity);
                *self.is_assigned.get_mut(identity)? = true;
            }
        }
        Some(())
    }

    /// Returns privileges that cover all of a part, the nearest first; of a great many not all.
    pub(super) fn containing<'b>(&'b self, region: &'b Region) -> impl Iterator<Item = usize> + 'b {
        let candidates = self.index.candidates(region);
        candidates.filter(|at| {
            let privilege = self.privileges.get(*at);
            privilege.is_some_and(|privilege| privilege.region.contains(region))
        })
    }

    /// Returns the roles that hold a privilege.
    pub(super) fn roles_of<'b>(
        &'b self,
        privilege: &'b PrivilegeView<'a>,
    ) -> impl Iterator<Item = &'b RoleView<'a>> {
        privilege.roles.iter().filter_map(|at| self.roles.get(*at))
    }

    /// Returns whether somebody has a privilege.
    pub(super) fn is_granted(&self, privilege: &PrivilegeView<'a>) -> bool {
        self.roles_of(privilege)
            .any(|role| !role.identities.is_empty())
    }

    /// Returns the mode that an assignment sets, if it sets one.
    pub(super) fn mode_of(&self, assignment: usize) -> Option<Mode> {
        self.assignments
            .get(assignment)?
            .mode
            .as_deref()?
            .parse()
            .ok()
    }

    /// Returns the one endpoint that the paths of the profile belong to.
    fn owner(&self) -> Option<EndpointKind> {
        let paths = self
            .privileges
            .iter()
            .map(|privilege| &privilege.region.path);
        let mut owners = paths.filter_map(|path| owner(path));
        let first = owners.next()?;
        owners.all(|other| other == first).then_some(first)
    }

    /// Returns whether the profile is about the instance metadata service.
    pub(super) fn is_imds(&self) -> bool {
        self.endpoint == Some(EndpointKind::Imds)
    }

    /// Returns whether the profile is about the WireServer, whose rules hold for the HostGAPlugin too.
    pub(super) fn is_wire_server(&self) -> bool {
        self.endpoint.is_some_and(EndpointKind::is_root_only)
    }
}

/// Returns the pointer to a privilege.
pub(super) fn privilege_at(at: usize) -> String {
    format!("/rules/privileges/{at}")
}

/// Returns the pointer to an identity.
pub(super) fn identity_at(at: usize) -> String {
    format!("/rules/identities/{at}")
}
