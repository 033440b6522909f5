//! Reads how strictly a profile is meant: its mode, the modes of its assignments, and when Audit ends.

use latchkey_protocol::{AuditEnd, Mode};

use super::Reader;
use crate::document::ProblemKind;

impl Reader {
    pub(super) fn mode(&mut self, text: &str) -> Option<Mode> {
        text.parse()
            .map_err(|error| self.report("/mode", ProblemKind::UnknownMode(error)))
            .ok()
    }

    pub(super) fn audit_until(&mut self, text: Option<&str>) -> Option<AuditEnd> {
        text?
            .parse()
            .map_err(|error| self.report("/auditUntil", ProblemKind::InvalidTime(error)))
            .ok()
    }

    /// Reads the mode of an assignment; an assignment cannot switch the protection off.
    pub(super) fn assignment_mode(&mut self, pointer: &str, text: Option<&str>) -> Option<Mode> {
        let text = text?;
        match text.parse() {
            Ok(mode @ (Mode::Audit | Mode::Enforce)) => Some(mode),
            Ok(Mode::Disabled) | Err(_) => {
                let kind = ProblemKind::InvalidAssignmentMode(text.to_owned());
                self.report(format!("{pointer}/mode"), kind);
                None
            }
        }
    }
}
