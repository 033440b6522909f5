//! Users and what they pretend to be.

use latchkey_protocol::Reason;

use crate::bypass::row::Outcome::{Agent, Brokered};
use crate::bypass::row::Row;

pub(super) const ROWS: &[Row] = &[
    Row::new(
        "root_of_a_users_own_user_namespace_is_not_root",
        &[29],
        "root of a user's own user namespace",
        Agent(Reason::RootRequired),
        "user ids of the initial namespace",
    ),
    Row::new(
        "root_in_another_user_namespace_is_not_root",
        &[29],
        "user 0 in another user namespace",
        Agent(Reason::RootRequired),
        "root is effective user 0 of the initial namespace",
    ),
    Row::new(
        "root_that_gave_up_its_effective_user_is_not_root",
        &[29],
        "root with another effective user",
        Agent(Reason::RootRequired),
        "the effective user counts",
    ),
    Row::new(
        "set_user_id_program_is_its_owner",
        &[29],
        "set-user-id program of root's, run by another user",
        Brokered,
        "the effective user counts: the program is root",
    )
    .but(
        "a set-user-id program of root's that fetches addresses for its user is \
             root's deputy; grant by program",
    ),
    Row::new(
        "thread_that_became_another_user_is_refused",
        &[29],
        "thread with another user than its process",
        Agent(Reason::CallerReplaced),
        "the kernel's word is held against the process",
    ),
    Row::new(
        "thread_that_stayed_root_behind_its_process_is_refused",
        &[29],
        "thread that stayed root",
        Agent(Reason::CallerReplaced),
        "the kernel's word is held against the process",
    ),
];
