//! `latchkey profile merge`: the union of two profiles, or every conflict between them.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use latchkey_policy::diff::{Direction, diff};
use latchkey_policy::document::{Form, render};
use latchkey_policy::merge::{Conflict, MergeError, merge};
use latchkey_protocol::EndpointKind;
use latchkey_protocol::authorization::AuthorizationItem;
use serde::Serialize;

use crate::arguments::Format;
use crate::document::{self, Loaded};
use crate::exit::Exit;
use crate::{output, terminal};

/// Unites two profiles: what either grants is granted.
///
/// With --prefer the union grants nothing that neither does: whatever refers to an entry that loses
/// is left out, and standard error tells who loses what by that.
///
/// The union has the form of both, or is an authorization item if their forms differ.
///
/// Exit codes: 0 united; 1 a file cannot be read or written; 2 the profiles contradict each other;
/// 3 a profile is invalid; 64 the command line is wrong.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  latchkey profile merge team-a.json team-b.json --output both.json
  latchkey profile merge --prefer strict team-a.json team-b.json")]
pub(crate) struct Merge {
    /// The first profile, in any of its forms.
    first: PathBuf,
    /// The second profile, in any of its forms.
    second: PathBuf,
    /// What wins where they differ; without, a difference of settings, and one name with two
    /// meanings, are conflicts.
    #[arg(long, value_enum)]
    prefer: Option<Prefer>,
    /// The file to write, at once or not at all; standard output if there is none.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// How conflicts are written: JSON goes to standard output.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Prefer {
    /// The first profile.
    First,
    /// The second profile.
    Second,
    /// What lets less through; an assignment in Audit is enforced where the profile is.
    Strict,
}

impl From<Prefer> for latchkey_policy::merge::Prefer {
    fn from(prefer: Prefer) -> Self {
        match prefer {
            Prefer::First => Self::First,
            Prefer::Second => Self::Second,
            Prefer::Strict => Self::Strict,
        }
    }
}

/// The conflicts as JSON.
#[derive(Serialize)]
struct Conflicts<'a> {
    conflicts: &'a [Conflict],
}

pub(crate) fn run(arguments: &Merge) -> Exit {
    let load = || {
        let first = document::load_as(&arguments.first, arguments.format)?;
        let second = document::load_as(&arguments.second, arguments.format)?;
        Ok::<_, Exit>([first, second])
    };
    let profiles = match load() {
        Ok(profiles) => profiles,
        Err(exit) => return exit,
    };
    let [first, second] = &profiles;
    let prefer = arguments.prefer.map(Into::into);
    match merge(first.item(), second.item(), prefer) {
        Ok(union) => {
            if prefer.is_some() {
                say_losses(&profiles, &union);
            }
            let (form, resource) = (first.document.form, &first.document.resource);
            let form = Some(form).filter(|form| *form == second.document.form);
            let text = render(form.unwrap_or(Form::Item), &union, resource);
            output::write_json(&text, arguments.output.as_deref())
        }
        Err(MergeError::Conflicts(conflicts)) => refuse(&profiles, &conflicts, arguments.format),
        Err(MergeError::Invalid(invalid)) => {
            terminal::complain(&invalid.to_string());
            Exit::Invalid
        }
    }
}

/// Says what each profile allows and the union does not, as what lost is left out.
fn say_losses(profiles: &[Loaded; 2], union: &AuthorizationItem) {
    for profile in profiles {
        let name = document::name(&profile.path);
        // Both have been read, and the union of valid profiles is valid.
        let difference = diff(profile.item(), union, EndpointKind::Imds);
        for effect in difference.iter().flat_map(|difference| &difference.effects) {
            if effect.direction == Direction::Narrows {
                terminal::complain(&format!("unlike in {name}: {}", effect.text));
            }
        }
    }
}

fn refuse(profiles: &[Loaded; 2], conflicts: &[Conflict], format: Format) -> Exit {
    if format == Format::Json {
        return terminal::print_json(&Conflicts { conflicts }, Exit::Refused);
    }
    for conflict in conflicts {
        terminal::complain(&conflict.to_string());
        for (profile, pointer) in profiles.iter().zip(&conflict.pointers) {
            terminal::complain(&format!("  at {}", place(profile, pointer)));
        }
    }
    Exit::Refused
}

fn place(profile: &Loaded, pointer: &str) -> String {
    let name = document::name(&profile.path);
    match profile.document.place(pointer) {
        Some(place) => format!("{name}:{place}"),
        None => format!("{name} ({pointer} is not said)"),
    }
}
