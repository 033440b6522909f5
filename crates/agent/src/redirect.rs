//! Keeps the kernel's side up to date: which endpoints in which mode, that the agent lives, and that
//! every network link is guarded.

use std::sync::Arc;
use std::time::Duration;

use latchkey_intercept::{
    InterceptError, InterceptMode, InterceptedEndpoint, Interceptor, Presence,
};
use latchkey_protocol::{EndpointTable, Mode};
use tokio::sync::watch;
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval};

use crate::app::AppError;
use crate::audit_end::AuditEndWatch;
use crate::link_guard::LinkWatch;
use crate::rules::PolicyReader;
use crate::watchdog::Watchdog;

/// How often the kernel is told that the agent lives; it waits for five times as long.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// How often what is attached, pinned and written is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// What tells others about the kernel's side.
#[derive(Debug)]
pub struct KernelReports {
    /// Watches over programs, pins and maps.
    pub watchdog: Watchdog,
    /// What the programs have counted.
    pub counters: watch::Sender<Vec<(String, u64)>>,
    /// The modes that the kernel follows by now, by endpoint index.
    pub followed: watch::Sender<Vec<Mode>>,
}

/// Returns what the kernel has to intercept in these modes: what is disabled, not at all.
#[must_use]
pub fn intercepted(endpoints: &EndpointTable, modes: &[Mode]) -> Vec<InterceptedEndpoint> {
    let mut intercepted = Vec::new();
    for (index, (endpoint, mode)) in (0..).zip(endpoints.as_slice().iter().zip(modes)) {
        let mode = match mode {
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

/// Follows the policies and tells when the kernel does too, watches over what is set up and sends
/// heartbeats until `stop` turns true.
///
/// # Errors
/// When the kernel's maps can no longer be read or written: without heartbeats the agent is taken
/// for gone, so it must end.
pub async fn run(
    interceptor: Interceptor,
    endpoints: EndpointTable,
    policies: PolicyReader,
    reports: KernelReports,
    mut stop: watch::Receiver<bool>,
) -> Result<(), AppError> {
    // Beside everything else: a slow look at the system must not look like a dead agent.
    let presence = interceptor.presence();
    tokio::select! {
        ended = beat(presence) => ended.map_err(AppError::from),
        ended = follow(interceptor, endpoints, policies, reports) => ended,
        _ = stop.wait_for(|stop| *stop) => Ok(()),
    }
}

/// Says that the agent lives, whatever is attached: without its programs nobody asks for it.
async fn beat(presence: Arc<Presence>) -> Result<(), InterceptError> {
    let mut heartbeat = interval(HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        heartbeat.tick().await;
        presence.beat()?;
    }
}

async fn follow(
    mut interceptor: Interceptor,
    endpoints: EndpointTable,
    mut policies: PolicyReader,
    mut reports: KernelReports,
) -> Result<(), AppError> {
    let mut links = LinkWatch::new()?;
    let mut ends = AuditEndWatch::default();
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = look.tick() => {
                (interceptor, reports) = look_around(interceptor, reports).await?;
                let read = interceptor.counters()?;
                let read = read.iter().map(|(counter, value)| (counter.as_str().to_owned(), value));
                reports.counters.send_replace(read.collect());
                (interceptor, links) = guard_links(interceptor, links).await?;
                ends.look(&endpoints, &policies);
                // Audit ends without anybody changing a policy.
                if *reports.followed.borrow() != policies.modes() {
                    protect(&mut interceptor, &endpoints, &policies, &reports)?;
                }
            }
            changed = links.changed() => {
                changed?;
                (interceptor, links) = guard_links(interceptor, links).await?;
            }
            // Without a secure channel nobody ever changes them, and the heart must beat all the same.
            true = policies.changed() => {
                protect(&mut interceptor, &endpoints, &policies, &reports)?;
            }
        }
    }
}

/// Puts the modes of this moment into the kernel.
fn protect(
    interceptor: &mut Interceptor,
    endpoints: &EndpointTable,
    policies: &PolicyReader,
    reports: &KernelReports,
) -> Result<(), InterceptError> {
    let modes = policies.modes();
    interceptor.protect(&intercepted(endpoints, &modes))?;
    reports.followed.send_replace(modes);
    tracing::info!("the kernel follows new modes or rules");
    Ok(())
}

/// Guards the network links, on a thread that may wait: the kernel has one lock for all changes of
/// links, which others may hold for seconds.
async fn guard_links(
    mut interceptor: Interceptor,
    mut links: LinkWatch,
) -> Result<(Interceptor, LinkWatch), JoinError> {
    spawn_blocking(move || {
        links.guard(&mut interceptor);
        (interceptor, links)
    })
    .await
}

/// Lets the watchdog look, on a thread that may wait.
async fn look_around(
    mut interceptor: Interceptor,
    mut reports: KernelReports,
) -> Result<(Interceptor, KernelReports), JoinError> {
    spawn_blocking(move || {
        reports.watchdog.look(&mut interceptor);
        (interceptor, reports)
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disabled_endpoints_are_not_intercepted() {
        let table = EndpointTable::azure(Mode::Enforce);
        let modes = [Mode::Disabled, Mode::Audit, Mode::Enforce];
        let found: Vec<_> = intercepted(&table, &modes)
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
