//! What the agent has done since it started, as numbers for the status file.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Numbers that only grow.
        #[derive(Debug, Default)]
        pub struct Counters { $($(#[doc = $doc])+ pub $name: Counter,)+ }

        impl Counters {
            /// Returns every number with its name.
            #[must_use]
            pub fn snapshot(&self) -> Vec<(String, u64)> {
                vec![$((stringify!($name).to_owned(), self.$name.value()),)+]
            }
        }
    };
}

counters! {
    /// Connections accepted.
    connections,
    /// Connections refused because too many were open.
    connections_refused,
    /// Connections without a flow record.
    connections_unattributed,
    /// Requests that ended, however: as many as the four below together.
    requests,
    /// Requests forwarded and answered.
    requests_forwarded,
    /// Requests refused.
    requests_refused,
    /// Requests allowed that the host did not answer well.
    requests_failed,
    /// Requests whose client went away, or that the end of the agent cut off.
    requests_abandoned,
    /// Requests that were held because rules or key had not arrived.
    requests_held,
    /// Requests that Audit let pass and Enforce would have refused.
    requests_would_refuse,
    /// Audit records that found the queue full; in Audit their requests were forwarded.
    audit_lost,
    /// Writes of the audit file that failed and were tried again.
    audit_write_errors,
    /// Upstream connections opened.
    upstream_connections,
    /// Rounds of the key keeper that failed.
    channel_errors,
    /// Keys latched.
    keys_latched,
    /// Connections from before their endpoint was protected that were destroyed.
    preexisting_destroyed,
    /// Reasons for which connections from before could not all be found or destroyed.
    preexisting_errors,
    /// Changes of the kernel's side by somebody else.
    protection_alarms,
    /// Of those, the ones that are as they should be again.
    protection_restored,
}

/// One number.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts one more.
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts so many more.
    pub fn add_up(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// Returns the number so far.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
