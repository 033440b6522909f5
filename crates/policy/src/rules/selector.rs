//! What an identity selects callers by, and what a caller is found under.
//!
//! Both are texts of a kind, so that one index serves all kinds. An attribute that the
//! caller does not have has no text, and matches no selector.

use latchkey_protocol::Attributes;

/// What is asked about a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// The cgroup's path, or that of one above it.
    Cgroup,
    Container,
    /// `/a/b`, without empty or dot segments.
    Executable,
    ExecutableDigest,
    Gid,
    Group,
    Process,
    Script,
    Slice,
    Uid,
    Unit,
    User,
}

/// A kind, and the texts of which the caller must have one.
#[derive(Clone, Debug)]
pub(crate) struct Selector {
    pub(crate) kind: Kind,
    pub(crate) any_of: Vec<String>,
}

impl Selector {
    pub(crate) fn one(kind: Kind, text: &str) -> Self {
        Self {
            kind,
            any_of: vec![text.to_owned()],
        }
    }

    pub(crate) fn holds(&self, caller: &Attributes) -> bool {
        let mut holds = false;
        self.kind.each_of(caller, |text| {
            holds |= self.any_of.iter().any(|wanted| wanted == text);
        });
        holds
    }
}

impl Kind {
    /// Returns the name of the selector in a document.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Cgroup => "cgroup",
            Self::Container => "containerId",
            Self::Executable => "exePath",
            Self::ExecutableDigest => "exeSha256",
            Self::Gid => "gid",
            Self::Group => "groupName",
            Self::Process => "processName",
            Self::Script => "scriptPath",
            Self::Slice => "systemdSlice",
            Self::Uid => "uid",
            Self::Unit => "systemdUnit",
            Self::User => "userName",
        }
    }

    /// Calls `see` with each text that a caller has of this kind.
    pub(crate) fn each_of(self, caller: &Attributes, mut see: impl FnMut(&str)) {
        let one = match self {
            Self::Cgroup => {
                return caller
                    .cgroup
                    .iter()
                    .for_each(|path| each_above(path, &mut see));
            }
            Self::Group => return caller.group_names.iter().for_each(|name| see(name)),
            Self::Gid => return see_number(caller.gid, see),
            Self::Uid => return see_number(caller.uid, see),
            Self::Process => caller.process_name(),
            Self::Container => caller.container_id.as_deref(),
            Self::Executable => caller.executable.as_deref(),
            Self::ExecutableDigest => caller.exe_sha256.as_deref(),
            Self::Script => caller.script_path.as_deref(),
            Self::Slice => caller.systemd_slice.as_deref(),
            Self::Unit => caller.systemd_unit.as_deref(),
            Self::User => caller.user_name.as_deref(),
        };
        one.into_iter().for_each(see);
    }
}

fn see_number(number: Option<u32>, mut see: impl FnMut(&str)) {
    if let Some(number) = number {
        see(itoa::Buffer::new().format(number));
    }
}

/// Calls `see` with a path and with those of all folders above it but the root.
fn each_above(path: &str, see: &mut impl FnMut(&str)) {
    let ends = path.match_indices('/').map(|(at, _)| at).skip(1);
    ends.filter_map(|end| path.get(..end)).for_each(&mut *see);
    see(path);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cgroup_is_found_under_itself_and_all_above_it() {
        let caller = Attributes {
            cgroup: Some("/a.slice/b.service/c".to_owned()),
            ..Attributes::default()
        };
        let mut seen = Vec::new();
        Kind::Cgroup.each_of(&caller, |path| seen.push(path.to_owned()));
        assert_eq!(
            seen,
            ["/a.slice", "/a.slice/b.service", "/a.slice/b.service/c"]
        );
        for (path, holds) in [
            ("/a.slice", true),
            ("/a.slice/b.service", true),
            ("/a.slice/b.service/c", true),
            ("/a.slice/b", false),
            ("/a", false),
            ("/a.slice/b.service/c/d", false),
        ] {
            assert_eq!(
                Selector::one(Kind::Cgroup, path).holds(&caller),
                holds,
                "{path}"
            );
        }
    }

    #[test]
    fn absent_attribute_has_no_text() {
        for kind in [
            Kind::Cgroup,
            Kind::Container,
            Kind::Executable,
            Kind::ExecutableDigest,
            Kind::Gid,
            Kind::Group,
            Kind::Process,
            Kind::Script,
            Kind::Slice,
            Kind::Uid,
            Kind::Unit,
            Kind::User,
        ] {
            assert!(
                !Selector::one(kind, "").holds(&Attributes::default()),
                "{kind:?}"
            );
        }
    }
}
