//! What becomes of those whom the rules refuse, before and after: the modes, and the end of Audit.

use std::collections::BTreeMap;

use jiff::Timestamp;
use latchkey_protocol::Mode;

use super::{Direction, Effect};
use crate::meaning::Meaning;
use crate::meaning::scope::Scopes;
use crate::meaning::words::noun;

/// Says how refusals change.
pub(super) fn effects(before: &Meaning, after: &Meaning) -> Vec<Effect> {
    let mut effects = Vec::new();
    if before.mode != after.mode {
        effects.push(of_profile(before.mode, after));
    }
    if before.mode != Mode::Disabled && after.mode != Mode::Disabled {
        effects.extend(of_privileges(before, after));
        effects.extend(of_audit_end(before, after));
    }
    effects
}

fn direction(from: Mode, to: Mode) -> Direction {
    if to > from {
        Direction::Narrows
    } else {
        Direction::Widens
    }
}

fn of_profile(from: Mode, after: &Meaning) -> Effect {
    let to = after.mode;
    let mut text = match (from, to) {
        (_, Mode::Disabled) => "nobody is refused any more, and nothing is checked",
        (Mode::Disabled, Mode::Audit) => "requests are checked and recorded from now on",
        (Mode::Disabled, Mode::Enforce) => {
            "requests are checked from now on, and refused unless the rules allow them"
        }
        (Mode::Audit | Mode::Enforce, Mode::Audit) => {
            "nobody is refused any more: what the rules refuse is let through and recorded"
        }
        (Mode::Audit | Mode::Enforce, Mode::Enforce) => {
            "what the rules refuse is refused from now on, no longer let through"
        }
    }
    .to_owned();
    text.push_str(&format!(" ({to})"));
    let mut modes = after.refusals().map(|(_, mode)| mode);
    if to != Mode::Disabled && modes.any(|mode| mode != to) {
        text.push_str(", but for assignments with a mode of their own");
    }
    Effect {
        direction: direction(from, to),
        identities: Vec::new(),
        text,
    }
}

/// What privileges cover that change from one mode to another.
type Moved = BTreeMap<(Mode, Mode), Scopes>;

fn of_privileges(before: &Meaning, after: &Meaning) -> Vec<Effect> {
    // A request moves only if a privilege that covers it came, went or moved.
    let has_moved = |other: &Meaning, scopes: &Scopes, mode| other.refusal(scopes) != Some(mode);
    let mut moved = Moved::new();
    for (scopes, to) in after
        .refusals()
        .filter(|(scopes, mode)| has_moved(before, scopes, *mode))
    {
        for from in before.refusal_modes(scopes) {
            moved.entry((from, to)).or_default().extend(scopes.clone());
        }
    }
    for (scopes, from) in before
        .refusals()
        .filter(|(scopes, mode)| has_moved(after, scopes, *mode))
    {
        for to in after.refusal_modes(scopes) {
            moved.entry((from, to)).or_default().extend(scopes.clone());
        }
    }
    // What moves with the whole profile is said of the whole profile.
    moved.retain(|(from, to), _| from != to && (*from, *to) != (before.mode, after.mode));
    let said = moved.into_iter().map(|((from, to), scopes)| Effect {
        direction: direction(from, to),
        identities: Vec::new(),
        text: match to {
            Mode::Enforce => format!(
                "whoever has no grant for {} is refused from now on (Enforce)",
                noun(&scopes)
            ),
            Mode::Audit | Mode::Disabled => format!(
                "whoever has no grant for {} is let through from now on, and recorded ({to})",
                noun(&scopes)
            ),
        },
    });
    said.collect()
}

fn of_audit_end(before: &Meaning, after: &Meaning) -> Option<Effect> {
    let (from, to) = (before.audit_until, after.audit_until);
    if from == to || !before.has_audit() || !after.has_audit() {
        return None;
    }
    // Without an end Audit lasts longest.
    let lasts_longer = to.is_none() || from.is_some_and(|from| to > Some(from));
    Some(Effect {
        direction: if lasts_longer {
            Direction::Widens
        } else {
            Direction::Narrows
        },
        identities: Vec::new(),
        text: format!("Audit lasts {}, not {}", until(to), until(from)),
    })
}

fn until(end: Option<Timestamp>) -> String {
    match end {
        Some(end) => format!("until {end}"),
        None => "without an end".to_owned(),
    }
}
