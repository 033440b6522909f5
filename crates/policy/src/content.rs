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
    hex::encode(content.0.finalize())
}

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
        });
    }

    /// Selectors that came later feed nothing while none is given, so that older documents keep
    /// their hash. No count and no option begins with a 2.
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
        self.0.update([2]);
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
mod tests {
    use latchkey_protocol::authorization::{Privilege, QueryParameters};

    use super::*;

    fn item(parameters: &[(&str, &str)]) -> AuthorizationItem {
        let parameters = parameters
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let privilege = Privilege {
            name: "p".to_owned(),
            path: "/m".to_owned(),
            query_parameters: Some(QueryParameters(parameters.collect())),
            ..Privilege::default()
        };
        AuthorizationItem {
            default_access: "Deny".to_owned(),
            mode: "Enforce".to_owned(),
            id: "1".to_owned(),
            rules: Some(AccessControlRules {
                privileges: Some(vec![privilege]),
                ..Default::default()
            }),
            ..AuthorizationItem::default()
        }
    }

    #[test]
    fn order_of_parameters_does_not_change_the_hash() {
        let hash = content_hash(&item(&[("a", "1"), ("b", "2")]));
        assert_eq!(hash, content_hash(&item(&[("b", "2"), ("a", "1")])));
        assert_eq!(hash.len(), 64);
    }

    #[test]
    fn any_change_of_content_changes_the_hash() {
        let base = item(&[("a", "1")]);
        let mut variants = vec![
            base.clone(),
            item(&[("a", "2")]),
            item(&[("a1", "")]),
            item(&[]),
        ];
        variants.push(AuthorizationItem {
            id: "2".to_owned(),
            ..base.clone()
        });
        variants.push(AuthorizationItem {
            mode: "Audit".to_owned(),
            ..base.clone()
        });
        variants.push(AuthorizationItem {
            rules: None,
            ..base.clone()
        });
        variants.push(AuthorizationItem {
            rules: Some(AccessControlRules::default()),
            ..base
        });
        let hashes: std::collections::HashSet<_> = variants.iter().map(content_hash).collect();
        assert_eq!(hashes.len(), variants.len());
    }

    fn of(identities: Vec<Identity>) -> AuthorizationItem {
        let mut item = item(&[]);
        item.rules = Some(AccessControlRules {
            identities: Some(identities),
            ..Default::default()
        });
        item
    }

    #[test]
    fn every_selector_and_condition_changes_the_hash() {
        type Change = fn(&mut Identity);
        let changes: [Change; 18] = [
            |_| {},
            |i| i.user_name = Some("x".to_owned()),
            |i| i.group_name = Some("x".to_owned()),
            |i| i.exe_path = Some("x".to_owned()),
            |i| i.process_name = Some("x".to_owned()),
            |i| i.systemd_unit = Some("x".to_owned()),
            |i| i.systemd_slice = Some("x".to_owned()),
            |i| i.container_id = Some("x".to_owned()),
            |i| i.cgroup = Some("x".to_owned()),
            |i| i.script_path = Some("x".to_owned()),
            |i| i.uid = Some(0),
            |i| i.uid = Some(1),
            |i| i.gid = Some(1),
            |i| i.exe_sha256 = Some(vec![]),
            |i| i.exe_sha256 = Some(vec!["x".to_owned()]),
            |i| i.forbid = Some(vec![]),
            |i| i.forbid = Some(vec!["x".to_owned()]),
            |i| i.forbid = Some(vec!["x".to_owned(), "y".to_owned()]),
        ];
        let changed = changes.iter().map(|change| {
            let mut identity = Identity::default();
            change(&mut identity);
            content_hash(&of(vec![identity]))
        });
        let hashes: std::collections::HashSet<_> = changed.collect();
        assert_eq!(hashes.len(), changes.len());
    }

    #[test]
    fn document_without_later_selectors_keeps_its_hash() {
        let identity = Identity {
            name: "i".to_owned(),
            user_name: Some("alice".to_owned()),
            ..Identity::default()
        };
        assert_eq!(
            content_hash(&of(vec![identity])),
            "ffeeb78ef752ee0b08bcf22aa0e443b3c735aff26a5e90627827a8dc482a1725"
        );
    }
}
