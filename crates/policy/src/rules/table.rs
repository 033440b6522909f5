//! Tables that are asked many times for every request.

use std::collections::HashMap;

use foldhash::fast::RandomState;

/// A table that is asked by texts of anybody.
///
/// SECURITY: its hash is quick and resists no flood of keys that collide, so whoever sends requests
/// must not fill it: keys come from a profile, or their number is bounded.
pub(crate) type Table<K, V> = HashMap<K, V, RandomState>;
