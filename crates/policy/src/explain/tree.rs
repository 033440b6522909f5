//! An explanation as a short tree of text. What comes from a request or a document is escaped, so
//! that it cannot command a terminal.

use std::fmt;

use super::{Explanation, FailedSelector, IdentityTrace, ModeSource, ModeTrace, PrivilegeTrace};
use crate::rules::privilege::PathMatch;

/// How many identities of one privilege are shown; matching ones always are.
const MAX_IDENTITIES: usize = 5;

/// A line, and the lines that belong to it.
struct Branch {
    text: String,
    below: Vec<Self>,
}

impl Branch {
    const fn leaf(text: String) -> Self {
        Self {
            text,
            below: Vec::new(),
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = self.verdict.to_string().to_ascii_uppercase();
        match (&self.reason, &self.rule) {
            (Some(reason), _) => write!(f, "{verdict} {reason}: {}", reason.title())?,
            (None, Some(rule)) => write!(f, "{verdict} by {}", rule.escape_debug())?,
            (None, None) => write!(f, "{verdict} without asking the rules")?,
        }
        let mut branches = vec![self.request(), self.caller()];
        branches.extend(self.rules());
        branches.push(Branch::leaf(mode(&self.mode)));
        draw(f, &branches, "")
    }
}

impl Explanation {
    /// Returns the explanation as a tree for people: `ALLOW`, `DENY` or `AUDIT` first.
    #[must_use]
    pub fn tree(&self) -> String {
        self.to_string()
    }

    fn request(&self) -> Branch {
        let asked = &self.request;
        let text = format!(
            "request to {}: {} {}",
            asked.endpoint,
            asked.method,
            asked.target.escape_debug()
        );
        let meaning = match (&asked.canonical, asked.ambiguous) {
            (Some(form), _) => {
                let slash = if form.trailing_slash { "/" } else { "" };
                let mut text = format!("read as {}{slash}", form.path.escape_debug());
                push_parameters(&mut text, form.query_parameters.iter().map(|(n, v)| (n, v)));
                text
            }
            (None, Some(reason)) => format!("ambiguous, {reason}: {}", reason.title()),
            (None, None) => "not read".to_owned(),
        };
        Branch {
            text,
            below: vec![Branch::leaf(meaning)],
        }
    }

    fn caller(&self) -> Branch {
        let caller = &self.caller;
        let who = if caller.is_root { "root" } else { "not root" };
        let gate = if caller.root_required {
            "the endpoint serves root alone"
        } else {
            "the endpoint serves everybody"
        };
        let mut text = format!("caller is {who}, {gate}");
        if let Some(reason) = caller.unknown {
            push(
                &mut text,
                format_args!("; otherwise unknown, {reason}: {}", reason.title()),
            );
        }
        Branch::leaf(text)
    }

    fn rules(&self) -> Vec<Branch> {
        let Some(rules) = &self.rules else {
            return vec![Branch::leaf("rules have not arrived".to_owned())];
        };
        let mut branches: Vec<_> = rules.privileges.iter().map(privilege).collect();
        let default = rules.default_access.as_str();
        let asked = match (&self.request.canonical, rules.privileges.is_empty()) {
            (None, _) => "not asked, because the request is ambiguous",
            (Some(_), false) => "not asked, because a privilege covers the request",
            (Some(_), true) => "no privilege covers the request",
        };
        branches.push(Branch::leaf(format!("default access {default}: {asked}")));
        branches
    }
}

fn privilege(privilege: &PrivilegeTrace) -> Branch {
    let mut text = format!("privilege {} covers ", shown(&privilege.name));
    if let Some(methods) = &privilege.methods {
        push(&mut text, format_args!("{} of ", methods.join(", ")));
    }
    text.push_str(&privilege.path.escape_debug().to_string());
    text.push_str(match privilege.path_match {
        PathMatch::Exact => " alone",
        PathMatch::Segments => " and below",
    });
    push_parameters(&mut text, privilege.query_parameters.iter());
    let (matching, others): (Vec<_>, Vec<_>) = privilege
        .identities
        .iter()
        .partition(|identity| identity.failed.is_none());
    let shown = matching.iter().chain(others.iter().take(MAX_IDENTITIES));
    let mut below: Vec<_> = shown.map(|identity| Branch::leaf(of(identity))).collect();
    let left_out = others.len().saturating_sub(MAX_IDENTITIES);
    if left_out > 0 {
        below.push(Branch::leaf(format!(
            "{left_out} more identities, none of which the caller is of"
        )));
    }
    if below.is_empty() {
        below.push(Branch::leaf("no identity was tried".to_owned()));
    }
    Branch { text, below }
}

fn of(identity: &IdentityTrace) -> String {
    let (name, role) = (shown(&identity.name), shown(&identity.role));
    let Some(failed) = &identity.failed else {
        return format!("identity {name} by role {role}: the caller is of it");
    };
    let FailedSelector {
        selector,
        wanted,
        actual,
    } = failed;
    let wanted = list(wanted);
    match (*selector, actual.as_slice()) {
        ("forbid", actual) => format!(
            "identity {name}: {wanted} is forbidden and {}",
            actual.join(" ")
        ),
        (selector, []) => format!("identity {name}: {selector} is unknown, wanted {wanted}"),
        (selector, actual) => format!(
            "identity {name}: {selector} is {}, wanted {wanted}",
            list(actual)
        ),
    }
}

fn mode(mode: &ModeTrace) -> String {
    let mut text = format!("mode {}: ", mode.effective);
    match (mode.source, &mode.role) {
        (ModeSource::Assignment, Some(role)) => {
            push(
                &mut text,
                format_args!("of the assignment of role {}", shown(role)),
            );
        }
        (ModeSource::Pending, _) => text.push_str("in which the rules are waited for"),
        (ModeSource::Assignment | ModeSource::Profile, _) => text.push_str("of the profile"),
    }
    if let Some(ended) = mode.audit_ended {
        push(&mut text, format_args!(", whose Audit ended at {ended}"));
    }
    text
}

fn push_parameters<'a>(
    text: &mut String,
    parameters: impl Iterator<Item = (&'a String, &'a String)>,
) {
    for (at, (name, value)) in parameters.enumerate() {
        let join = if at == 0 { " with" } else { "," };
        let (name, value) = (name.escape_debug(), value.escape_debug());
        push(text, format_args!("{join} {name}={value}"));
    }
}

fn push(text: &mut String, more: fmt::Arguments<'_>) {
    text.push_str(&more.to_string());
}

fn shown(text: &str) -> String {
    format!("`{}`", text.escape_debug())
}

fn list(texts: &[String]) -> String {
    let texts: Vec<_> = texts.iter().map(|text| shown(text)).collect();
    texts.join(", ")
}

fn draw(f: &mut fmt::Formatter<'_>, branches: &[Branch], margin: &str) -> fmt::Result {
    for (at, branch) in branches.iter().enumerate() {
        let is_last = at + 1 == branches.len();
        let (corner, below) = if is_last {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        write!(f, "\n{margin}{corner}{}", branch.text)?;
        draw(f, &branch.below, &format!("{margin}{below}"))?;
    }
    Ok(())
}
