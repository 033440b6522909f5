//! The union of assignments: those that say the same of others are joined, and what refers to an
//! entry that is left out is left out itself.

use latchkey_protocol::Mode;
use latchkey_protocol::authorization::{Identity, Role, RoleAssignment};

use super::list::List;
use super::{Prefer, Side};

/// Unites the assignments of two profiles, whose union has this mode.
pub(super) fn union(
    assignments: [&[RoleAssignment]; 2],
    lists: (&List<Role>, &List<Identity>),
    (prefer, mode): (Option<Prefer>, Mode),
) -> Vec<RoleAssignment> {
    let mut united = Vec::new();
    for (side, assignments) in [Side::First, Side::Second].into_iter().zip(assignments) {
        for assignment in assignments {
            let Some(mut kept) = kept(assignment, side, lists) else {
                continue;
            };
            if ends_trials(prefer, side) && is_weaker(&kept, mode) {
                kept.mode = None;
            }
            match side {
                // As the first profile lists them, so that a union with itself is itself.
                Side::First => united.push(kept),
                Side::Second => add(&mut united, kept),
            }
        }
    }
    united
}

/// Returns an assignment as the union says it; nothing if its role, or everybody that it names, is
/// left out.
fn kept(
    assignment: &RoleAssignment,
    side: Side,
    (roles, identities): (&List<Role>, &List<Identity>),
) -> Option<RoleAssignment> {
    let role = roles.new_name(side, &assignment.role)?;
    let names = identities.new_names(side, &assignment.identities);
    let is_nobody_left = names.is_empty() && !assignment.identities.is_empty();
    (!is_nobody_left).then(|| RoleAssignment {
        role,
        identities: names,
        ..assignment.clone()
    })
}

/// Returns whether what one of the profiles has on trial is enforced in the union.
///
/// SECURITY: what the union has on trial it lets through. The profile that loses has only a part of
/// its rules there, and perhaps another end of Audit, so its trials could open what it refuses.
fn ends_trials(prefer: Option<Prefer>, side: Side) -> bool {
    match prefer {
        None => false,
        Some(Prefer::First) => side == Side::Second,
        Some(Prefer::Second) => side == Side::First,
        Some(Prefer::Strict) => true,
    }
}

fn is_weaker(assignment: &RoleAssignment, mode: Mode) -> bool {
    let own = assignment.mode.as_ref();
    let own: Option<Mode> = own.and_then(|text| text.parse().ok());
    own.is_some_and(|own| own < mode)
}

/// Adds an assignment, to one that says the same of others if there is one.
fn add(assignments: &mut Vec<RoleAssignment>, added: RoleAssignment) {
    let same = assignments.iter_mut().find(|own| {
        (&own.role, &own.mode, &own.comment) == (&added.role, &added.mode, &added.comment)
    });
    let Some(own) = same else {
        assignments.push(added);
        return;
    };
    for identity in added.identities {
        if !own.identities.contains(&identity) {
            own.identities.push(identity);
        }
    }
}
