//! How much of an input one record may take: whatever is read, no more of it is held.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use latchkey_policy::learn::read::MAX_LINE_BYTES;

/// A record is longer than is read.
#[derive(Debug, thiserror::Error)]
#[error("a record is longer than 1 MiB: the rest is not read")]
pub(crate) struct TooLong;

/// What may still be read of the record that is being read; its copies share it.
#[derive(Clone, Debug)]
pub(crate) struct Budget(Rc<Cell<u64>>);

/// A reader that ends with an error where a record is too long.
pub(crate) struct Limited<R> {
    reader: R,
    budget: Budget,
}

impl Budget {
    pub(crate) fn new() -> Self {
        Self(Rc::new(Cell::new(most())))
    }

    /// Begins another record.
    pub(crate) fn renew(&self) {
        self.0.set(most());
    }

    /// Lets through what is skipped, not held, until the next record begins.
    pub(crate) fn lift(&self) {
        self.0.set(u64::MAX);
    }

    /// Returns how much was read of this record.
    pub(crate) fn used(&self) -> u64 {
        most().saturating_sub(self.0.get())
    }

    pub(crate) fn limit<R: Read>(&self, reader: R) -> Limited<R> {
        Limited {
            reader,
            budget: self.clone(),
        }
    }
}

fn most() -> u64 {
    u64::try_from(MAX_LINE_BYTES).unwrap_or(u64::MAX)
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.budget.0.get();
        if left == 0 {
            return Err(io::Error::other(TooLong));
        }
        let count = self.reader.read(buffer)?;
        let used = u64::try_from(count).unwrap_or(u64::MAX);
        self.budget.0.set(left.saturating_sub(used));
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_that_is_too_long_ends_the_reading() {
        let budget = Budget::new();
        let mut reader = budget.limit(io::repeat(b'a'));
        let mut buffer = vec![0; MAX_LINE_BYTES / 2];
        for _ in 0..3 {
            reader.read_exact(&mut buffer).unwrap();
            budget.renew();
        }
        budget.lift();
        reader.read_exact(&mut buffer).unwrap();
        budget.renew();
        reader.read_exact(&mut buffer).unwrap();
        reader.read_exact(&mut buffer).unwrap();
        let error = reader.read_exact(&mut buffer).unwrap_err();
        assert!(error.get_ref().is_some_and(|own| own.is::<TooLong>()));
    }
}
