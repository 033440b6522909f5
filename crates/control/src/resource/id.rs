//! Resource ids: `/subscriptions/S/resourceGroups/G/providers/Microsoft.Compute/TYPE/NAME[/TYPE/NAME…]`.

use std::fmt;

use crate::store::{Key, Kind};

/// The only provider that there is.
pub const PROVIDER: &str = "Microsoft.Compute";

/// The id of a resource; compared without regard to letter case.
#[derive(Clone, Debug)]
pub struct ResourceId {
    /// The subscription.
    pub subscription: String,
    /// The resource group.
    pub group: String,
    /// Types and names, the outermost first; at least one.
    pub path: Vec<(String, String)>,
}

impl ResourceId {
    /// Reads an id.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.strip_prefix('/')?.split('/');
        let mut word = |name: &str| {
            let is_named = words.next()?.eq_ignore_ascii_case(name);
            let value = words.next().filter(|value| is_named && !value.is_empty())?;
            Some(value.to_owned())
        };
        let subscription = word("subscriptions")?;
        let group = word("resourceGroups")?;
        word("providers").filter(|provider| provider.eq_ignore_ascii_case(PROVIDER))?;
        let rest: Vec<&str> = words.collect();
        let (pairs, odd) = rest.as_chunks::<2>();
        let path = pairs
            .iter()
            .map(|[kind, name]| ((*kind).to_owned(), (*name).to_owned()));
        let path: Vec<_> = path.collect();
        let is_whole = path
            .iter()
            .all(|(kind, name)| !kind.is_empty() && !name.is_empty());
        (odd.is_empty() && !path.is_empty() && is_whole).then_some(Self {
            subscription,
            group,
            path,
        })
    }

    /// Returns what kind of document it names, if it is one that control keeps.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        let kinds = self.path.iter().map(|(kind, _)| kind.to_ascii_lowercase());
        let kinds: Vec<String> = kinds.collect();
        let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
        match kinds.as_slice() {
            ["galleries"] => Some(Kind::Gallery),
            ["galleries", "invmaccesscontrolprofiles"] => Some(Kind::Profile),
            ["galleries", "invmaccesscontrolprofiles", "versions"] => Some(Kind::ProfileVersion),
            ["virtualmachines"] => Some(Kind::VirtualMachine),
            ["virtualmachinescalesets"] => Some(Kind::ScaleSet),
            ["virtualmachinescalesets", "virtualmachines"] => Some(Kind::ScaleSetInstance),
            _ => None,
        }
    }

    /// Returns the document's key, if it is one that control keeps.
    #[must_use]
    pub fn key(&self) -> Option<Key> {
        Some(Key::new(
            self.kind()?,
            self.to_string().to_ascii_lowercase(),
        ))
    }

    /// Returns the resource's own name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.path
            .last()
            .map(|(_, name)| name.as_str())
            .unwrap_or_default()
    }

    /// Returns the resource that it is a part of.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let (_, path) = self.path.split_last()?;
        (!path.is_empty()).then(|| Self {
            path: path.to_vec(),
            ..self.clone()
        })
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (subscription, group) = (&self.subscription, &self.group);
        write!(
            f,
            "/subscriptions/{subscription}/resourceGroups/{group}/providers/{PROVIDER}"
        )?;
        for (kind, name) in &self.path {
            write!(f, "/{kind}/{name}")?;
        }
        Ok(())
    }
}

impl PartialEq for ResourceId {
    fn eq(&self, other: &Self) -> bool {
        self.to_string().eq_ignore_ascii_case(&other.to_string())
    }
}

impl Eq for ResourceId {}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSION: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute\
                           /galleries/a/inVMAccessControlProfiles/p/versions/1.0.0";

    #[test]
    fn id_is_the_same_in_any_letter_case() {
        let id = ResourceId::parse(VERSION).unwrap();
        assert_eq!(id.to_string(), VERSION);
        assert_eq!(
            ResourceId::parse(&VERSION.to_ascii_uppercase()).unwrap(),
            id
        );
        assert_eq!(id.kind(), Some(Kind::ProfileVersion));
        assert_eq!(id.key().unwrap().id, VERSION.to_ascii_lowercase());
        assert_eq!(id.parent().unwrap().name(), "p");
    }

    #[test]
    fn what_lacks_a_part_is_no_id() {
        for text in [
            "",
            "/",
            "subscriptions/s",
            "/subscriptions//resourceGroups/g/providers/Microsoft.Compute/galleries/a",
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/galleries/a",
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute",
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/galleries",
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/galleries/a/",
        ] {
            assert!(ResourceId::parse(text).is_none(), "{text}");
        }
    }
}
