//! The API versions of the metadata service: which exist, since which one a service does, and the answer to any other.

use http::StatusCode;
use serde_json::json;

use super::query::Query;
use crate::answer::{self, Answer};

/// The documented versions of the instance metadata service, oldest first.
pub(super) const ALL: &[&str] = &[
    "2017-03-01",
    "2017-04-02",
    "2017-08-01",
    "2017-10-01",
    "2017-12-01",
    "2018-02-01",
    "2018-04-02",
    "2018-10-01",
    "2019-02-01",
    "2019-03-11",
    "2019-04-30",
    "2019-06-01",
    "2019-06-04",
    "2019-08-01",
    "2019-08-15",
    "2019-11-01",
    "2020-06-01",
    "2020-07-15",
    "2020-09-01",
    "2020-10-01",
    "2020-12-01",
    "2021-01-01",
    "2021-02-01",
    "2021-03-01",
    "2021-05-01",
    "2021-08-01",
    "2021-10-01",
    "2021-11-01",
    "2021-11-15",
    "2021-12-13",
    "2023-07-01",
    "2023-11-15",
    "2024-03-15",
    "2024-07-17",
    "2025-04-07",
];
/// The documented versions of scheduled events but their preview, oldest first; they count apart.
const EVENT_VERSIONS: &[&str] = &[
    "2017-08-01",
    "2017-11-01",
    "2019-01-01",
    "2019-04-01",
    "2019-08-01",
    "2020-07-01",
];
/// How many versions an error names.
const NEWEST: usize = 3;

/// The versions of one service.
#[derive(Clone, Copy, Debug)]
pub(super) struct Versions {
    known: &'static [&'static str],
    first: &'static str,
}

/// Of the instance document.
pub(super) const INSTANCE: Versions = Versions::since("2017-04-02");
/// Of managed identities.
pub(super) const IDENTITY: Versions = Versions::since("2018-02-01");
/// Of load balancers.
pub(super) const LOAD_BALANCER: Versions = Versions::since("2020-10-01");
/// Of attested documents.
pub(super) const ATTESTED: Versions = Versions::since("2018-10-01");
/// Of scheduled events.
pub(super) const EVENTS: Versions = Versions {
    known: EVENT_VERSIONS,
    first: "2017-08-01",
};

impl Versions {
    const fn since(first: &'static str) -> Self {
        Self { known: ALL, first }
    }

    /// Returns the versions, newest first.
    fn newest_first(self) -> impl Iterator<Item = &'static str> {
        let known = self.known.iter().rev().copied();
        known.take_while(move |version| *version >= self.first)
    }

    /// Answers under the version that a request names, if the service has it.
    pub(super) fn checked(
        self,
        query: &Query,
        answer: impl FnOnce(&'static str) -> Answer,
    ) -> Answer {
        let asked = query.value("api-version");
        let mut versions = self.newest_first();
        match versions.find(|version| Some(*version) == asked) {
            Some(version) => answer(version),
            None => self.refusal(),
        }
    }

    fn refusal(self) -> Answer {
        let newest: Vec<_> = self.newest_first().take(NEWEST).collect();
        let error = "Bad request. api-version is invalid or was not specified in the request. \
                     For more information refer to aka.ms/azureimds";
        let body = json!({ "error": error, "newest-versions": newest });
        answer::json(StatusCode::BAD_REQUEST, &body)
    }

    /// Returns the version before this one.
    #[cfg(test)]
    pub(super) fn before(self, version: &str) -> &'static str {
        let mut versions = self.newest_first();
        versions.find(|other| *other < version).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_in_the_order_of_their_days() {
        for versions in [INSTANCE, IDENTITY, LOAD_BALANCER, EVENTS] {
            let newest_first: Vec<_> = versions.newest_first().collect();
            assert!(newest_first.is_sorted_by(|a, b| a > b), "{newest_first:?}");
            assert_eq!(newest_first.last(), Some(&versions.first));
        }
    }
}
