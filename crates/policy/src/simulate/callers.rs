//! What is known of callers that asked before: their names, and their identities under each policy.
//!
//! Bounded: when there are too many, all are forgotten and looked at anew.

use std::rc::Rc;

use latchkey_protocol::Caller;

use super::ENDPOINTS;
use crate::judge::KnownIdentities;
use crate::rules::table::Table;

/// How many callers are known at once: at most some kilobytes each, and few machines have so many.
const MAX_CALLERS: usize = 8192;

/// What is known of a caller.
#[derive(Debug)]
pub(super) struct Acquaintance {
    pub(super) name: Rc<str>,
    /// By policy of the candidate.
    pub(super) candidate: [KnownIdentities; ENDPOINTS],
    /// By policy of what is in force now.
    pub(super) current: [KnownIdentities; ENDPOINTS],
}

/// The callers that asked before.
#[derive(Debug, Default)]
pub(super) struct Callers(Table<Caller, Rc<Acquaintance>>);

impl Callers {
    /// Returns what is known of a caller.
    pub(super) fn meet(&mut self, caller: &Caller) -> Rc<Acquaintance> {
        if let Some(known) = self.0.get(caller) {
            return Rc::clone(known);
        }
        if self.0.len() >= MAX_CALLERS {
            self.0.clear();
        }
        let met = Rc::new(Acquaintance {
            name: Rc::from(name(caller)),
            candidate: <[KnownIdentities; ENDPOINTS]>::default(),
            current: <[KnownIdentities; ENDPOINTS]>::default(),
        });
        self.0.insert(caller.clone(), Rc::clone(&met));
        met
    }
}

/// Returns what people know a caller by: its unit, container or user, and its script or executable.
fn name(caller: &Caller) -> String {
    let Ok(attributes) = &caller.attributes else {
        return "a process that could not be described".to_owned();
    };
    let unit = attributes.systemd_unit.as_deref();
    let container = attributes.container_id.as_deref();
    let user = attributes.user_name.as_deref();
    let owner = unit.or(container).or(user).unwrap_or("somebody");
    let script = attributes.script_path.as_deref();
    match script.or(attributes.executable.as_deref()) {
        Some(program) => format!("{owner} {program}"),
        None => owner.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use latchkey_protocol::{Attributes, Elevation};

    use super::*;

    fn caller(uid: usize) -> Caller {
        let attributes = Attributes {
            uid: u32::try_from(uid).ok(),
            user_name: Some(format!("u{uid}")),
            ..Attributes::default()
        };
        Caller {
            elevation: Elevation::Unprivileged,
            attributes: Ok(attributes),
        }
    }

    #[test]
    fn caller_is_looked_at_once() {
        let mut callers = Callers::default();
        let (first, again) = (callers.meet(&caller(1)), callers.meet(&caller(1)));
        assert!(Rc::ptr_eq(&first, &again));
        assert_eq!(*first.name, *"u1");
        assert!(!Rc::ptr_eq(&first, &callers.meet(&caller(2))));
    }

    #[test]
    fn number_of_callers_is_bounded_whoever_asks() {
        let mut callers = Callers::default();
        for uid in 0..3 * MAX_CALLERS {
            callers.meet(&caller(uid));
            assert!(callers.0.len() <= MAX_CALLERS);
        }
    }
}
