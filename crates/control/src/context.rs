//! What every part of the control plane works with: store and clock.

use std::sync::Arc;

use crate::clock::Clock;
use crate::store::Store;

/// The state of all routes; cheap to clone.
#[derive(Clone, Debug)]
pub struct Context {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}
