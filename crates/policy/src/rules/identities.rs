//! Finds the identities of a caller without looking at every one.
//!
//! An attribute that the caller does not have matches no selector.

use std::collections::HashMap;
use std::sync::Arc;

use latchkey_protocol::Attributes;

/// A kind of caller: all given selectors hold. There is at least one, and none is blank.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) name: Arc<str>,
    pub(crate) user: Option<String>,
    pub(crate) group: Option<String>,
    /// `/a/b`, without empty or dot segments.
    pub(crate) executable: Option<String>,
    pub(crate) process: Option<String>,
}

/// What a caller or an identity is looked up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Selector<'a> {
    User(&'a str),
    Group(&'a str),
    Executable(&'a str),
    Process(&'a str),
}

impl Identity {
    fn selectors(&self) -> impl Iterator<Item = Selector<'_>> {
        [
            self.executable.as_deref().map(Selector::Executable),
            self.process.as_deref().map(Selector::Process),
            self.user.as_deref().map(Selector::User),
            self.group.as_deref().map(Selector::Group),
        ]
        .into_iter()
        .flatten()
    }

    fn matches(&self, caller: &Attributes) -> bool {
        self.selectors().all(|selector| match selector {
            Selector::User(name) => caller.user_name.as_deref() == Some(name),
            Selector::Group(name) => caller.group_names.iter().any(|group| group == name),
            Selector::Executable(path) => caller.executable.as_deref() == Some(path),
            Selector::Process(name) => caller.process_name() == Some(name),
        })
    }
}

/// The indexes of the identities that are filed under each value of one selector.
type Index = HashMap<String, Vec<usize>>;

/// The identities of a profile. Each is filed once, under the selector that the fewest
/// identities share.
#[derive(Debug, Default)]
pub(crate) struct Identities {
    all: Vec<Identity>,
    by_user: Index,
    by_group: Index,
    by_executable: Index,
    by_process: Index,
}

impl Identities {
    pub(crate) fn build(all: Vec<Identity>) -> Self {
        let mut shared: HashMap<Selector<'_>, usize> = HashMap::new();
        for selector in all.iter().flat_map(Identity::selectors) {
            *shared.entry(selector).or_default() += 1;
        }
        let mut built = Self::default();
        for (at, identity) in all.iter().enumerate() {
            let rarest = identity
                .selectors()
                .min_by_key(|selector| shared.get(selector).copied());
            if let Some(selector) = rarest {
                built.file(selector, at);
            }
        }
        Self { all, ..built }
    }

    fn file(&mut self, selector: Selector<'_>, at: usize) {
        let (index, value) = match selector {
            Selector::User(name) => (&mut self.by_user, name),
            Selector::Group(name) => (&mut self.by_group, name),
            Selector::Executable(path) => (&mut self.by_executable, path),
            Selector::Process(name) => (&mut self.by_process, name),
        };
        index.entry(value.to_owned()).or_default().push(at);
    }

    /// Returns the indexes of the identities that a caller is of.
    pub(crate) fn matching<'a>(
        &'a self,
        caller: &'a Attributes,
    ) -> impl Iterator<Item = usize> + 'a {
        let groups = caller
            .group_names
            .iter()
            .map(|group| (&self.by_group, group.as_str()));
        [
            caller
                .executable
                .as_deref()
                .map(|path| (&self.by_executable, path)),
            caller.process_name().map(|name| (&self.by_process, name)),
            caller
                .user_name
                .as_deref()
                .map(|name| (&self.by_user, name)),
        ]
        .into_iter()
        .flatten()
        .chain(groups)
        .filter_map(|(index, value)| index.get(value))
        .flatten()
        .copied()
        .filter(|at| {
            self.all
                .get(*at)
                .is_some_and(|identity| identity.matches(caller))
        })
    }

    pub(crate) fn name(&self, at: usize) -> Option<&Arc<str>> {
        self.all.get(at).map(|identity| &identity.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(at: usize, user: &str, executable: &str) -> Identity {
        Identity {
            name: Arc::from(format!("i{at}")),
            user: Some(user.to_owned()),
            group: None,
            executable: Some(executable.to_owned()),
            process: None,
        }
    }

    fn caller(user: &str, executable: &str) -> Attributes {
        Attributes {
            user_name: Some(user.to_owned()),
            group_names: vec!["g".to_owned()],
            executable: Some(executable.to_owned()),
        }
    }

    #[test]
    fn identities_that_share_a_user_are_filed_by_executable() {
        let all = (0..1000)
            .map(|at| identity(at, "root", &format!("/opt/{at}")))
            .collect();
        let identities = Identities::build(all);
        assert!(identities.by_user.is_empty());
        assert!(
            identities
                .by_executable
                .values()
                .all(|filed| filed.len() == 1)
        );
        assert_eq!(
            identities
                .matching(&caller("root", "/opt/7"))
                .collect::<Vec<_>>(),
            [7]
        );
        assert_eq!(identities.matching(&caller("bob", "/opt/7")).count(), 0);
    }

    #[test]
    fn absent_attributes_match_no_selector() {
        let mut by_process = identity(0, "", "");
        by_process.process = Some("curl".to_owned());
        (by_process.user, by_process.executable) = (None, None);
        let identities = Identities::build(vec![identity(1, "root", "/opt/1"), by_process]);
        assert_eq!(identities.matching(&Attributes::default()).count(), 0);
        let without_executable = Attributes {
            executable: None,
            ..caller("root", "")
        };
        assert_eq!(identities.matching(&without_executable).count(), 0);
    }
}
