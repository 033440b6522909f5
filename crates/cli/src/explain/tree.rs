//! An answer as a short tree for people, the verdict first.

use latchkey_policy::case::{Answer, Verdict};

/// Returns the verdict in the word that stands on the first line.
pub(crate) const fn headline(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allow => "ALLOW",
        Verdict::Audit => "AUDIT",
        Verdict::Deny => "DENY",
        Verdict::Error => "ERROR",
    }
}

/// Returns the whole tree.
pub(crate) fn text(answer: &Answer) -> String {
    let mut text = format!("{}\n", headline(answer.verdict));
    if let Some(reason) = answer.reason {
        text += &format!("├─ reason: {reason}: {}\n", reason.title());
    }
    match &answer.rule {
        Some(rule) => text += &format!("└─ rule: {rule}\n"),
        None => text += "└─ the rules were not asked\n",
    }
    text
}
