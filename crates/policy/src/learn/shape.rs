//! The shape of a request: what is left of a target when what differs each time is taken off.
//!
//! Targets repeat, so shapes are kept in a bounded cache under the target as received.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::Arc;

use latchkey_protocol::EndpointKind;
use latchkey_protocol::target::CanonicalTarget;

use super::ephemeral::is_ephemeral;
use super::parameter::{Role, is_secret_name, role};
use super::sample::{Sample, Verdict};
use crate::sensitive::ruled_by;

/// Targets from this length on are not learned from, in bytes: the agent records no more of one, so what
/// is as long may go on.
const MAX_TARGET_BYTES: usize = 1024;

/// How much the parameters of a rule may weigh, in bytes.
const MAX_CONSTRAINTS_BYTES: usize = 640;

/// What one parameter weighs besides its name and value.
const CONSTRAINT_BYTES: usize = 32;

/// The longest example, in bytes.
const MAX_EXAMPLE_BYTES: usize = 320;

/// The longest path that becomes a rule, in bytes.
const MAX_PATH_BYTES: usize = 512;

/// How many targets are remembered.
const MAX_REMEMBERED: usize = 8192;

/// How many bytes the remembered targets may take.
const MAX_REMEMBERED_BYTES: usize = 8 << 20;

/// How much of a value is shown, in bytes.
const SHOWN_VALUE_BYTES: usize = 48;

/// Methods that the agent serves.
const METHODS: [&str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

/// Why a sample becomes no rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    Ambiguous,
    Failed,
    Refused,
    RootRequired,
    Status(u16),
    TooLong,
    UnknownCaller,
    UnknownMethod,
    UnknownStatus,
}

impl Fault {
    pub(super) fn says(self) -> String {
        let text = match self {
            Self::Ambiguous => "the target can be read in two ways",
            Self::Failed => "no whole answer came",
            Self::Refused => "it was or would be refused whatever the rules say",
            Self::RootRequired => "the endpoint answers to root alone",
            Self::Status(status) => return format!("the answer was {status}"),
            Self::TooLong => "the target is too long",
            Self::UnknownCaller => "nothing is known that the caller could be selected by",
            Self::UnknownMethod => "the agent does not serve the method",
            Self::UnknownStatus => "the answer's status was not recorded",
        };
        text.to_owned()
    }
}

/// Returns what keeps a sample from becoming a rule, but for its target and caller.
pub(super) fn fault(sample: &Sample<'_>, fine: &BTreeSet<u16>) -> Option<Fault> {
    match sample.verdict {
        Verdict::Refused => return Some(Fault::Refused),
        Verdict::Failed => return Some(Fault::Failed),
        Verdict::Forwarded | Verdict::Withheld => {}
    }
    match sample.status {
        None => return Some(Fault::UnknownStatus),
        Some(200..400) => {}
        Some(status) if fine.contains(&status) => {}
        Some(status) => return Some(Fault::Status(status)),
    }
    if sample.endpoint.is_root_only() && !sample.caller.root {
        return Some(Fault::RootRequired);
    }
    served(&sample.method)
        .is_none()
        .then_some(Fault::UnknownMethod)
}

/// Returns a method that the agent serves.
pub(super) fn served(method: &str) -> Option<&'static str> {
    METHODS.into_iter().find(|own| *own == method)
}

/// How far a path reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Reach {
    /// The path alone.
    Exact,
    /// The path and all below it.
    Below,
}

/// Parameters with the values that they must have, sorted.
pub(super) type Constraints = Vec<(Box<str>, Box<str>)>;

/// What requests have in common.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) path: Arc<str>,
    pub(super) reach: Reach,
    pub(super) constraints: Constraints,
    pub(super) free: Vec<(Box<str>, &'static str)>,
    /// The target with what looks secret cut.
    pub(super) example: Arc<str>,
}

impl Shape {
    fn read(endpoint: EndpointKind, raw: &str) -> Result<Self, Fault> {
        if raw.len() >= MAX_TARGET_BYTES {
            return Err(Fault::TooLong);
        }
        let target = CanonicalTarget::parse(raw).map_err(|_reason| Fault::Ambiguous)?;
        if !target.path().starts_with('/') {
            return Err(Fault::Ambiguous);
        }
        let (path, reach) = lasting(target.path());
        if path.len() > MAX_PATH_BYTES {
            return Err(Fault::TooLong);
        }
        let mut constraints = Constraints::new();
        let mut free = Vec::new();
        for (name, value) in target.parameters() {
            match role(ruled_by(endpoint), name, value) {
                Role::Free(why) => free.push((name.as_str().into(), why)),
                Role::Deciding | Role::Unknown => {
                    constraints.push((name.as_str().into(), value.as_str().into()));
                }
            }
        }
        let weights = constraints
            .iter()
            .map(|(name, value)| name.len() + value.len() + CONSTRAINT_BYTES);
        if weights.sum::<usize>() > MAX_CONSTRAINTS_BYTES {
            return Err(Fault::TooLong);
        }
        constraints.sort_unstable();
        Ok(Self {
            path: path.into(),
            reach,
            constraints,
            free,
            example: cut(&shown(raw), MAX_EXAMPLE_BYTES).into(),
        })
    }
}

/// Returns the part of a canonical path above the first segment that differs each time.
///
/// A first segment stands as it is: above it lies the whole endpoint.
fn lasting(path: &str) -> (&str, Reach) {
    let mut end = 0;
    for segment in path.split('/').skip(1) {
        if end > 0 && is_ephemeral(segment) {
            return (path.get(..end).unwrap_or(path), Reach::Below);
        }
        end += 1 + segment.len();
    }
    (path, Reach::Exact)
}

/// Returns whether the first segment of a path looks like an id.
pub(super) fn begins_with_id(path: &str) -> bool {
    path.split('/').nth(1).is_some_and(is_ephemeral)
}

/// Parameters whose values are shown whole: they say what was asked for.
const SHOWN: [&str; 5] = ["api-version", "comp", "format", "resource", "type"];

/// Returns a target for people: bounded, without control characters, with values cut that could be
/// secret.
pub(super) fn shown(target: &str) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut text = cut(path, 4 * SHOWN_VALUE_BYTES);
    for (at, piece) in query
        .split('&')
        .filter(|piece| !piece.is_empty())
        .take(16)
        .enumerate()
    {
        text.push(if at == 0 { '?' } else { '&' });
        let Some((name, value)) = piece.split_once('=') else {
            text.push_str(&cut(piece, SHOWN_VALUE_BYTES));
            continue;
        };
        text.push_str(&cut(name, SHOWN_VALUE_BYTES));
        text.push('=');
        if is_secret_name(&name.to_ascii_lowercase()) {
            text.push('…');
            continue;
        }
        let is_shown = SHOWN.iter().any(|own| own.eq_ignore_ascii_case(name));
        let bytes = if is_shown || value.len() <= 16 {
            SHOWN_VALUE_BYTES
        } else {
            8
        };
        text.push_str(&cut(value, bytes));
    }
    text
}

/// Returns the first bytes of a text, with an ellipsis for the rest.
pub(super) fn cut(text: &str, bytes: usize) -> String {
    let plain = |part: &str| {
        part.chars()
            .map(|c| if c.is_control() { '?' } else { c })
            .collect()
    };
    if text.len() <= bytes {
        return plain(text);
    }
    let end = (0..=bytes)
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or_default();
    let start: String = plain(text.get(..end).unwrap_or_default());
    start + "…"
}

/// The shapes of targets, the last ones remembered; what a target yields depends on whose profile
/// holds.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    imds: Remembered,
    wire_server: Remembered,
}

type Read = Result<Arc<Shape>, Fault>;

/// Targets as received with what they were read as.
#[derive(Debug, Default)]
struct Remembered {
    shapes: HashMap<Box<str>, Read>,
    bytes: usize,
}

impl Remembered {
    fn insert(&mut self, raw: &str, shape: Read) {
        // What is forgotten is read again: what is learned does not depend on it.
        if self.shapes.len() >= MAX_REMEMBERED || self.bytes > MAX_REMEMBERED_BYTES {
            self.shapes.clear();
            self.bytes = 0;
        }
        let parameters = shape.as_ref().map_or(0, |shape| {
            (shape.constraints.len() + shape.free.len()) * CONSTRAINT_BYTES
        });
        self.bytes += 3 * raw.len() + MAX_EXAMPLE_BYTES + parameters;
        self.shapes.insert(raw.into(), shape);
    }
}

impl Shapes {
    pub(super) const HELD_AT_MOST: usize = 2 * MAX_REMEMBERED;

    pub(super) fn read(&mut self, endpoint: EndpointKind, raw: &str) -> Read {
        let remembered = match ruled_by(endpoint) {
            EndpointKind::Imds => &mut self.imds,
            EndpointKind::WireServer | EndpointKind::HostGa => &mut self.wire_server,
        };
        if let Some(known) = remembered.shapes.get(raw) {
            return known.clone();
        }
        let shape = Shape::read(endpoint, raw).map(Arc::new);
        if raw.len() < MAX_TARGET_BYTES {
            remembered.insert(raw, shape.clone());
        }
        shape
    }

    /// Returns what is shown of the path of a request that becomes no rule.
    pub(super) fn path_shown(&mut self, endpoint: EndpointKind, raw: &str) -> String {
        match self.read(endpoint, raw) {
            Ok(shape) if shape.reach == Reach::Below => format!("{}/…", shape.path),
            Ok(shape) => shape.path.to_string(),
            Err(_) => shown(raw),
        }
    }

    pub(super) fn held(&self) -> usize {
        self.imds.shapes.len() + self.wire_server.shapes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ephemeral_segments_end_the_path_above_them() {
        for (path, above) in [
            (
                "/machine/2d8e2a4c-5d3a-4b3d-9c7b-000000000001/x_1",
                "/machine",
            ),
            ("/latest/macs/02:00:17:00:aa:bb/x", "/latest/macs"),
            ("/a/b/42", "/a/b"),
            ("/a/i-0abcdef0123456789", "/a"),
        ] {
            assert_eq!(lasting(path), (above, Reach::Below), "{path}");
        }
        for path in [
            "/",
            "/42/x",
            "/openstack/2018-08-27/meta_data.json",
            "/metadata/instance",
            "/a/beef",
        ] {
            assert_eq!(lasting(path), (path, Reach::Exact), "{path}");
        }
    }

    #[test]
    fn target_as_long_as_the_agent_cuts_it_is_not_taken_for_whole() {
        let read = |bytes: usize| {
            let target = format!("/a?nonce={}", "x".repeat(bytes - 9));
            assert_eq!(target.len(), bytes);
            Shape::read(EndpointKind::Imds, &target)
        };
        assert!(read(1023).is_ok());
        assert!(matches!(read(1024), Err(Fault::TooLong)));
    }

    #[test]
    fn parameters_that_weigh_too_much_become_no_rule() {
        let read = |value: &str| {
            Shape::read(EndpointKind::Imds, &format!("/a?resource={value}")).map(|_| ())
        };
        assert_eq!(read(&"a".repeat(512)), Ok(()));
        assert_eq!(read(&"a".repeat(700)), Err(Fault::TooLong));
    }

    #[test]
    fn values_that_could_be_secret_are_cut() {
        let text =
            shown("/a?api-version=2018-02-01&sig=0123&y=0123456789abcdef0123456789&x=1\u{1}");
        assert_eq!(text, "/a?api-version=2018-02-01&sig=…&y=01234567…&x=1?");
    }
}
