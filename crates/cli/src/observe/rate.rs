//! How many things happen per second of late, in memory of a fixed size.

use jiff::Timestamp;

/// Over how many seconds a rate is taken.
const WINDOW: u8 = 10;

/// How many there were in each of the last seconds.
#[derive(Debug, Default)]
pub(super) struct Recent {
    /// One place for each second of the window, by the second's number.
    counts: [u32; 10],
    newest: i64,
}

impl Recent {
    pub(super) fn add(&mut self, time: Timestamp) {
        let second = time.as_second();
        self.forget_before(second);
        // Records are written when they end, so that they come a little out of order.
        if self.newest - second < i64::from(WINDOW)
            && let Some(count) = self.counts.get_mut(place(second))
        {
            *count = count.saturating_add(1);
        }
    }

    /// Returns how many there were per second in the window that ends `now`.
    pub(super) fn rate(&self, now: Timestamp) -> f64 {
        let window = i64::from(WINDOW) - 1;
        let first = now.as_second().max(self.newest) - window;
        let counts = (first..=self.newest).filter_map(|second| self.counts.get(place(second)));
        let count = counts.fold(0_u32, |sum, count| sum.saturating_add(*count));
        f64::from(count) / f64::from(WINDOW)
    }

    /// Empties the places of the seconds that have gone by.
    fn forget_before(&mut self, second: i64) {
        let passed = second - self.newest;
        if passed >= i64::from(WINDOW) {
            self.counts = Default::default();
        } else {
            for gone in self.newest + 1..=second {
                if let Some(count) = self.counts.get_mut(place(gone)) {
                    *count = 0;
                }
            }
        }
        self.newest = self.newest.max(second);
    }
}

fn place(second: i64) -> usize {
    usize::try_from(second.rem_euclid(i64::from(WINDOW))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::sample::at;
    use super::*;

    #[test]
    fn every_second_of_the_window_has_a_place() {
        assert_eq!(Recent::default().counts.len(), usize::from(WINDOW));
    }

    #[test]
    fn rate_is_of_the_last_ten_seconds() {
        let mut recent = Recent::default();
        for second in [0, 0, 5, 9] {
            recent.add(at(second));
        }
        let rates = [9, 10, 14, 15, 18, 19, 1000].map(|second| recent.rate(at(second)));
        assert_eq!(rates, [0.4, 0.2, 0.2, 0.1, 0.1, 0.0, 0.0]);
    }

    #[test]
    fn late_one_counts_while_its_second_is_in_the_window() {
        let mut recent = Recent::default();
        recent.add(at(100));
        recent.add(at(95));
        recent.add(at(80));
        assert_eq!(recent.rate(at(100)), 0.2);
    }

    #[test]
    fn second_that_comes_round_again_starts_from_nothing() {
        let mut recent = Recent::default();
        recent.add(at(3));
        recent.add(at(13));
        assert_eq!(recent.rate(at(13)), 0.1);
        recent.add(at(500));
        assert_eq!(recent.rate(at(500)), 0.1);
    }
}
