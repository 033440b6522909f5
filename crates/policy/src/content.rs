//! The hash that names a profile's content: what changes the rules changes the hash.
//!
//! A host may change a profile and keep its id, so ids are not compared.

use latchkey_protocol::authorization::{AccessControlRules, AuthorizationItem, Identity};
use sha2::{Digest as _, Sha256};

/// Returns the SHA-256 of a profile's content in 64 lower-case hexadecimal digits.
///
/// Two items have one hash exactly when they hold the same fields and lists; the order
/// of query parameters, an object's members, makes no difference.
#[must_use]
pub fn content_hash(item: &AuthorizationItem) -> String {
    let mut content = Content(Sha256::new());
    content.text(&item.default_access);
    content.text(&item.mode);
    content.text(&item.id);
    content.option(item.rules.as_ref(), Content::rules);
    if let Some(until) = &item.audit_until {
        content.0.update([AUDIT_UNTIL]);
        content.text(until);
    }
    hex::encode(content.0.finalize())
}

/// Precedes fields that came later. They feed nothing while none is given, so that older documents
/// keep their hash. No count and no option begins with one of these.
const LATER_FIELDS: u8 = 2;
const AUDIT_UNTIL: u8 = 3;

/// Feeds a document to the hash: every text after its length, every list after its
/// count, so that no two documents feed the same bytes.
struct Content(Sha256);

impl Content {
    fn text(&mut self, text: &str) {
        self.count(text.len());
        self.0.update(text);
    }

    fn count(&mut self, count: usize) {
        self.0
            .update(u64::try_from(count).unwrap_or(u64::MAX).to_be_bytes());
    }

    fn option<T>(&mut self, value: Option<T>, feed: impl FnOnce(&mut Self, T)) {
        self.0.update([u8::from(value.is_some())]);
        if let Some(value) = value {
            feed(self, value);
        }
    }

    fn list<T>(&mut self, list: Option<&Vec<T>>, feed: impl Fn(&mut Self, &T)) {
        self.option(list, |content, list| {
            content.count(list.len());
            list.iter().for_each(|entry| feed(content, entry));
        });
    }

    fn rules(&mut self, rules: &AccessControlRules) {
        self.list(rules.privileges.as_ref(), |content, privilege| {
            content.text(&privilege.name);
            content.text(&privilege.path);
            let mut parameters = privilege
                .query_parameters
                .clone()
                .map(|parameters| parameters.0);
            if let Some(parameters) = &mut parameters {
                parameters.sort_unstable();
            }
            content.list(parameters.as_ref(), |content, (name, value)| {
                content.text(name);
                content.text(value);
            });
            if privilege.methods.is_some() || privilege.path_match.is_some() {
                content.0.update([LATER_FIELDS]);
                content.list(privilege.methods.as_ref(), |content, method| {
                    content.text(method)
                });
                content.option(privilege.path_match.as_deref(), Self::text);
            }
        });
        self.list(rules.roles.as_ref(), |content, role| {
            content.text(&role.name);
            content.list(Some(&role.privileges), |content, name| content.text(name));
        });
        self.list(rules.identities.as_ref(), |content, identity| {
            content.text(&identity.name);
            for selector in [
                &identity.user_name,
                &identity.group_name,
                &identity.exe_path,
                &identity.process_name,
            ] {
                content.option(selector.as_deref(), Self::text);
            }
            content.later_selectors(identity);
        });
        self.list(rules.role_assignments.as_ref(), |content, assignment| {
            content.text(&assignment.role);
            content.list(Some(&assignment.identities), |content, name| {
                content.text(name)
            });
            if assignment.mode.is_some() || assignment.comment.is_some() {
                content.0.update([LATER_FIELDS]);
                content.option(assignment.mode.as_deref(), Self::text);
                content.option(assignment.comment.as_deref(), Self::text);
            }
        });
    }

    fn later_selectors(&mut self, identity: &Identity) {
        let texts = [
            &identity.systemd_unit,
            &identity.systemd_slice,
            &identity.container_id,
            &identity.cgroup,
            &identity.script_path,
        ];
        let numbers = [identity.uid, identity.gid];
        let lists = [&identity.exe_sha256, &identity.forbid];
        let is_given = texts.iter().any(|text| text.is_some())
            || numbers.iter().any(Option::is_some)
            || lists.iter().any(|list| list.is_some());
        if !is_given {
            return;
        }
        self.0.update([LATER_FIELDS]);
        for text in texts {
            self.option(text.as_deref(), Self::text);
        }
        for number in numbers {
            self.option(number, |content, number| {
                content.0.update(number.to_be_bytes());
            });
        }
        for list in lists {
            self.list(list.as_ref(), |content, word| content.text(word));
        }
    }
}

#[cfg(test)]
mod tests;
