//! How scopes are said: "GET and HEAD `/a` with `b=c`".

use std::collections::{BTreeMap, BTreeSet};

use super::scope::{Place, Scope, Scopes};

/// Scopes that differ in place and method alone, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Phrase {
    /// What is said.
    pub(crate) scopes: Scopes,
    /// Nothing stands for every method.
    methods: Option<String>,
    target: String,
}

impl Phrase {
    /// Says what one does: "GET `/a`", or "ask for `/a`" by any method.
    pub(crate) fn asked(&self) -> String {
        let verb = self.methods.as_deref().unwrap_or("ask for");
        format!("{verb} {}", self.target)
    }

    /// Says what it is.
    fn noun(&self) -> String {
        match &self.methods {
            Some(methods) => format!("{methods} {}", self.target),
            None => self.target.clone(),
        }
    }
}

/// Says what scopes are, in one text.
pub(crate) fn noun<'a>(scopes: impl IntoIterator<Item = &'a Scope>) -> String {
    let phrases: Vec<_> = phrases(scopes).iter().map(Phrase::noun).collect();
    if phrases.is_empty() {
        "nothing".to_owned()
    } else {
        phrases.join("; ")
    }
}

type Constraints = [(String, String)];
/// Methods; nothing stands for every one.
type Methods<'a> = BTreeSet<Option<&'a str>>;

/// Puts scopes into as few phrases as they need, in the order of their paths.
pub(crate) fn phrases<'a>(scopes: impl IntoIterator<Item = &'a Scope>) -> Vec<Phrase> {
    let mut methods: BTreeMap<(&str, &Constraints, Place), Methods<'_>> = BTreeMap::new();
    for scope in scopes {
        let key = (scope.path.as_str(), &scope.constraints[..], scope.place);
        let method = scope.method.as_deref();
        methods.entry(key).or_default().insert(method);
    }
    let mut places: BTreeMap<(&str, &Constraints, Methods<'_>), Vec<Place>> = BTreeMap::new();
    for ((path, constraints, place), methods) in methods {
        let key = (path, constraints, methods);
        places.entry(key).or_default().push(place);
    }
    let phrase =
        |((path, constraints, methods), places): ((&str, &Constraints, _), Vec<Place>)| Phrase {
            scopes: product(path, constraints, &methods, &places),
            methods: methods_in_words(&methods),
            target: target(path, &places) + &parameters(constraints),
        };
    places.into_iter().map(phrase).collect()
}

fn product(
    path: &str,
    constraints: &Constraints,
    methods: &Methods<'_>,
    places: &[Place],
) -> Scopes {
    let each = |place: &Place| {
        let place = *place;
        methods.iter().map(move |method| Scope {
            path: path.to_owned(),
            constraints: constraints.to_vec(),
            method: method.map(str::to_owned),
            place,
        })
    };
    places.iter().flat_map(each).collect()
}

fn methods_in_words(methods: &Methods<'_>) -> Option<String> {
    let named: Option<Vec<&str>> = methods.iter().copied().collect();
    named.map(|named| named.join(" and "))
}

fn target(path: &str, places: &[Place]) -> String {
    match (path, places) {
        (_, [Place::Bare, Place::Slash, Place::Below]) | ("/", [Place::Bare, Place::Below]) => {
            format!("`{path}`")
        }
        (_, [Place::Bare, Place::Slash]) | ("/", [Place::Bare]) => format!("exactly `{path}`"),
        (_, [Place::Slash, Place::Below]) => format!("`{path}/`"),
        _ => {
            let each = places.iter().map(|place| match place {
                Place::Bare => format!("`{path}` without a slash behind it"),
                Place::Slash => format!("exactly `{path}/`"),
                Place::Below => format!("what lies below `{path}`"),
            });
            each.collect::<Vec<_>>().join(" and ")
        }
    }
}

fn parameters(constraints: &Constraints) -> String {
    let pairs: Vec<_> = constraints
        .iter()
        .map(|(name, value)| format!("`{name}={value}`"))
        .collect();
    if pairs.is_empty() {
        String::new()
    } else {
        format!(" with {}", pairs.join(" and "))
    }
}
