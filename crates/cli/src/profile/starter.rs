//! `latchkey profile starter`: prints profiles for programs that most machines run.
//!
//! Several packs become one profile, as an endpoint has only one. Their names differ, so that
//! nothing has to be renamed.

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use latchkey_policy::RuleSet;
use latchkey_policy::document::{Form, Resource, render};
use latchkey_protocol::Mode;
use latchkey_protocol::authorization::{
    AccessControlRules, AuthorizationItem, Identity, Privilege,
};
use serde_json::json;

use crate::arguments::{Format, ProfileEndpoint};
use crate::exit::Exit;
use crate::terminal;

mod pack;

use pack::{PACKS, Pack};

/// Prints profiles for programs that most machines run; without a name, lists them.
///
/// Several names make one profile. What they grant and why is told in profiles/NAME/README.md.
///
/// Exit codes: 0 ok; 3 the user or unit makes no valid profile; 64 the command line is wrong.
#[derive(Debug, Args)]
pub(crate) struct Starter {
    /// Which ones.
    #[arg(value_name = "NAME", requires = "endpoint")]
    #[arg(value_parser = PossibleValuesParser::new(PACKS.iter().map(|pack| pack.name)))]
    names: Vec<String>,
    /// The endpoint; the profile of the `WireServer` holds for the `HostGAPlugin` too.
    #[arg(long, value_enum, requires = "names")]
    endpoint: Option<ProfileEndpoint>,
    /// The user whose programs may have tokens, for managed-identity.
    #[arg(long, value_name = "NAME", requires = "names")]
    user: Option<String>,
    /// The systemd unit that this user's programs must run in, for managed-identity.
    #[arg(long, value_name = "UNIT", requires = "user")]
    unit: Option<String>,
    /// The profile's mode.
    #[arg(long, value_enum, default_value_t = StarterMode::Audit, requires = "names")]
    mode: StarterMode,
    /// How the list is written; a profile is always JSON.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// The modes that a profile can begin in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum StarterMode {
    Audit,
    Enforce,
}

/// Why there is no such profile.
#[derive(Debug, thiserror::Error)]
enum StarterError {
    #[error("{0} grants nothing at this endpoint")]
    Nothing(String),
    #[error("{0} is for a service that you name: give --user, and --unit where it has one")]
    Nameless(&'static str),
    #[error("no pack that is named here is for a service of yours: leave --user and --unit out")]
    NoPlaceholder,
    #[error("{0}")]
    Invalid(#[from] latchkey_policy::InvalidProfile),
    #[error("BUG: a shipped profile cannot be read or written")]
    Json(#[from] serde_json::Error),
}

impl StarterError {
    const fn exit(&self) -> Exit {
        match self {
            Self::Nothing(_) | Self::Nameless(_) | Self::NoPlaceholder => Exit::Usage,
            Self::Invalid(_) => Exit::Invalid,
            Self::Json(_) => Exit::Failure,
        }
    }
}

pub(crate) fn run(starter: &Starter) -> Exit {
    let text = match starter.endpoint {
        Some(endpoint) => profile(starter, endpoint),
        None => list(starter.format),
    };
    match text {
        Ok(text) => terminal::print(&text, Exit::Success),
        Err(error) => {
            terminal::complain(&error.to_string());
            error.exit()
        }
    }
}

fn list(format: Format) -> Result<String, StarterError> {
    if format == Format::Json {
        let packs = PACKS.iter().map(|pack| {
            json!({
                "name": pack.name,
                "says": pack.says,
                "endpoints": pack.endpoints(),
                "needsUser": pack.placeholder.is_some(),
            })
        });
        let packs: Vec<_> = packs.collect();
        return Ok(serde_json::to_string_pretty(&packs)? + "\n");
    }
    let lines = PACKS.iter().map(|pack| {
        let endpoints = pack.endpoints().join(", ");
        format!("{:<16}  {:<16}  {}\n", pack.name, endpoints, pack.says)
    });
    Ok(lines.collect())
}

fn profile(starter: &Starter, endpoint: ProfileEndpoint) -> Result<String, StarterError> {
    let item = joined(starter, endpoint)?;
    RuleSet::compile(&item)?;
    Ok(render(Form::Item, &item, &Resource::default()))
}

/// Returns one profile that grants what each of the packs grants.
fn joined(starter: &Starter, endpoint: ProfileEndpoint) -> Result<AuthorizationItem, StarterError> {
    let mut names = starter.names.clone();
    names.sort_unstable();
    names.dedup();
    let packs: Vec<_> = names.iter().filter_map(|name| Pack::named(name)).collect();
    if starter.user.is_some() && packs.iter().all(|pack| pack.placeholder.is_none()) {
        return Err(StarterError::NoPlaceholder);
    }
    let mut joined: Option<AuthorizationItem> = None;
    for pack in packs {
        let Some(mut item) = pack.item(endpoint)? else {
            continue;
        };
        if let Some(placeholder) = pack.placeholder {
            name_service(&mut item, placeholder, starter)
                .ok_or(StarterError::Nameless(pack.name))?;
        }
        match &mut joined {
            Some(joined) => add(joined, item),
            None => joined = Some(item),
        }
    }
    let mut item = joined.ok_or_else(|| StarterError::Nothing(names.join(" and ")))?;
    item.id = format!("starter-{}", names.join("-"));
    let mode = match starter.mode {
        StarterMode::Audit => Mode::Audit,
        StarterMode::Enforce => Mode::Enforce,
    };
    mode.as_str().clone_into(&mut item.mode);
    Ok(item)
}

/// Has the placeholder select the service; nothing if no user is named.
///
/// SECURITY: agents that know no units would take everybody for an identity that has nothing else.
fn name_service(item: &mut AuthorizationItem, placeholder: &str, starter: &Starter) -> Option<()> {
    let user = starter.user.clone()?;
    let identities = item.rules.as_mut()?.identities.as_mut()?;
    let identity = identities
        .iter_mut()
        .find(|identity| identity.name == placeholder)?;
    *identity = Identity {
        name: placeholder.to_owned(),
        user_name: Some(user),
        systemd_unit: starter.unit.clone(),
        ..Identity::default()
    };
    Some(())
}

fn add(joined: &mut AuthorizationItem, item: AuthorizationItem) {
    let (Some(rules), Some(mut more)) = (&mut joined.rules, item.rules) else {
        return;
    };
    share_privileges(rules, &mut more);
    let AccessControlRules {
        privileges,
        roles,
        identities,
        role_assignments,
    } = more;
    extend(&mut rules.privileges, privileges);
    extend(&mut rules.roles, roles);
    extend(&mut rules.identities, identities);
    extend(&mut rules.role_assignments, role_assignments);
}

/// What two packs cover alike becomes one privilege, in the roles of both.
fn share_privileges(rules: &AccessControlRules, more: &mut AccessControlRules) {
    let known = rules.privileges.as_deref().unwrap_or_default();
    for privilege in more.privileges.take().unwrap_or_default() {
        let same = known
            .iter()
            .find(|known| covers_the_same(known, &privilege));
        let Some(same) = same else {
            more.privileges.get_or_insert_default().push(privilege);
            continue;
        };
        let roles = more.roles.iter_mut().flatten();
        let names = roles.flat_map(|role| &mut role.privileges);
        for name in names.filter(|name| **name == privilege.name) {
            name.clone_from(&same.name);
        }
    }
}

fn covers_the_same(left: &Privilege, right: &Privilege) -> bool {
    let renamed = Privilege {
        name: left.name.clone(),
        ..right.clone()
    };
    renamed == *left
}

fn extend<T>(list: &mut Option<Vec<T>>, more: Option<Vec<T>>) {
    list.get_or_insert_default()
        .extend(more.unwrap_or_default());
}

#[cfg(test)]
mod tests;
