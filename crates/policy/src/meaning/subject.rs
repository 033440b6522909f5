//! Whom an identity selects, whatever it is called, and how a person says that.

use std::collections::{BTreeMap, BTreeSet};

use latchkey_protocol::Flag;

use crate::rules::identities::Identity;
use crate::rules::selector::Kind;

/// How much of a digest is said.
const DIGEST_DIGITS_SAID: usize = 12;

/// Some callers: for each kind one of the texts holds, and nothing forbidden is set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Subject {
    selectors: BTreeMap<Kind, BTreeSet<String>>,
    forbidden: BTreeSet<Flag>,
}

impl Subject {
    pub(crate) fn of(identity: &Identity) -> Self {
        let selectors = identity.selectors.iter();
        let mut subject = Self {
            selectors: selectors
                .map(|selector| (selector.kind, selector.any_of.iter().cloned().collect()))
                .collect(),
            forbidden: identity.forbidden.iter().copied().collect(),
        };
        // The name of a process says nothing more where its executable says it.
        let process = subject.selectors.remove(&Kind::Process);
        if let Some(names) = process.filter(|names| !subject.implies(Kind::Process, names)) {
            subject.selectors.insert(Kind::Process, names);
        }
        subject
    }

    /// Returns whether every caller of the other subject is one of this.
    pub(crate) fn includes(&self, other: &Self) -> bool {
        self.forbidden.is_subset(&other.forbidden)
            && self
                .selectors
                .iter()
                .all(|(kind, texts)| other.implies(*kind, texts))
    }

    /// Returns whether each of these callers has one of these texts.
    fn implies(&self, kind: Kind, wanted: &BTreeSet<String>) -> bool {
        let is_wanted = |text: &String| match kind {
            Kind::Cgroup => wanted.iter().any(|above| is_at_or_below(text, above)),
            _ => wanted.contains(text),
        };
        if let Some(own) = self.selectors.get(&kind) {
            return own.iter().all(is_wanted);
        }
        let executables = self.selectors.get(&Kind::Executable);
        kind == Kind::Process
            && executables.is_some_and(|paths| paths.iter().all(|path| ends_in(path, wanted)))
    }

    /// Says what is asked of these callers beyond what another identity, which includes them, asks:
    /// what must hold, as in "in `b.service`", and which flags must be clear.
    pub(crate) fn beyond(&self, wider: &Self) -> (Option<String>, Option<String>) {
        let selectors = self.selectors.iter();
        let more = selectors.filter(|(kind, texts)| wider.selectors.get(kind) != Some(texts));
        let more = more.map(|(kind, texts)| {
            let preposition = match kind {
                Kind::Unit | Kind::Container | Kind::Slice | Kind::Cgroup => "in",
                Kind::User | Kind::Uid => "as",
                Kind::Group | Kind::Gid => "of",
                Kind::Executable | Kind::Process | Kind::Script | Kind::ExecutableDigest => "with",
            };
            format!("{preposition} {}", words_of(*kind, texts))
        });
        let flags = self.forbidden.difference(&wider.forbidden);
        let flags = flags.map(|flag| flag.as_str().to_owned());
        (joined(more, " and "), joined(flags, " or "))
    }

    /// Says who they are: "user `alice` with `/usr/bin/x`".
    pub(crate) fn words(&self) -> String {
        let said = |kinds: &[Kind]| -> Vec<String> {
            let given = kinds.iter().filter_map(|kind| {
                let texts = self.selectors.get(kind)?;
                Some(words_of(*kind, texts))
            });
            given.collect()
        };
        let who = said(&[
            Kind::Unit,
            Kind::Container,
            Kind::Slice,
            Kind::Cgroup,
            Kind::User,
            Kind::Uid,
            Kind::Group,
            Kind::Gid,
        ]);
        let with = said(&[
            Kind::Executable,
            Kind::Process,
            Kind::Script,
            Kind::ExecutableDigest,
        ]);
        let parts = [who.join(", "), with.join(" and ")];
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        let mut words = parts.join(" with ");
        if !self.forbidden.is_empty() {
            let flags: Vec<_> = self.forbidden.iter().map(|flag| flag.as_str()).collect();
            words.push_str(&format!(" (never {})", flags.join(", ")));
        }
        words
    }
}

fn joined(parts: impl Iterator<Item = String>, between: &str) -> Option<String> {
    let parts: Vec<_> = parts.collect();
    (!parts.is_empty()).then(|| parts.join(between))
}

fn is_at_or_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn ends_in(path: &str, names: &BTreeSet<String>) -> bool {
    path.rsplit('/')
        .next()
        .is_some_and(|name| names.contains(name))
}

fn words_of(kind: Kind, texts: &BTreeSet<String>) -> String {
    let digits = |text: &String| text.chars().take(DIGEST_DIGITS_SAID).collect::<String>();
    let quoted = |text: &String| match kind {
        Kind::ExecutableDigest => format!("`{}…`", digits(text)),
        _ => format!("`{text}`"),
    };
    let texts = texts.iter().map(quoted).collect::<Vec<_>>().join(" or ");
    match kind {
        Kind::Unit | Kind::Executable => texts,
        Kind::Container => format!("container {texts}"),
        Kind::Slice => format!("slice {texts}"),
        Kind::Cgroup => format!("cgroup {texts}"),
        Kind::User => format!("user {texts}"),
        Kind::Uid => format!("uid {texts}"),
        Kind::Group => format!("group {texts}"),
        Kind::Gid => format!("gid {texts}"),
        Kind::Process => format!("process {texts}"),
        Kind::Script => format!("script {texts}"),
        Kind::ExecutableDigest => format!("SHA-256 {texts}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::selector::Selector;

    fn subject(selectors: &[(Kind, &str)], forbidden: &[Flag]) -> Subject {
        let selectors = selectors.iter();
        Subject::of(&Identity {
            name: "i".into(),
            selectors: selectors
                .map(|(kind, text)| Selector::one(*kind, text))
                .collect(),
            forbidden: forbidden.to_vec(),
        })
    }

    #[test]
    fn fewer_conditions_include_more() {
        let exe = (Kind::Executable, "/usr/bin/x");
        let user = (Kind::User, "alice");
        for (wide, narrow) in [
            (subject(&[user], &[]), subject(&[user, exe], &[])),
            (subject(&[user], &[]), subject(&[user], &[Flag::Traced])),
            (subject(&[(Kind::Process, "x")], &[]), subject(&[exe], &[])),
            (
                subject(&[(Kind::Cgroup, "/a")], &[]),
                subject(&[(Kind::Cgroup, "/a/b")], &[]),
            ),
        ] {
            assert!(wide.includes(&narrow), "{wide:?} {narrow:?}");
            assert!(!narrow.includes(&wide), "{narrow:?} {wide:?}");
        }
    }

    #[test]
    fn people_hear_who_it_is() {
        for (subject, words) in [
            (
                subject(
                    &[(Kind::Executable, "/usr/bin/x"), (Kind::User, "alice")],
                    &[],
                ),
                "user `alice` with `/usr/bin/x`",
            ),
            (subject(&[(Kind::Unit, "b.service")], &[]), "`b.service`"),
            (
                subject(
                    &[(Kind::Process, "x"), (Kind::Script, "/s")],
                    &[Flag::Traced],
                ),
                "process `x` and script `/s` (never traced)",
            ),
            (
                subject(&[(Kind::ExecutableDigest, &"0f".repeat(32))], &[]),
                "SHA-256 `0f0f0f0f0f0f…`",
            ),
        ] {
            assert_eq!(subject.words(), words);
        }
    }
}
