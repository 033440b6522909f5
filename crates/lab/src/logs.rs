//! The logs of a lab's programs: copied for keeping, or shown when a test fails.

use std::fs;
use std::path::{Path, PathBuf};

use crate::files::{self, FileError, Named as _};
use crate::node::LOG_DIRECTORY;
use crate::process::readable;

/// How much of each log is shown, in lines.
const SHOWN_LINES: usize = 40;

/// Returns the logs below a lab's directory, each with its node's directory and its own name.
fn logs(lab: &Path) -> Result<Vec<(String, String, PathBuf)>, FileError> {
    let mut found = Vec::new();
    for node in files::names_in(lab)?
        .into_iter()
        .filter(|name| lab.join(name).is_dir())
    {
        let directory = lab.join(&node).join(LOG_DIRECTORY);
        for name in files::names_in(&directory)? {
            let path = directory.join(&name);
            found.push((node.clone(), name, path));
        }
    }
    Ok(found)
}

/// Copies every log of a lab to `to`, in a directory for each node.
pub(crate) fn collect(lab: &Path, to: &Path) -> Result<(), FileError> {
    for (node, name, path) in logs(lab)? {
        let directory = to.join(node);
        fs::create_dir_all(&directory).named("create directory", &directory)?;
        let copy = directory.join(name);
        fs::copy(&path, &copy).named("copy a log to", &copy)?;
    }
    Ok(())
}

/// Returns the end of every log of a lab that is not empty, for people to read.
///
/// It is for a lab that is being dropped, so a log that cannot be read is shown as that.
pub(crate) fn ends(lab: &Path) -> String {
    let found = match logs(lab) {
        Ok(found) => found,
        Err(error) => return format!("no logs: {error}: {}", error.source),
    };
    let mut shown = String::new();
    for (node, name, path) in found {
        let text = match files::read_bytes(&path) {
            Ok(bytes) => readable(&bytes),
            Err(error) => format!("{error}: {}", error.source),
        };
        let first = text.lines().count().saturating_sub(SHOWN_LINES);
        let lines: Vec<&str> = text.lines().skip(first).collect();
        if !lines.is_empty() {
            shown.push_str(&format!(
                "--- end of {node}/{name} ---\n{}\n",
                lines.join("\n")
            ));
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lab_with_log(text: &str) -> tempfile::TempDir {
        let lab = tempfile::tempdir().unwrap();
        let directory = lab.path().join("g1").join(LOG_DIRECTORY);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("001-agent.log"), text).unwrap();
        fs::write(lab.path().join("state.json"), "{}").unwrap();
        lab
    }

    #[test]
    fn only_the_end_of_a_long_log_is_shown() {
        let text: String = (1..=100).map(|number| format!("line {number}\n")).collect();
        let shown = ends(lab_with_log(&text).path());
        assert!(
            shown.starts_with("--- end of g1/001-agent.log ---\nline 61\n"),
            "{shown}"
        );
        assert!(shown.ends_with("line 100\n"));
        assert_eq!(ends(lab_with_log("").path()), "");
    }

    #[test]
    fn logs_are_collected_by_node() {
        let to = tempfile::tempdir().unwrap();
        collect(lab_with_log("hello").path(), &to.path().join("new")).unwrap();
        let copy = to.path().join("new/g1/001-agent.log");
        assert_eq!(fs::read_to_string(copy).unwrap(), "hello");
    }
}
