//! Names that people take for one another, and names that no person gave.

use std::collections::HashMap;

use unicode_security::skeleton;

use super::appearance::Appearance;
use super::reading::Reading;
use super::{Code, Finding};

pub(super) fn look(reading: &Reading<'_>, findings: &mut Vec<Finding>) {
    let privileges = reading
        .privileges
        .iter()
        .map(|view| view.form.name.as_str());
    entries("privileges", privileges, findings);
    entries(
        "roles",
        reading.roles.iter().map(|view| view.form.name.as_str()),
        findings,
    );
    let identities = reading.identities;
    entries(
        "identities",
        identities.iter().map(|form| form.name.as_str()),
        findings,
    );
    for (member, texts) in [
        (
            "userName",
            identities
                .iter()
                .map(|form| form.user_name.as_deref())
                .collect::<Vec<_>>(),
        ),
        (
            "groupName",
            identities
                .iter()
                .map(|form| form.group_name.as_deref())
                .collect(),
        ),
    ] {
        let mut known = Known::default();
        for (at, text) in texts.into_iter().enumerate() {
            let Some(text) = text else { continue };
            let pointer = || format!("/rules/identities/{at}/{member}");
            findings.extend(known.confusable(text, pointer));
        }
    }
}

fn entries<'a>(list: &str, names: impl Iterator<Item = &'a str>, findings: &mut Vec<Finding>) {
    let mut known = Known::default();
    for (at, name) in names.enumerate() {
        let pointer = || format!("/rules/{list}/{at}/name");
        findings.extend(known.confusable(name, pointer));
        if let Some(looks) = Appearance::of(name) {
            findings.push(Finding::new(
                Code::GeneratedName,
                pointer(),
                format!(
                    "the name `{name}` holds {}, and refusals are reported by it",
                    looks.as_str()
                ),
                "name it after what it is for",
            ));
        }
    }
}

/// Names that were seen, by what they look like.
#[derive(Default)]
struct Known<'a> {
    by_look: HashMap<String, &'a str>,
    by_case: HashMap<String, &'a str>,
}

impl<'a> Known<'a> {
    /// Returns a finding if another name was seen that looks like this one.
    fn confusable(&mut self, name: &'a str, pointer: impl Fn() -> String) -> Option<Finding> {
        let look: String = skeleton(name).collect();
        let case: String = skeleton(&name.to_lowercase()).collect();
        let by_case = *self.by_case.entry(case).or_insert(name);
        let by_look = *self.by_look.entry(look.to_lowercase()).or_insert(name);
        let other = if by_case == name { by_look } else { by_case };
        (other != name).then(|| {
            let differ = if other.to_lowercase() == name.to_lowercase() {
                "letter case"
            } else {
                "characters that look alike"
            };
            Finding::new(
                Code::ConfusableNames,
                pointer(),
                format!("`{name}` and `{other}` differ only by {differ}"),
                "rename one of them, or correct it if both are to be the same",
            )
        })
    }
}
