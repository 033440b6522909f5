//! `latchkey profile diff`: what changes between two profiles, and what that means.

use std::path::PathBuf;

use clap::Args;
use latchkey_policy::diff::{
    Change, Difference, Direction, Entry, EntryChange, Setting, SettingChange, diff,
};
use latchkey_protocol::Mode;

use crate::arguments::{Endpoint, Format};
use crate::document;
use crate::exit::Exit;
use crate::terminal::{self, Palette};
use crate::visible::visible;

/// Shows what changes between two profiles, and who may do what then.
///
/// Order, spelling, comments and the id make no difference.
///
/// Exit codes: 0 compared; 1 a file cannot be read; 2 with --exit-code, somebody may do more or
/// less; 3 a profile is invalid; 64 the command line is wrong.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  latchkey profile diff current.json candidate.json
  latchkey profile diff --exit-code current.json tidied.json && echo no effect")]
pub(crate) struct Diff {
    /// The profile as it is, in any of its forms.
    before: PathBuf,
    /// The profile as it shall be, in any of its forms.
    after: PathBuf,
    /// The endpoint that both are for.
    #[arg(long, value_enum, default_value_t = Endpoint::Imds)]
    endpoint: Endpoint,
    /// End with 2 if somebody may do more or less than before.
    #[arg(long)]
    exit_code: bool,
    /// How the answer is written.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(crate) fn run(arguments: &Diff) -> Exit {
    let load = || {
        let before = document::load_as(&arguments.before, arguments.format)?;
        let after = document::load_as(&arguments.after, arguments.format)?;
        Ok::<_, Exit>((before, after))
    };
    let (before, after) = match load() {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let difference = match diff(before.item(), after.item(), arguments.endpoint.into()) {
        Ok(difference) => difference,
        Err(invalid) => {
            terminal::complain(&invalid.to_string());
            return Exit::Invalid;
        }
    };
    let exit = if arguments.exit_code && !difference.effects.is_empty() {
        Exit::Refused
    } else {
        Exit::Success
    };
    match arguments.format {
        Format::Json => terminal::print_json(&difference, exit),
        Format::Text => {
            let is_audit = after.item().mode.parse() == Ok(Mode::Audit);
            let note = is_audit.then_some(AUDIT_NOTE);
            terminal::print(&text(&difference, note, terminal::palette()), exit)
        }
    }
}

const AUDIT_NOTE: &str =
    "The profile is in Audit: whoever may no longer ask is let through all the same, and recorded.";

fn text(difference: &Difference, note: Option<&str>, palette: Palette) -> String {
    if difference.is_empty() {
        return "no difference\n".to_owned();
    }
    let mut text = String::new();
    for setting in &difference.settings {
        text += &line('~', &said_of_setting(setting), palette);
    }
    for change in &difference.changes {
        text += &line(mark(change.change), &said_of_entry(change), palette);
    }
    text += "\nEffect:\n";
    if difference.effects.is_empty() {
        text += "  none: nobody may do more or less than before\n";
    }
    for effect in &difference.effects {
        let mark = match effect.direction {
            Direction::Widens => '+',
            Direction::Narrows => '-',
        };
        text += &line(mark, &effect.text, palette);
    }
    let narrows = |effect: &latchkey_policy::diff::Effect| effect.direction == Direction::Narrows;
    if let Some(note) = note.filter(|_| difference.effects.iter().any(narrows)) {
        text += &format!("\n{note}\n");
    }
    if difference.endpoint.is_root_only() && !difference.effects.is_empty() {
        let endpoint = difference.endpoint;
        text += &format!("\nAt {endpoint} all this is about root: nobody else may ask at all.\n");
    }
    text
}

const fn mark(change: Change) -> char {
    match change {
        Change::Added => '+',
        Change::Removed => '-',
        Change::Changed | Change::Narrowed | Change::Renamed | Change::Widened => '~',
    }
}

fn line(mark: char, said: &str, palette: Palette) -> String {
    let colour = match (palette, mark) {
        (Palette::Plain, _) => return format!("{mark} {}\n", visible(said)),
        (Palette::Colour, '+') => 32,
        (Palette::Colour, '-') => 31,
        (Palette::Colour, _) => 33,
    };
    format!("\x1b[{colour}m{mark}\x1b[0m {}\n", visible(said))
}

fn said_of_setting(change: &SettingChange) -> String {
    let name = match change.setting {
        Setting::AuditUntil => "auditUntil",
        Setting::DefaultAccess => "defaultAccess",
        Setting::Mode => "mode",
    };
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "absent".to_owned());
    format!(
        "{name}: {}, was {}",
        value(&change.after),
        value(&change.before)
    )
}

fn said_of_entry(change: &EntryChange) -> String {
    let entry = match change.entry {
        Entry::Assignment => "assignment of role",
        Entry::Identity => "identity",
        Entry::Privilege => "privilege",
        Entry::Role => "role",
    };
    let name = &change.name;
    let how = match change.change {
        Change::Added => "added",
        Change::Changed => "changed",
        Change::Narrowed => "narrowed",
        Change::Removed => "removed",
        Change::Renamed => "renamed",
        Change::Widened => "widened",
    };
    let content = match (&change.before, &change.after, &change.former_name) {
        (_, _, Some(former)) => format!("was `{former}`"),
        (Some(before), Some(after), None) => format!("{after}, was {before}"),
        (before, after, None) => after
            .as_ref()
            .or(before.as_ref())
            .cloned()
            .unwrap_or_default(),
    };
    format!("{entry} `{name}` {how}: {content}")
}
