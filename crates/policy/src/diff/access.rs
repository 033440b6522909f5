//! Who may ask for what, before and after: computed from the grants, said per identity and privilege.
//!
//! INVARIANT: what one profile allows a caller and the other does not lies in a scope that is said,
//! of an identity that the caller is of, or of anybody.

use std::collections::{BTreeMap, BTreeSet};

use latchkey_protocol::Mode;

use super::{Direction, Effect};
use crate::meaning::Meaning;
use crate::meaning::scope::{Scope, Scopes, all_covered, any_covers};
use crate::meaning::subject::Subject;
use crate::meaning::words::{Phrase, noun, phrases};
use crate::rules::Access;

/// Says who may ask for what no longer, and for what from now on.
pub(super) fn effects(before: &Meaning, after: &Meaning) -> Vec<Effect> {
    // In Disabled the rules say nothing; the effect of the mode says it all.
    if after.mode == Mode::Disabled {
        return Vec::new();
    }
    let (old, new) = (Allowed::by(before), Allowed::by(after));
    let (lost, gained) = (Allowed::gained(&new, &old), Allowed::gained(&old, &new));
    let mut effects = Vec::new();
    effects.extend(lost.by_anybody(&lost_by_anybody()));
    effects.extend(lost.by_subjects(before, &|subject, phrase| {
        let kept = new.kept(subject, &phrase.scopes);
        let still = if kept.is_empty() {
            String::new()
        } else {
            format!(" (still: {})", noun(&kept))
        };
        let condition = new.condition(subject, &phrase.scopes);
        let condition = condition.map_or_else(String::new, |(more, flags)| match (more, flags) {
            (Some(more), None) => format!(" unless {more}"),
            (Some(more), Some(flags)) => format!(" unless {more} and not {flags}"),
            (None, flags) => flags.map_or_else(String::new, |flags| format!(" if {flags}")),
        });
        let (who, what) = (subject.words(), phrase.asked());
        narrows(format!("{who} may no longer {what}{condition}{still}"))
    }));
    effects.extend(gained.by_anybody(&gained_by_anybody()));
    effects.extend(gained.by_subjects(after, &|subject, phrase| {
        let mut had = old.granted_to(subject).into_iter();
        let has_any = had.any(|had| !had.is_empty());
        let also = if has_any { " also" } else { "" };
        let condition = old.condition(subject, &phrase.scopes);
        let condition = condition.map_or_else(String::new, |(more, flags)| match (more, flags) {
            (Some(more), None) => format!(", not only {more}"),
            (Some(more), Some(flags)) => format!(", not only {more}, and even if {flags}"),
            (None, flags) => flags.map_or_else(String::new, |flags| format!(" even if {flags}")),
        });
        let (who, what) = (subject.words(), phrase.asked());
        widens(format!("{who} may now{also} {what}{condition}"))
    }));
    effects
}

fn narrows(text: String) -> Effect {
    effect(Direction::Narrows, text)
}

fn widens(text: String) -> Effect {
    effect(Direction::Widens, text)
}

const fn effect(direction: Direction, text: String) -> Effect {
    Effect {
        direction,
        identities: Vec::new(),
        text,
    }
}

/// How what concerns anybody is said.
struct Anybody {
    uncovered: fn() -> Effect,
    scope: fn(&str) -> Effect,
}

fn lost_by_anybody() -> Anybody {
    Anybody {
        uncovered: || {
            narrows("nobody may ask any longer for what no privilege grants (Deny)".to_owned())
        },
        scope: |what| narrows(format!("nobody without a grant may {what} any longer")),
    }
}

fn gained_by_anybody() -> Anybody {
    Anybody {
        uncovered: || widens("anybody may now ask for what no privilege covers (Allow)".to_owned()),
        scope: |what| {
            widens(format!(
                "anybody may now {what}, where no other privilege covers it"
            ))
        },
    }
}

/// What a profile allows.
struct Allowed<'a> {
    /// Whether everybody may ask for what is not reserved.
    is_open: bool,
    reserved: Scopes,
    grants: BTreeMap<&'a Subject, Scopes>,
}

impl<'a> Allowed<'a> {
    fn by(meaning: &'a Meaning) -> Self {
        if meaning.mode == Mode::Disabled {
            return Self {
                is_open: true,
                reserved: Scopes::new(),
                grants: BTreeMap::new(),
            };
        }
        Self {
            is_open: meaning.default_access == Access::Allow,
            reserved: meaning.reserved(),
            grants: meaning.grants(),
        }
    }

    /// Returns all that is granted to the callers of a subject, by whatever identity.
    fn granted_to(&self, subject: &Subject) -> Vec<&Scopes> {
        let grants = self.grants.iter();
        let including = grants.filter(|(holder, _)| holder.includes(subject));
        including.map(|(_, scopes)| scopes).collect()
    }

    /// Returns the parts of some scopes that are granted to a subject.
    fn kept(&self, subject: &Subject, scopes: &Scopes) -> Scopes {
        let granted = self.granted_to(subject).into_iter().flatten();
        let parts = granted.flat_map(|own| scopes.iter().filter_map(|scope| own.intersect(scope)));
        parts.collect()
    }

    /// Returns on what condition some of these callers may ask for all of some scopes: what must
    /// hold of them, and which flags must be clear.
    fn condition(
        &self,
        subject: &Subject,
        scopes: &Scopes,
    ) -> Option<(Option<String>, Option<String>)> {
        let mut narrower = self.grants.iter();
        let (found, _) = narrower.find(|(other, granted)| {
            **other != subject && subject.includes(other) && all_covered(granted, scopes)
        })?;
        Some(found.beyond(subject))
    }

    /// Returns the parts of a scope that somebody with these grants is refused.
    fn withheld(&self, granted: &[&Scopes], scope: &Scope) -> Scopes {
        // Most often nothing has changed, and the very same scope is there.
        if granted.iter().any(|scopes| scopes.contains(scope))
            || any_covers(granted.iter().copied().flatten(), scope)
        {
            return Scopes::new();
        }
        if !self.is_open {
            return Scopes::from([scope.clone()]);
        }
        let parts = self.reserved.iter().filter_map(|own| own.intersect(scope));
        parts
            .filter(|part| !any_covers(granted.iter().copied().flatten(), part))
            .collect()
    }

    /// Returns what `new` allows and `old` does not.
    fn gained(old: &Self, new: &Self) -> Gained<'a> {
        let mut gained = Gained {
            uncovered: new.is_open && !old.is_open,
            anybody: Scopes::new(),
            subjects: BTreeMap::new(),
        };
        if new.is_open && old.is_open {
            let given_up = old.reserved.difference(&new.reserved);
            let open = given_up.filter(|scope| !any_covers(&new.reserved, scope));
            gained.anybody = open.cloned().collect();
        }
        for (subject, scopes) in &new.grants {
            let granted = old.granted_to(subject);
            let parts = scopes
                .iter()
                .flat_map(|scope| old.withheld(&granted, scope));
            let parts: Scopes = parts.collect();
            if !parts.is_empty() {
                gained.subjects.insert(subject, parts);
            }
        }
        gained.without_repetition()
    }
}

/// What somebody may ask for in one profile and not in another.
struct Gained<'a> {
    /// Anybody, for what no privilege covers.
    uncovered: bool,
    anybody: Scopes,
    subjects: BTreeMap<&'a Subject, Scopes>,
}

impl Gained<'_> {
    /// Leaves out what is said of a greater scope, or of a subject that includes this one.
    fn without_repetition(mut self) -> Self {
        let all = self.subjects.clone();
        for (subject, scopes) in &mut self.subjects {
            let others = all
                .iter()
                .filter(|(other, _)| *other != subject && other.includes(subject));
            let others: Vec<&Scopes> = others.map(|(_, scopes)| scopes).collect();
            let own = scopes.clone();
            scopes.retain(|scope| {
                let mut greater = own.iter().filter(|other| *other != scope);
                !greater.any(|other| other.covers(scope))
                    && !any_covers(others.iter().copied().flatten(), scope)
            });
        }
        self
    }

    fn by_anybody(&self, said: &Anybody) -> Vec<Effect> {
        let uncovered = self.uncovered.then(said.uncovered);
        let scopes = phrases(&self.anybody);
        let scopes = scopes.iter().map(|phrase| (said.scope)(&phrase.asked()));
        uncovered.into_iter().chain(scopes).collect()
    }

    /// Says it of each subject, with the names that it has in `meaning`.
    fn by_subjects(
        &self,
        meaning: &Meaning,
        said: &dyn Fn(&Subject, &Phrase) -> Effect,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        for (subject, scopes) in &self.subjects {
            let names = meaning.identities.iter();
            let names = names.filter(|(_, own)| own == subject);
            let names: BTreeSet<&String> = names.map(|(name, _)| name).collect();
            for phrase in phrases(scopes) {
                effects.push(Effect {
                    identities: names.iter().map(|name| (*name).clone()).collect(),
                    ..said(subject, &phrase)
                });
            }
        }
        effects
    }
}
