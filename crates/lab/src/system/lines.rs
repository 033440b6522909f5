//! Reads files of JSON lines that another process is appending to; a line that is not ended yet does not count.

use std::path::Path;

use serde::de::DeserializeOwned;

use super::SystemError;
use crate::files;

/// Returns the values of a file that may not exist yet.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, SystemError> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    parse(&files::read(path)?, path)
}

fn parse<T: DeserializeOwned>(text: &str, path: &Path) -> Result<Vec<T>, SystemError> {
    let lines = text.split_inclusive('\n');
    lines
        .filter(|line| line.ends_with('\n'))
        .map(|line| {
            serde_json::from_str(line).map_err(|source| SystemError::Malformed {
                origin: path.display().to_string(),
                text: line.to_owned(),
                source,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_that_is_being_written_does_not_count() {
        let parsed: Vec<u8> = parse("1\n2\n3", Path::new("x")).unwrap();
        assert_eq!(parsed, [1, 2]);
    }

    #[test]
    fn line_of_another_form_is_an_error_that_shows_it() {
        let error = parse::<u8>("1\n\"two\"\n", Path::new("x")).unwrap_err();
        assert!(error.to_string().contains("two"), "{error}");
    }
}
