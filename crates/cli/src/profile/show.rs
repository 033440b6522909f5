//! `latchkey profile show`: what a profile grants to whom, in words or as one normal form.

use std::path::PathBuf;

use clap::Args;
use latchkey_protocol::authorization::{
    AccessControlRules, AuthorizationItem, Identity, Privilege,
};

use crate::arguments::Format;
use crate::document;
use crate::exit::Exit;
use crate::terminal;
use crate::visible::visible;

/// Shows what a profile grants to whom.
///
/// Exit codes: 0 shown; 1 the file cannot be read; 3 the profile is invalid; 64 the command line is
/// wrong.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  latchkey profile show imds.json
  latchkey profile show --format json version.json > item.json")]
pub(crate) struct Show {
    /// The profile, in any of its forms.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// How the answer is written; JSON is the authorization item, whatever form was read.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(crate) fn run(show: &Show) -> Exit {
    match document::load_as(&show.file, show.format) {
        Err(exit) => exit,
        Ok(loaded) if show.format == Format::Json => {
            terminal::print_json(loaded.item(), Exit::Success)
        }
        Ok(loaded) => terminal::print(&text(loaded.item()), Exit::Success),
    }
}

fn text(item: &AuthorizationItem) -> String {
    let mut text = format!(
        "mode {}, default access {}{}\n",
        item.mode,
        item.default_access,
        until(item)
    );
    let rules = item.rules.clone().unwrap_or_default();
    for privilege in rules.privileges.iter().flatten() {
        let covered = format!("{}: {}", privilege.name, reach(privilege));
        text += &format!("\n{}\n", visible(&covered));
        let holders = holders(&rules, &privilege.name);
        if holders.is_empty() {
            text += "  nobody\n";
        }
        for (identity, mode) in holders {
            let mode = mode.map_or(String::new(), |mode| format!(" ({mode})"));
            let holder = format!("{}: {}{mode}", identity.name, who(identity));
            text += &format!("  {}\n", visible(&holder));
        }
    }
    text
}

fn until(item: &AuthorizationItem) -> String {
    let until = item.audit_until.as_ref();
    until.map_or(String::new(), |until| format!(", Audit until {until}"))
}

/// Returns the identities that have a privilege, with the mode of their assignment.
fn holders<'a>(
    rules: &'a AccessControlRules,
    privilege: &str,
) -> Vec<(&'a Identity, Option<&'a str>)> {
    let roles = rules.roles.iter().flatten();
    let roles: Vec<_> = roles
        .filter(|role| role.privileges.iter().any(|name| name == privilege))
        .map(|role| role.name.as_str())
        .collect();
    let mut found = Vec::new();
    for assignment in rules.role_assignments.iter().flatten() {
        if !roles.contains(&assignment.role.as_str()) {
            continue;
        }
        for identity in rules.identities.iter().flatten() {
            if assignment.identities.contains(&identity.name) {
                found.push((identity, assignment.mode.as_deref()));
            }
        }
    }
    found
}

/// Says what a privilege covers.
fn reach(privilege: &Privilege) -> String {
    let methods = privilege.methods.as_ref();
    let methods = methods.map_or("any method".to_owned(), |methods| methods.join(", "));
    let is_exact = privilege
        .path_match
        .as_deref()
        .is_some_and(|word| word.eq_ignore_ascii_case("exact"));
    let below = if is_exact {
        ", nothing below"
    } else {
        " and below"
    };
    let mut text = format!("{methods} {}{below}", privilege.path);
    let parameters = privilege.query_parameters.iter();
    for (name, value) in parameters.flat_map(|parameters| &parameters.0) {
        text += &format!(", with {name}={value}");
    }
    text
}

/// Says whom an identity selects.
fn who(identity: &Identity) -> String {
    let number = |number: Option<u32>| number.map(|number| number.to_string());
    let list = |list: &Option<Vec<String>>| list.as_ref().map(|list| list.join(" or "));
    let selectors = [
        ("user", identity.user_name.clone()),
        ("uid", number(identity.uid)),
        ("group", identity.group_name.clone()),
        ("gid", number(identity.gid)),
        ("executable", identity.exe_path.clone()),
        ("process", identity.process_name.clone()),
        ("unit", identity.systemd_unit.clone()),
        ("slice", identity.systemd_slice.clone()),
        ("container", identity.container_id.clone()),
        ("cgroup", identity.cgroup.clone()),
        ("script", identity.script_path.clone()),
        ("SHA-256", list(&identity.exe_sha256)),
        ("not", list(&identity.forbid)),
    ];
    let given = selectors
        .into_iter()
        .filter_map(|(name, text)| Some(format!("{name} {}", text?)));
    given.collect::<Vec<_>>().join(", ")
}
