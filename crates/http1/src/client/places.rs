//! Places among the requests under way, so many for each key, given out in the order of asking.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// A place among the requests under way; given back when dropped.
pub type Place = OwnedSemaphorePermit;

/// Gives out places.
#[derive(Debug)]
pub struct Places<K> {
    each: usize,
    taken: Mutex<HashMap<K, Arc<Semaphore>>>,
}

impl<K: Eq + Hash> Places<K> {
    /// Begins with so many places for each key, none of them taken.
    #[must_use]
    pub fn new(each: usize) -> Self {
        Self {
            each,
            taken: Mutex::default(),
        }
    }

    /// Waits for a place; none when there is none in so long.
    pub async fn take(&self, key: K, patience: Duration) -> Option<Place> {
        let places = self.of(key);
        timeout(patience, places.acquire_owned()).await.ok()?.ok()
    }

    /// Returns the places of a key; those that nobody has or waits for are forgotten.
    fn of(&self, key: K) -> Arc<Semaphore> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.retain(|_, places| Arc::strong_count(places) > 1);
        let places = taken
            .entry(key)
            .or_insert_with(|| Arc::new(Semaphore::new(self.each)));
        Arc::clone(places)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(20);

    #[tokio::test(start_paused = true)]
    async fn one_key_cannot_take_the_places_of_another() {
        let places = Places::new(2);
        let held = [
            places.take("greedy", SHORT).await,
            places.take("greedy", SHORT).await,
        ];
        assert!(held.iter().all(Option::is_some));
        assert!(places.take("greedy", SHORT).await.is_none());
        assert!(places.take("other", SHORT).await.is_some());
        drop(held);
        assert!(places.take("greedy", SHORT).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn key_without_requests_is_forgotten() {
        let places = Places::new(1);
        for number in 0..100 {
            assert!(places.take(number, SHORT).await.is_some());
        }
        assert_eq!(places.taken.lock().unwrap().len(), 1);
    }
}
