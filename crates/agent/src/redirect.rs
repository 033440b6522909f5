//! Keeps the kernel's side up to date: which endpoints in which mode, that the agent lives, and that
//! every network link is guarded.

use std::time::Duration;

use latchkey_intercept::{InterceptError, InterceptMode, InterceptedEndpoint, Interceptor};
use latchkey_policy::EndpointPolicy;
use latchkey_protocol::{EndpointTable, Mode};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::link_guard::LinkWatch;
use crate::rules::{Policies, PolicyReader};

/// How often the kernel is told that the agent lives; it waits for five times as long.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// Returns what the kernel has to intercept under these policies: what is disabled, not at all.
#[must_use]
pub fn intercepted(
    endpoints: &EndpointTable,
    policies: &[EndpointPolicy],
) -> Vec<InterceptedEndpoint> {
    let mut intercepted = Vec::new();
    for (index, (endpoint, policy)) in (0..).zip(endpoints.as_slice().iter().zip(policies)) {
        let mode = match policy.mode() {
            Mode::Disabled => continue,
            Mode::Audit => InterceptMode::Audit,
            Mode::Enforce => InterceptMode::Enforce,
        };
        let port = endpoint.port;
        let entries = endpoint.addresses.iter();
        intercepted.extend(entries.map(|address| InterceptedEndpoint {
            address: *address,
            port,
            mode,
            index,
        }));
    }
    intercepted
}

/// Follows the policies, tells when the kernel does too, and sends heartbeats until `stop` turns true.
///
/// # Errors
/// When the kernel's maps can no longer be written: without heartbeats the agent is taken for gone,
/// so it must end.
pub async fn run(
    mut interceptor: Interceptor,
    endpoints: EndpointTable,
    mut policies: PolicyReader,
    counters: watch::Sender<Vec<(String, u64)>>,
    followed: watch::Sender<Policies>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), InterceptError> {
    let mut links = LinkWatch::new()?;
    let mut heartbeat = interval(HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = heartbeat.tick() => {
                interceptor.heartbeat()?;
                let read = interceptor.counters()?;
                counters.send_replace(read.iter().map(|(counter, value)| (counter.as_str().to_owned(), value)).collect());
                links.guard(&mut interceptor);
            }
            changed = links.changed() => {
                changed?;
                links.guard(&mut interceptor);
            }
            // Without a secure channel nobody ever changes them, and the heart must beat all the same.
            true = policies.changed() => {
                let current = policies.current();
                interceptor.protect(&intercepted(&endpoints, &current))?;
                followed.send_replace(current);
                tracing::info!("the kernel follows new modes or rules");
            }
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use latchkey_policy::RuleSet;
    use latchkey_protocol::EndpointKind;

    use super::*;

    #[test]
    fn disabled_endpoints_are_not_intercepted() {
        let table = EndpointTable::azure(Mode::Enforce);
        let in_force =
            |kind, mode| EndpointPolicy::in_force(kind, Arc::new(RuleSet::default_rules(mode)));
        let policies = [
            in_force(EndpointKind::Imds, Mode::Disabled),
            in_force(EndpointKind::WireServer, Mode::Audit),
            EndpointPolicy::pending(EndpointKind::HostGa, Mode::Enforce),
        ];
        let found: Vec<_> = intercepted(&table, &policies)
            .iter()
            .map(|e| (e.index, e.port, e.mode))
            .collect();
        assert_eq!(
            found,
            [
                (1, 80, InterceptMode::Audit),
                (2, 32526, InterceptMode::Enforce)
            ]
        );
    }
}
