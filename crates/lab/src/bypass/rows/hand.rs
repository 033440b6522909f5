//! Connections that change hands.

use latchkey_protocol::Reason;

use crate::bypass::row::Outcome::Agent;
use crate::bypass::row::Row;

pub(super) const ROWS: &[Row] = &[
    Row::new(
        "process_that_got_the_number_of_one_that_ended_is_not_taken_for_it",
        &[21],
        "process number reused before anybody looks",
        Agent(Reason::CallerReplaced),
        "start times are compared",
    ),
    Row::new(
        "program_that_becomes_the_allowed_one_after_connecting_is_refused",
        &[22],
        "connect, then execute the allowed program",
        Agent(Reason::CallerReplaced),
        "captured when it connected, and compared",
    ),
    Row::new(
        "allowed_program_that_becomes_another_is_refused",
        &[23],
        "the allowed program connects and executes another",
        Agent(Reason::CallerReplaced),
        "compared again for each request",
    ),
    Row::new(
        "allowed_program_that_executes_itself_again_is_refused",
        &[23],
        "the allowed program connects and executes itself",
        Agent(Reason::CallerReplaced),
        "each execution has a number of its own",
    ),
    Row::new(
        "connection_whose_maker_ended_is_refused",
        &[23],
        "connection passed on (`SCM_RIGHTS`), its maker ended",
        Agent(Reason::CallerGone),
        "looked at again for each request",
    ),
    Row::new(
        "connection_passed_to_another_user_is_refused",
        &[23],
        "connection passed on (`SCM_RIGHTS`), its maker lives",
        Agent(Reason::CallerReplaced),
        "who sends is compared with who connected",
    )
    .but("a program that passes on what others tell it speaks for them"),
    Row::new(
        "connection_passed_on_with_a_call_that_never_returns_is_refused",
        &[23],
        "connection passed on; the request is the beginning of one `send()` that does not return",
        Agent(Reason::CallerReplaced),
        "who sends is compared with who connected, before the bytes leave",
    ),
    Row::new(
        "connection_taken_out_of_the_allowed_program_is_refused",
        &[23, 28],
        "connection taken out of the allowed program (`pidfd_getfd`), by its user",
        Agent(Reason::CallerReplaced),
        "who sends is compared with who connected",
    )
    .but("who may do that may also trace the program: give what is allowed a user of its own"),
];
