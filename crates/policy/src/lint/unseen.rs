//! Characters that nobody sees: they make two texts look alike, or one look like another.
//!
//! SECURITY: whoever proposes a profile could hide in it what it says, by a change of direction or an
//! escape sequence for the terminal of whoever reviews it.

use super::reading::{Reading, identity_at, privilege_at};
use super::{Code, Finding};

pub(super) fn look(reading: &Reading<'_>, findings: &mut Vec<Finding>) {
    let mut tell = |pointer: String, text: &str| findings.extend(unseen(pointer, text));
    tell("/id".to_owned(), &reading.item.id);
    for (at, privilege) in reading.privileges.iter().enumerate() {
        let pointer = privilege_at(at);
        tell(format!("{pointer}/name"), &privilege.form.name);
        tell(format!("{pointer}/path"), &privilege.form.path);
        let parameters = privilege.form.query_parameters.iter();
        for (name, value) in parameters.flat_map(|all| &all.0) {
            tell(format!("{pointer}/queryParameters"), name);
            tell(super::parameters::pointer(at, name), value);
        }
    }
    for (at, role) in reading.roles.iter().enumerate() {
        tell(format!("/rules/roles/{at}/name"), &role.form.name);
    }
    for (at, identity) in reading.identities.iter().enumerate() {
        tell(format!("{}/name", identity_at(at)), &identity.name);
        for (member, text) in [
            ("userName", &identity.user_name),
            ("groupName", &identity.group_name),
            ("exePath", &identity.exe_path),
            ("processName", &identity.process_name),
            ("systemdUnit", &identity.systemd_unit),
            ("systemdSlice", &identity.systemd_slice),
            ("containerId", &identity.container_id),
            ("cgroup", &identity.cgroup),
            ("scriptPath", &identity.script_path),
        ] {
            let text = text.as_deref().unwrap_or_default();
            tell(format!("{}/{member}", identity_at(at)), text);
        }
    }
    for (at, assignment) in reading.assignments.iter().enumerate() {
        let comment = assignment.comment.as_deref().unwrap_or_default();
        tell(format!("/rules/roleAssignments/{at}/comment"), comment);
    }
}

fn unseen(pointer: String, text: &str) -> Option<Finding> {
    let hidden = text.chars().find(|letter| is_unseen(*letter))?;
    Some(Finding::new(
        Code::UnseenCharacters,
        pointer,
        format!(
            "`{}` has the character U+{:04X}, which is not seen or changes how others are shown",
            text.escape_debug(),
            u32::from(hidden)
        ),
        "write it without",
    ))
}

/// Controls, changes of direction, and what has no width and is no mark upon a letter.
pub(crate) fn is_unseen(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}
