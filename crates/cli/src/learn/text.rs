//! The report for people: what was read, the rules, what needs a decision, and what became nothing.

use jiff::Timestamp;
use latchkey_policy::learn::report::{CallerOnly, Entry, Evidence, Left, State};

use super::intake::Read;
use super::output::Answer;
use crate::visible::visible;

/// How many entries of a list are shown; the JSON report has all of them.
const SHOWN: usize = 20;

pub(crate) fn report(answer: &Answer, files: &[String]) -> String {
    let report = &answer.learned.report;
    let mut text = String::new();
    input(&mut text, &answer.input);
    if report.is_sampled {
        text.push_str(
            "warning: the deployed agent records one request of a caller, destination and status in 15 minutes, \
             whatever its URL: rules may be missing. Stay in Audit, or learn from its log at level Trace or from \
             Latchkey's audit trail.\n",
        );
    }
    let of = |state| {
        report
            .entries
            .iter()
            .filter(move |entry| entry.state == state)
    };
    let rules: Vec<_> = of(State::Learned).chain(of(State::Accepted)).collect();
    list(&mut text, "rules", &rules, |entry| rule(entry));
    let waiting: Vec<_> = of(State::NeedsDecision).collect();
    list(
        &mut text,
        "needs a decision (--accept ID makes it a rule)",
        &waiting,
        |entry| decision(entry),
    );
    let left: Vec<_> = report.not_learned.iter().collect();
    list(&mut text, "became no rule", &left, |left| left_out(left));
    let callers: Vec<_> = report.callers_without_requests.iter().collect();
    list(
        &mut text,
        "callers whose requests were not recorded",
        &callers,
        |caller| lone(caller),
    );
    overflow(&mut text, answer);
    for file in files {
        line(&mut text, &format!("wrote {file}"));
    }
    text
}

fn line(text: &mut String, content: &str) {
    text.push_str(content);
    text.push('\n');
}

fn input(text: &mut String, read: &Read) {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a rate for people needs no more digits than a float has"
    )]
    let megabytes = read.bytes as f64 / 1e6;
    let rate = megabytes / read.seconds.max(1e-6);
    line(
        text,
        &format!(
            "read {megabytes:.1} MB in {:.1} s ({rate:.0} MB/s): {} lines, {} requests, {} callers without requests, \
             {} duplicates, {} outside what was asked for, {} other lines",
            read.seconds,
            read.lines,
            read.requests,
            read.callers,
            read.duplicates,
            read.outside,
            read.notes + read.blank,
        ),
    );
    if read.incomplete > 0 {
        line(
            text,
            &format!(
                "{} requests were noted in part only, and are not counted",
                read.incomplete
            ),
        );
    }
    for file in &read.broken_off {
        line(
            text,
            &format!("warning: {file} was not read to its end: rules may be missing"),
        );
    }
    for unread in &read.unread {
        line(
            text,
            &format!("not read: {} lines, {}", unread.count, unread.why),
        );
        for example in &unread.examples {
            line(text, &format!("    {}", visible(example)));
        }
    }
}

fn list<T>(text: &mut String, title: &str, entries: &[T], shown: impl Fn(&T) -> String) {
    if entries.is_empty() {
        return;
    }
    line(text, &format!("\n{title}: {}", entries.len()));
    for entry in entries.iter().take(SHOWN) {
        line(text, &format!("  {}", shown(entry)));
    }
    if entries.len() > SHOWN {
        line(
            text,
            &format!("  and {} more, in the JSON report", entries.len() - SHOWN),
        );
    }
}

fn rule(entry: &Entry) -> String {
    let accepted = if entry.state == State::Accepted {
        " (accepted)"
    } else {
        ""
    };
    let open = entry
        .open
        .iter()
        .map(|open| open.parameter.as_str())
        .collect::<Vec<_>>();
    let open = if open.is_empty() {
        String::new()
    } else {
        format!("; any {}", visible(&open.join(", ")))
    };
    let marks: Vec<_> = entry.marks.iter().map(|mark| mark.says()).collect();
    let marks = if marks.is_empty() {
        String::new()
    } else {
        format!(" [{}]", marks.join("; "))
    };
    format!("{}{accepted}{open}{marks}", subject(entry))
}

fn decision(entry: &Entry) -> String {
    let marks: Vec<_> = entry.marks.iter().map(|mark| mark.says()).collect();
    format!(
        "{}  {}\n            {}",
        entry.id,
        subject(entry),
        marks.join("; ")
    )
}

fn subject(entry: &Entry) -> String {
    let methods = entry
        .privilege
        .methods
        .as_deref()
        .unwrap_or_default()
        .join(",");
    let mut asked = format!("{methods} {}", entry.privilege.path);
    if entry.privilege.path_match.is_none() {
        asked.push_str(if entry.privilege.path.ends_with('/') {
            "…"
        } else {
            "/…"
        });
    }
    let parameters = entry
        .privilege
        .query_parameters
        .iter()
        .flat_map(|all| &all.0);
    for (at, (name, value)) in parameters.enumerate() {
        let sign = if at == 0 { '?' } else { '&' };
        asked.push(sign);
        asked.push_str(&format!("{name}={value}"));
    }
    visible(&format!(
        "{} {}: {asked}; {}",
        entry.endpoint,
        entry.identity.name,
        seen(&entry.evidence)
    ))
}

fn seen(evidence: &Evidence) -> String {
    let day = |time: Timestamp| time.strftime("%Y-%m-%d %H:%M").to_string();
    let times = match evidence.count {
        1 => "once".to_owned(),
        count => format!("{count} times"),
    };
    match (evidence.first_seen.map(day), evidence.last_seen.map(day)) {
        (Some(first), Some(last)) if first != last => format!("{times}, {first} to {last}"),
        (Some(first), _) => format!("{times}, {first}"),
        _ => times,
    }
}

fn left_out(left: &Left) -> String {
    visible(&format!(
        "{} {}: {} {}; {}; {}",
        left.endpoint,
        left.caller,
        left.method,
        left.target,
        left.why,
        seen(&left.evidence)
    ))
}

fn lone(caller: &CallerOnly) -> String {
    let status = caller
        .status
        .map_or("?".to_owned(), |status| status.to_string());
    visible(&format!(
        "{} {} {}: {} times {status}",
        caller.endpoint, caller.user, caller.executable, caller.count
    ))
}

fn overflow(text: &mut String, answer: &Answer) {
    let overflow = answer.learned.report.overflow;
    for (count, what) in [
        (
            overflow.requests,
            "requests were of more callers and paths than are kept: their rules are missing",
        ),
        (
            overflow.not_learned,
            "requests that became no rule are not listed: there are too many kinds",
        ),
        (
            overflow.callers,
            "requests of callers alone are not listed: there are too many",
        ),
    ] {
        if count > 0 {
            line(text, &format!("warning: {count} {what}"));
        }
    }
}
