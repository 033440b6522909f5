//! The stable words for what can be wrong with a profile, in `--format json`.

use latchkey_policy::document::{Fault, ProblemKind};
use latchkey_policy::local::LocalKind;

/// Returns the word for a fault.
pub(super) const fn of(fault: &Fault) -> &'static str {
    match fault {
        Fault::DuplicateField { .. } => "duplicate_field",
        Fault::Local(kind) => of_local(kind),
        Fault::Malformed(_) => "malformed_json",
        Fault::MissingField(_) => "missing_field",
        Fault::NotUtf8 => "not_utf8",
        Fault::Profile(kind) => of_profile(kind),
        Fault::TooDeep => "too_deep",
        Fault::TooLarge => "too_large",
        Fault::UnknownField { .. } => "unknown_field",
        Fault::UnknownForm => "unknown_form",
        Fault::WrongType { .. } => "wrong_type",
    }
}

const fn of_profile(kind: &ProblemKind) -> &'static str {
    match kind {
        ProblemKind::BlankName => "blank_name",
        ProblemKind::BlankSelector => "blank_selector",
        ProblemKind::DottedPath(_) => "dotted_path",
        ProblemKind::DuplicateMethod(_) => "duplicate_method",
        ProblemKind::DuplicateName { .. } => "duplicate_name",
        ProblemKind::DuplicateParameter(_) => "duplicate_parameter",
        ProblemKind::EmptyList => "empty_list",
        ProblemKind::InvalidAssignmentMode(_) => "invalid_assignment_mode",
        ProblemKind::InvalidDigest(_) => "invalid_digest",
        ProblemKind::InvalidMethod(_) => "invalid_method",
        ProblemKind::InvalidSlice(_) => "invalid_slice",
        ProblemKind::InvalidTime(_) => "invalid_time",
        ProblemKind::InvalidUnit(_) => "invalid_unit",
        ProblemKind::LowerCaseMethod(_) => "lower_case_method",
        ProblemKind::MissingList => "missing_list",
        ProblemKind::NamelessParameter => "nameless_parameter",
        ProblemKind::NoSelector => "no_selector",
        ProblemKind::QueryInPath(_) => "query_in_path",
        ProblemKind::RelativeCgroup(_) => "relative_cgroup",
        ProblemKind::RelativeFile(_) => "relative_file",
        ProblemKind::RelativePath(_) => "relative_path",
        ProblemKind::UnknownAccess(_) => "unknown_access",
        ProblemKind::UnknownFlag(_) => "unknown_flag",
        ProblemKind::UnknownIdentity(_) => "unknown_identity",
        ProblemKind::UnknownMode(_) => "unknown_mode",
        ProblemKind::UnknownPathMatch(_) => "unknown_path_match",
        ProblemKind::UnknownPrivilege(_) => "unknown_privilege",
        ProblemKind::UnknownRole(_) => "unknown_role",
        ProblemKind::UnreadablePath { .. } => "unreadable_path",
        ProblemKind::UnreadableText { .. } => "unreadable_text",
    }
}

const fn of_local(kind: &LocalKind) -> &'static str {
    match kind {
        LocalKind::BlankId => "blank_id",
        LocalKind::BlankValue => "blank_value",
        LocalKind::LoosenedMode => "loosened_mode",
        LocalKind::NoReference => "no_reference",
        LocalKind::RepeatedReference(_) => "repeated_reference",
    }
}
