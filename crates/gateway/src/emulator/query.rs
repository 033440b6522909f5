//! A query as the metadata services read it: names without letter case, values as meant, no name twice.

use std::collections::HashSet;

use percent_encoding::percent_decode_str;

/// The parameters of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Query(Vec<(String, String)>);

/// Why a query is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QueryError {
    /// A name or value is not UTF-8 after decoding.
    NotText,
    /// A name appears more than once.
    Repeated,
}

impl Query {
    /// Reads the text after the question mark.
    pub(super) fn parse(raw: Option<&str>) -> Result<Self, QueryError> {
        let mut parameters: Vec<(String, String)> = Vec::new();
        let mut names = HashSet::new();
        for piece in raw
            .unwrap_or_default()
            .split('&')
            .filter(|piece| !piece.is_empty())
        {
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            let (name, value) = (decode(name)?, decode(value)?);
            if !names.insert(name.to_ascii_lowercase()) {
                return Err(QueryError::Repeated);
            }
            parameters.push((name, value));
        }
        Ok(Self(parameters))
    }

    /// Returns a parameter's value in its own letter case.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        let found = self
            .0
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Returns whether a parameter has this value in any letter case.
    pub(super) fn says(&self, name: &str, value: &str) -> bool {
        self.value(name)
            .is_some_and(|found| found.eq_ignore_ascii_case(value))
    }
}

fn decode(raw: &str) -> Result<String, QueryError> {
    let spaced = raw.replace('+', " ");
    let decoded = percent_decode_str(&spaced)
        .decode_utf8()
        .map_err(|_utf8| QueryError::NotText)?;
    Ok(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_letter_case_and_names_do_not_matter() {
        let query =
            Query::parse(Some("API-version=1&resource=https%3A%2F%2FVault.x&&flag")).unwrap();
        assert_eq!(query.value("api-version"), Some("1"));
        assert_eq!(query.value("resource"), Some("https://Vault.x"));
        assert_eq!(query.value("flag"), Some(""));
        assert!(query.says("resource", "HTTPS://vault.x"));
    }

    #[test]
    fn name_that_appears_twice_is_refused() {
        for raw in ["a=1&a=1", "a=1&A=2", "a=1&%61=2"] {
            assert_eq!(Query::parse(Some(raw)), Err(QueryError::Repeated), "{raw}");
        }
        assert_eq!(Query::parse(Some("a=%FF")), Err(QueryError::NotText));
    }
}
