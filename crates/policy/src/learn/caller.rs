//! Which callers are one: what of a caller identities can select, and what is doubtful about it.
//!
//! An interpreter is never selected by itself: by its unit, else by its script, else a person decides.

use std::collections::BTreeSet;

use latchkey_protocol::unit::is_unit_name;

use super::Mark;
use super::ephemeral::is_ephemeral;
use super::place::place;
use super::sample::{CallerSeen, Script};
use crate::program::Program;

/// What the deployed agent writes for a user that it did not find.
const NO_USER: [&str; 3] = ["", "empty", "undefined"];

/// The longest text that becomes a selector, in bytes.
const MAX_TEXT_BYTES: usize = 512;

/// Returns whether an executable runs what is in other files, so that its own path says little.
#[must_use]
pub fn is_interpreter(executable: &str) -> bool {
    Program::of(executable) == Some(Program::Interpreter)
}

/// One kind of caller: all that tells it from others.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Caller {
    pub(super) unit: Option<Box<str>>,
    pub(super) user: Option<Box<str>>,
    pub(super) uid: Option<u32>,
    pub(super) executable: Option<Box<str>>,
    pub(super) script: Option<Box<str>>,
    pub(super) marks: BTreeSet<Mark>,
}

impl Caller {
    pub(super) fn of(seen: &CallerSeen<'_>) -> Self {
        let mut marks: BTreeSet<Mark> = seen.flags.iter().map(|flag| Mark::from(*flag)).collect();
        let mut executable = seen.executable.as_deref().and_then(file);
        if let Some(living) = seen.executable.as_deref().and_then(deleted) {
            marks.insert(Mark::DeletedExecutable);
            marks.extend(place(living));
            executable = None;
        }
        let (script, is_guessed) = match &seen.script {
            Some(Script::Executed(path)) => (file(path), false),
            Some(Script::Guessed(path)) => (file(path), true),
            None => (None, false),
        };
        // A script of what is no interpreter is an argument like any other.
        let script = script.filter(|_| executable.is_some_and(is_interpreter));
        for path in executable.iter().chain(&script) {
            marks.extend(place(path));
        }
        if is_guessed && script.is_some() {
            marks.insert(Mark::GuessedScript);
        }
        let user = seen.user.as_deref().filter(|user| is_user(user));
        Self {
            unit: seen
                .unit
                .as_deref()
                .filter(|unit| is_lasting(unit))
                .map(Into::into),
            user: user.map(Into::into),
            uid: seen.uid.filter(|_| user.is_none()),
            executable: executable.map(Into::into),
            script: script.map(Into::into),
            marks,
        }
        .judged()
    }

    /// Adds what is doubtful about a caller as a whole.
    fn judged(mut self) -> Self {
        let program = self.executable.as_deref().and_then(Program::of);
        if self.unit.is_some() {
            // The unit says what runs; a guess adds nothing to it.
            self.marks.remove(&Mark::GuessedScript);
            if program == Some(Program::Relay) {
                self.marks.insert(Mark::Relay);
            }
            // SECURITY: deployed agents know neither unit nor number: without a name and a path the
            // rule would be for everybody there.
            if self.user.is_none() && self.executable.is_none() {
                self.marks.insert(Mark::NoExecutable);
            }
            return self;
        }
        // SECURITY: a rule about the program alone is a rule for everybody who can start it.
        if self.user.is_none() && self.uid.is_none() {
            self.marks.insert(Mark::NoUser);
        }
        let mark = match program {
            Some(Program::Interpreter) if self.script.is_none() => Some(Mark::BareInterpreter),
            Some(Program::Fetcher | Program::Relay) => Some(Mark::PassesOn),
            Some(Program::Interpreter) => None,
            None => self.executable.is_none().then_some(Mark::NoExecutable),
        };
        self.marks.extend(mark);
        self
    }

    /// Returns whether anything can be selected by.
    pub(super) const fn is_selectable(&self) -> bool {
        self.unit.is_some()
            || self.user.is_some()
            || self.uid.is_some()
            || self.executable.is_some()
    }

    /// Returns whether nothing is doubtful.
    pub(super) fn is_clean(&self) -> bool {
        self.marks.is_empty()
    }

    /// Returns how many bytes its texts take.
    pub(super) fn weight(&self) -> usize {
        let texts = [&self.unit, &self.user, &self.executable, &self.script];
        texts.into_iter().flatten().map(|text| text.len()).sum()
    }

    /// Returns a line for people.
    pub(super) fn shown(&self) -> String {
        let user = match (&self.user, self.uid) {
            (Some(user), _) => user.to_string(),
            (None, Some(uid)) => format!("uid {uid}"),
            (None, None) => "?".to_owned(),
        };
        let program = self.executable.as_deref().unwrap_or("?");
        let script = self.script.iter().map(|script| format!(" {script}"));
        let unit = self.unit.iter().map(|unit| format!(" in {unit}"));
        let rest: String = script.chain(unit).collect();
        format!("{user} {program}{rest}")
    }
}

fn is_user(user: &str) -> bool {
    !NO_USER.contains(&user) && !user.trim().is_empty() && user.len() <= MAX_TEXT_BYTES
}

/// Returns whether a unit is there again tomorrow under the same name, and holds one program's
/// processes: a session or a user's manager holds whatever the user starts.
fn is_lasting(unit: &str) -> bool {
    let Some(stem) = unit.strip_suffix(".service") else {
        return false;
    };
    let is_transient = stem.starts_with("run-") || stem.starts_with("user@");
    let parts = stem.split(['@', '-', '.']);
    is_unit_name(unit) && !is_transient && !parts.into_iter().any(is_ephemeral_part)
}

fn is_ephemeral_part(part: &str) -> bool {
    // A number is a name's own part: `getty@1`, `postgresql@15-main`.
    part.len() > 4 && is_ephemeral(part)
}

/// Returns the path of a file as identities name it.
fn file(path: &str) -> Option<&str> {
    let is_plain = path.starts_with('/')
        && path.len() <= MAX_TEXT_BYTES
        && !path.ends_with('/')
        && !path.contains("//")
        && !path.split('/').any(|part| matches!(part, "." | ".."));
    (is_plain && deleted(path).is_none()).then_some(path)
}

/// Returns the path that an executable had, if the kernel says that it is gone (proc(5)).
fn deleted(path: &str) -> Option<&str> {
    path.strip_suffix(" (deleted)")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen<'a>(executable: &'a str, unit: Option<&'a str>) -> CallerSeen<'a> {
        CallerSeen {
            user: Some("alice".into()),
            executable: Some(executable.into()),
            unit: unit.map(Into::into),
            ..CallerSeen::default()
        }
    }

    #[test]
    fn programs_that_do_what_others_tell_them_are_doubtful_outside_of_a_unit() {
        for (path, mark) in [
            ("/usr/bin/curl", Mark::PassesOn),
            ("/usr/bin/socat", Mark::PassesOn),
            ("/usr/bin/sudo", Mark::BareInterpreter),
            ("/usr/sbin/php-fpm8.2", Mark::BareInterpreter),
            ("/opt/PYTHON3", Mark::BareInterpreter),
            ("/lib64/ld-linux-x86-64.so.2", Mark::BareInterpreter),
        ] {
            let marks = Caller::of(&seen(path, None)).marks;
            assert_eq!(marks, BTreeSet::from([mark]), "{path}");
        }
        let unit = Some("app.service");
        assert!(Caller::of(&seen("/usr/bin/curl", unit)).is_clean());
        let relay = Caller::of(&seen("/usr/sbin/nginx", unit));
        assert_eq!(relay.marks, BTreeSet::from([Mark::Relay]));
    }

    #[test]
    fn caller_without_user_and_unit_is_doubtful() {
        for user in [None, Some(""), Some("undefined")] {
            let mut nobody = seen("/opt/app", None);
            nobody.user = user.map(Into::into);
            assert!(
                Caller::of(&nobody).marks.contains(&Mark::NoUser),
                "{user:?}"
            );
            nobody.uid = Some(7);
            assert!(Caller::of(&nobody).is_clean(), "{user:?}");
        }
    }

    #[test]
    fn interpreter_without_script_or_unit_is_doubtful() {
        let bare = Caller::of(&seen("/usr/bin/python3", None));
        assert!(bare.marks.contains(&Mark::BareInterpreter));
        assert!(Caller::of(&seen("/usr/bin/python3", Some("app.service"))).is_clean());
        let mut with_script = seen("/usr/bin/python3", None);
        with_script.script = Some(Script::Executed("/opt/app.py".into()));
        assert!(Caller::of(&with_script).is_clean());
        with_script.script = Some(Script::Executed("app.py".into()));
        assert!(
            Caller::of(&with_script)
                .marks
                .contains(&Mark::BareInterpreter)
        );
    }

    #[test]
    fn units_that_do_not_last_are_no_group() {
        for unit in [
            "session-4.scope",
            "user@1000.service",
            "run-u12.service",
            "docker-0123456789abcdef0123456789abcdef.scope",
            "job@0123456789abcdef.service",
            "not a unit",
        ] {
            assert!(
                Caller::of(&seen("/bin/x", Some(unit))).unit.is_none(),
                "{unit}"
            );
        }
        for unit in [
            "app.service",
            "getty@1.service",
            "postgresql@15-main.service",
        ] {
            assert!(
                Caller::of(&seen("/bin/x", Some(unit))).unit.is_some(),
                "{unit}"
            );
        }
    }

    #[test]
    fn place_of_executable_and_script_is_marked() {
        for (path, mark) in [
            ("/tmp/x", Mark::WorldWritable),
            ("/proc/self/fd/5", Mark::WorldWritable),
            ("/home/alice/x", Mark::HomeFolder),
        ] {
            assert!(
                Caller::of(&seen(path, None)).marks.contains(&mark),
                "{path}"
            );
        }
        let gone = Caller::of(&seen("/usr/bin/x (deleted)", None));
        assert!(gone.executable.is_none() && gone.marks.contains(&Mark::DeletedExecutable));
    }
}
