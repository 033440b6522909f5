//! Programs that pose as allowed ones.

use latchkey_protocol::Reason;

use crate::bypass::row::Outcome::{Agent, Brokered, InAnothersName};
use crate::bypass::row::Row;

pub(super) const ROWS: &[Row] = &[
    Row::new(
        "allowed_program_is_brokered",
        &[24],
        "the allowed program itself",
        Brokered,
        "nothing: it is allowed",
    ),
    Row::new(
        "symbolic_link_with_the_allowed_name_is_what_it_leads_to",
        &[24],
        "symbolic link with the allowed name",
        Agent(Reason::CallerNotAssigned),
        "the file that is executed counts",
    ),
    Row::new(
        "hard_link_to_the_allowed_program_is_refused",
        &[24],
        "hard link to the allowed program",
        Agent(Reason::CallerNotAssigned),
        "the path must be the one that was executed",
    ),
    Row::new(
        "copy_of_the_allowed_program_is_refused",
        &[24],
        "copy of the allowed program",
        Agent(Reason::CallerNotAssigned),
        "the path must be the one that was executed",
    ),
    Row::new(
        "program_that_the_loader_was_told_to_run_is_the_loader",
        &[24],
        "allowed program run by `ld.so`",
        Agent(Reason::CallerNotAssigned),
        "the file that is executed counts",
    ),
    Row::new(
        "file_mounted_over_the_allowed_one_in_an_own_namespace_is_refused",
        &[24],
        "bind mount over the allowed path, in an own mount namespace",
        Agent(Reason::CallerNotAssigned),
        "a path of another mount namespace matches no rule",
    ),
    Row::new(
        "overlay_over_the_allowed_folder_in_an_own_namespace_is_refused",
        &[24],
        "overlay with another file at the allowed path",
        Agent(Reason::CallerNotAssigned),
        "a path of another mount namespace matches no rule",
    ),
    Row::new(
        "allowed_path_within_another_root_directory_is_refused",
        &[24],
        "chroot with another file at the allowed path",
        Agent(Reason::CallerNotAssigned),
        "paths are the agent's",
    ),
    Row::new(
        "file_that_root_mounts_over_the_allowed_one_is_taken_for_it",
        &[24, 48],
        "bind mount over the allowed path by root",
        InAnothersName,
        "nothing: root decides what lies at a path",
    )
    .but("grant by `exeSha256` where root's packages are not trusted"),
    Row::new(
        "executable_in_memory_is_refused",
        &[25],
        "executable in memory (`memfd_create`)",
        Agent(Reason::CallerNotAssigned),
        "it has no path",
    ),
    Row::new(
        "deleted_executable_is_refused",
        &[25],
        "deleted executable",
        Agent(Reason::CallerNotAssigned),
        "its path leads nowhere",
    ),
    Row::new(
        "deleted_executable_is_not_the_file_with_its_name",
        &[25],
        "deleted executable whose link text names another file",
        Agent(Reason::CallerNotAssigned),
        "the path must lead to the very file",
    ),
    Row::new(
        "program_whose_file_was_replaced_is_refused",
        &[25],
        "allowed program whose file is gone",
        Agent(Reason::CallerNotAssigned),
        "the path must lead to the very file",
    )
    .but("an allowed program must be started again after its package was upgraded"),
    Row::new(
        "any_script_of_an_allowed_interpreter_speaks_in_its_name",
        &[26],
        "`#!` script of an allowed interpreter",
        InAnothersName,
        "nothing: the interpreter is the program",
    )
    .but("grant by `scriptPath` or by unit, not by interpreter"),
    Row::new(
        "library_loaded_before_the_allowed_program_speaks_in_its_name",
        &[27],
        "`LD_PRELOAD` into the allowed program, by its user",
        InAnothersName,
        "the user is the boundary",
    )
    .but("forbid `preloaded`, and give what is allowed a user of its own"),
    Row::new(
        "tracer_of_the_allowed_program_speaks_in_its_name",
        &[28],
        "`ptrace` of the allowed program, by its user",
        InAnothersName,
        "the user is the boundary",
    )
    .but("forbid `traced`, and give what is allowed a user of its own"),
    Row::new(
        "process_that_names_another_file_as_its_executable_is_refused",
        &[24, 25],
        "`PR_SET_MM_MAP`: a process names another file as its executable",
        Agent(Reason::CallerReplaced),
        "the executable is captured when it is executed",
    ),
    Row::new(
        "task_with_the_allowed_name_is_refused",
        &[32],
        "task name of the allowed program (`PR_SET_NAME`)",
        Agent(Reason::CallerNotAssigned),
        "task names prove nothing",
    ),
    Row::new(
        "child_that_shares_its_parents_memory_is_brokered",
        &[21],
        "`vfork` child",
        Brokered,
        "captured by its own process number",
    ),
];
