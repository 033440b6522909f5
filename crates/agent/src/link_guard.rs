//! Guards network links as soon as they appear, and says which ones are not guarded: once, and again
//! when the reason changes. A link without guard does not stop the agent: the host checks signatures.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;

use latchkey_intercept::{InterceptError, Interceptor, LinkEvents};
use rustix::io::Errno;
use tokio::net::UnixDatagram;

use crate::failure::with_causes;

/// Watches the links of the agent's network namespace.
#[derive(Debug)]
pub(crate) struct LinkWatch {
    /// A netlink socket: to wait for a datagram and to take it is the same for all families.
    events: UnixDatagram,
    /// The links that are not guarded, and why.
    told: BTreeMap<u32, String>,
    /// Why the links could not be listed at all.
    failed: Option<String>,
}

impl LinkWatch {
    /// # Errors
    /// When the kernel does not tell of links.
    pub(crate) fn new() -> Result<Self, InterceptError> {
        let events = OwnedFd::from(LinkEvents::open()?);
        Ok(Self {
            events: UnixDatagram::from_std(events.into()).map_err(InterceptError::Links)?,
            told: BTreeMap::new(),
            failed: None,
        })
    }

    /// Waits until a link came, went or changed.
    ///
    /// # Errors
    /// When the kernel no longer tells of links.
    pub(crate) async fn changed(&self) -> Result<(), InterceptError> {
        self.events
            .readable()
            .await
            .map_err(InterceptError::Links)?;
        // All at once, and before the look at the links: what changes during it is told again.
        let mut ignored = [0; 1];
        loop {
            match self.events.try_recv(&mut ignored) {
                // What found no room is an event too.
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.raw_os_error() == Some(Errno::NOBUFS.raw_os_error()) => {}
                Err(error) => return Err(InterceptError::Links(error)),
            }
        }
    }

    /// Guards all links that are there.
    pub(crate) fn guard(&mut self, interceptor: &mut Interceptor) {
        let failed = interceptor
            .guard_links()
            .err()
            .map(|error| with_causes(&error));
        if let Some(error) = failed
            .as_ref()
            .filter(|error| Some(*error) != self.failed.as_ref())
        {
            tracing::warn!(%error, "network links cannot be guarded");
        }
        self.failed = failed;
        let links = interceptor.guarded_links().iter();
        let unguarded = links.filter_map(|link| {
            let reason = with_causes(link.guard.as_ref().err()?);
            Some((link.index, link.name.as_str(), reason))
        });
        let mut told = BTreeMap::new();
        for (index, link, reason) in unguarded {
            if self.told.get(&index) != Some(&reason) {
                tracing::warn!(link, reason, "a network link is not guarded");
            }
            told.insert(index, reason);
        }
        self.told = told;
    }
}
