//! What stands before a record in its line: the deployed agent's own header, or that of syslog and the
//! journal.
//!
//! SECURITY: what strangers write stands in logs too, such as the user name of a refused login, and can
//! look like a record. So a record is taken only where the agent puts it, never from within a text.

use jiff::Timestamp;

use super::read_time;

/// How syslog and the journal name the agent, before its process id.
const IDENT: &str = "azure-proxy-agent[";

const LEVELS: [&str; 5] = ["DEBUG", "ERROR", "INFO", "TRACE", "WARN"];

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Splits the agent's header off: the time, and the level in brackets.
pub(super) fn own(text: &str) -> Option<(Timestamp, &str)> {
    let (time, rest) = word(text)?;
    let time = read_time(time)?;
    let (level, rest) = rest.trim_start().strip_prefix('[')?.split_once(']')?;
    let is_level = LEVELS.iter().any(|own| own.eq_ignore_ascii_case(level));
    is_level.then(|| (time, rest.trim_start()))
}

/// Splits the header of syslog or the journal off, if it names the agent: the time, where it has a
/// year, and what the agent wrote.
pub(super) fn system(text: &str) -> Option<(Option<Timestamp>, &str)> {
    let (first, rest) = word(text)?;
    let (time, rest) = match read_time(first) {
        Some(time) => (Some(time), rest),
        None => (None, after_clock(first, rest)?),
    };
    let (_host, rest) = word(rest)?;
    let (process, message) = rest.strip_prefix(IDENT)?.split_once("]: ")?;
    let is_number = process.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| (time, message.trim_start()))
}

/// Splits `Nov 23 10:45:58` off.
fn after_clock<'a>(month: &str, rest: &'a str) -> Option<&'a str> {
    let (day, rest) = word(rest)?;
    let (clock, rest) = word(rest)?;
    let is_time = MONTHS.contains(&month)
        && day.parse::<u8>().is_ok()
        && clock.split(':').all(|part| part.parse::<u8>().is_ok());
    is_time.then_some(rest)
}

fn word(text: &str) -> Option<(&str, &str)> {
    text.trim_start().split_once(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_the_agent_are_split_off() {
        let time: Timestamp = "2026-11-23T10:45:58.054Z".parse().unwrap();
        let text = "2026-11-23T10:45:58.054 [INFO]    12[7] - x";
        assert_eq!(own(text), Some((time, "12[7] - x")));
        for (text, has_time) in [
            ("Nov  3 10:45:58 vm azure-proxy-agent[1]: x", false),
            ("Nov 23 10:45:58 vm azure-proxy-agent[1]:   x", false),
            ("2026-11-23T10:45:58Z vm azure-proxy-agent[1]: x", true),
            ("2026-11-23T11:45:58+0100 vm azure-proxy-agent[1]: x", true),
        ] {
            let (time, message) = system(text).unwrap();
            assert_eq!((time.is_some(), message), (has_time, "x"), "{text}");
        }
    }

    #[test]
    fn headers_of_others_are_none() {
        for text in [
            "Nov 23 10:45:58 vm sshd[1]: azure-proxy-agent[1]: x",
            "Nov 23 10:45:58 vm x azure-proxy-agent[1]: x",
            "Nov 23 10:45:58 azure-proxy-agent[1]: x",
            "Nov 23 10:45:58 vm azure-proxy-agent[x]: x",
            "Nov 23 10:45:58 vm azure-proxy-agent[1] x",
            "azure-proxy-agent[1]: x",
            "2026-11-23T10:45:58 x",
            "2026-11-23T10:45:58 [sshd] x",
            "",
        ] {
            assert_eq!((own(text), system(text)), (None, None), "{text}");
        }
    }
}
