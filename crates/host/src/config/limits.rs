//! The limits of the configuration file, checked: none may be 0.

use std::time::Duration;

use latchkey_gateway::ConnectionLimits;
use latchkey_gateway::upstream::UpstreamLimits;
use latchkey_http1::Limits;
use latchkey_http1::client::Patience;
use toml::Spanned;

use super::Problems;
use super::file::LimitsSection;

/// All limits.
#[derive(Clone, Copy, Debug)]
pub(super) struct CheckedLimits {
    pub(super) waits: Limits,
    pub(super) connections: ConnectionLimits,
    pub(super) observation_queue: usize,
    pub(super) upstream: UpstreamLimits,
}

impl CheckedLimits {
    pub(super) fn check(section: &LimitsSection, problems: &mut Problems<'_>) -> Self {
        let mut positive = |value: &Spanned<u32>| {
            if *value.as_ref() == 0 {
                problems.at(
                    &value.span(),
                    "the limit is 0: nothing would ever be served",
                );
            }
            *value.as_ref()
        };
        let mut seconds = |value| Duration::from_secs(positive(value).into());
        let waits = Limits {
            head_timeout: seconds(&section.head_seconds),
            body_timeout: seconds(&section.body_seconds),
            idle_timeout: seconds(&section.idle_seconds),
            write_timeout: seconds(&section.write_seconds),
        };
        let patience = Patience {
            connect: seconds(&section.upstream_connect_seconds),
            response: seconds(&section.upstream_response_seconds),
        };
        let mut count = |value| usize::try_from(positive(value)).unwrap_or(usize::MAX);
        Self {
            waits,
            connections: ConnectionLimits {
                total: count(&section.connections),
                per_source: count(&section.connections_per_source),
            },
            observation_queue: count(&section.observation_queue),
            upstream: UpstreamLimits {
                patience,
                requests: count(&section.upstream_requests),
                requests_per_machine: count(&section.upstream_requests_per_machine),
            },
        }
    }
}
