//! A simulation as text for people: what changes first, then who would be refused, by caller.

use std::collections::BTreeMap;

use latchkey_policy::case::Verdict;
use latchkey_policy::simulate::{Change, Finding, Group, Sighting, Tally};

use crate::terminal::Palette;
use crate::visible::visible;

const RED: &str = "\x1b[1;31m";
const YELLOW: &str = "\x1b[33m";
const RESET: &str = "\x1b[0m";

/// How many callers are shown, the ones with the most findings first.
const MAX_SHOWN: usize = 50;

/// How many problems of lines are told apart.
const MAX_PROBLEMS: usize = 20;

/// What was wrong with lines that could not be judged.
#[derive(Debug, Default)]
pub(super) struct Problems {
    counted: BTreeMap<String, u64>,
    others: u64,
}

impl Problems {
    pub(super) fn add(&mut self, problem: &str) {
        if let Some(count) = self.counted.get_mut(problem) {
            *count += 1;
        } else if self.counted.len() < MAX_PROBLEMS {
            self.counted.insert(problem.to_owned(), 1);
        } else {
            self.others += 1;
        }
    }
}

pub(super) fn text(tally: &Tally, problems: &Problems, palette: Palette) -> String {
    let mut text = totals(tally, palette);
    let mut groups: Vec<_> = tally
        .groups
        .iter()
        .filter(|(_, group)| !group.findings.is_empty())
        .collect();
    groups.sort_by(|(name, group), (other_name, other)| {
        let counts = found(other).cmp(&found(group));
        counts.then_with(|| name.cmp(other_name))
    });
    for (name, group) in groups.iter().take(MAX_SHOWN) {
        text += &caller(name, group, palette);
    }
    if groups.len() > MAX_SHOWN {
        text += &format!(
            "\n{} more callers are not shown\n",
            groups.len() - MAX_SHOWN
        );
    }
    if tally.ungrouped > 0 {
        text += &format!(
            "\n{} requests of further callers are not told apart\n",
            tally.ungrouped
        );
    }
    text + &unjudged(problems)
}

fn totals(tally: &Tally, palette: Palette) -> String {
    let mut text = format!(
        "{} requests: {} allow, {} audit, {} deny, {} error\n",
        tally.requests(),
        tally.judged(Verdict::Allow),
        tally.judged(Verdict::Audit),
        tally.judged(Verdict::Deny),
        tally.judged(Verdict::Error),
    );
    if tally.compared == 0 {
        return text + "nothing to compare with: no recorded verdict and no --current\n";
    }
    let denied = tally.changed(Change::NewDeny);
    let line = format!("{denied} that were let through would be refused");
    let colour = if denied > 0 { RED } else { "" };
    text += &coloured(&line, colour, palette);
    text += &format!(
        "\n{} that were refused would be let through\n",
        tally.changed(Change::NewAllow)
    );
    text
}

fn found(group: &Group) -> u64 {
    let findings = group.findings.values().map(|sighting| sighting.count);
    findings.sum::<u64>() + group.unlisted
}

fn caller(name: &str, group: &Group, palette: Palette) -> String {
    let requests = group.requests;
    let mut text = format!(
        "\n{}: {} of {requests} requests\n",
        name.escape_debug(),
        found(group)
    );
    let mut findings: Vec<_> = group.findings.iter().collect();
    findings.sort_by(|(one, a), (other, b)| {
        let changes = other.change.cmp(&one.change);
        changes
            .then(b.count.cmp(&a.count))
            .then_with(|| a.example.cmp(&b.example))
    });
    for (finding, sighting) in findings {
        text += &row(finding, sighting, palette);
    }
    if group.unlisted > 0 {
        text += &format!("  {:>8} more of other kinds\n", group.unlisted);
    }
    text
}

fn row(finding: &Finding, sighting: &Sighting, palette: Palette) -> String {
    let (sign, colour) = match (finding.change, finding.verdict) {
        (Some(Change::NewDeny), _) => ("-", RED),
        (Some(Change::NewAllow), _) => ("+", YELLOW),
        (None, Verdict::Audit) => ("~", YELLOW),
        (None, _) => (" ", ""),
    };
    let verdict = coloured(finding.verdict.as_str(), colour, palette);
    let reason = finding.reason.map_or("", |reason| reason.as_str());
    let by = finding.rule.as_ref().map_or_else(
        || "before the rules".to_owned(),
        |rule| format!("by {}", rule.to_string().escape_debug()),
    );
    format!(
        "{sign} {:>8} {verdict} {reason} {by}: {} {}\n",
        sighting.count, finding.endpoint, sighting.example
    )
}

fn coloured(text: &str, colour: &str, palette: Palette) -> String {
    match palette {
        Palette::Colour if !colour.is_empty() => format!("{colour}{text}{RESET}"),
        Palette::Colour | Palette::Plain => text.to_owned(),
    }
}

fn unjudged(problems: &Problems) -> String {
    let mut text = String::new();
    for (problem, count) in &problems.counted {
        text += &format!("\n{count} could not be judged: {}", visible(problem));
    }
    if problems.others > 0 {
        text += &format!(
            "\n{} could not be judged for other reasons",
            problems.others
        );
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}
