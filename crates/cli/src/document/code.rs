//! The stable words for what can be wrong with a profile, in `--format json`.

use latchkey_policy::document::{Fault, ProblemKind};

/// Returns the word for a fault.
pub(super) const fn of(fault: &Fault) -> &'static str {
    match fault {
        Fault::DuplicateField { .. } => "duplicate_field",
        Fault::Local(_) => "local_rules",
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
        ProblemKind::DuplicateName { .. } => "duplicate_name",
        ProblemKind::DuplicateParameter(_) => "duplicate_parameter",
        ProblemKind::EmptyList => "empty_list",
        ProblemKind::MissingList => "missing_list",
        ProblemKind::NamelessParameter => "nameless_parameter",
        ProblemKind::NoSelector => "no_selector",
        ProblemKind::QueryInPath(_) => "query_in_path",
        ProblemKind::RelativePath(_) => "relative_path",
        ProblemKind::UnknownAccess(_) => "unknown_access",
        ProblemKind::UnknownIdentity(_) => "unknown_identity",
        ProblemKind::UnknownMode(_) => "unknown_mode",
        ProblemKind::UnknownPrivilege(_) => "unknown_privilege",
        ProblemKind::UnknownRole(_) => "unknown_role",
        ProblemKind::UnreadablePath { .. } => "unreadable_path",
        ProblemKind::UnreadableText { .. } => "unreadable_text",
        // Texts that are not of the form that their field asks for.
        _ => "invalid_value",
    }
}
