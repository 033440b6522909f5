//! Waiting for a file descriptor or a condition until a deadline; nothing here waits without one.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// A point in time after which waiting ends.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    end: Instant,
    budget: Duration,
}

impl Deadline {
    /// Returns the deadline that lies `budget` ahead.
    #[must_use]
    pub fn after(budget: Duration) -> Self {
        Self {
            end: Instant::now() + budget,
            budget,
        }
    }

    /// Returns the time that was given in the beginning.
    #[must_use]
    pub fn budget(self) -> Duration {
        self.budget
    }

    /// Returns whether no time is left.
    #[must_use]
    pub fn has_passed(self) -> bool {
        self.left().is_zero()
    }

    fn left(self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }
}

/// How often a condition is looked at.
const STEP: Duration = Duration::from_millis(10);

/// Asks `check` again and again until it finds something, and returns that, or nothing when the
/// time is up.
///
/// # Errors
/// Those of `check`, at once.
#[expect(
    clippy::disallowed_methods,
    reason = "the lab has no runtime whose workers could be blocked"
)]
pub fn until<T, E>(
    limit: Duration,
    mut check: impl FnMut() -> Result<Option<T>, E>,
) -> Result<Option<T>, E> {
    let deadline = Deadline::after(limit);
    loop {
        // Asked before the condition: it gets one more look after a slow one.
        let is_last = deadline.has_passed();
        let found = check()?;
        if found.is_some() || is_last {
            return Ok(found);
        }
        std::thread::sleep(STEP);
    }
}

/// Waits for one of `events` on `fd`, at most `step` and never past the deadline, and returns
/// whether it came.
///
/// # Errors
/// The kernel refused to poll the descriptor.
pub fn wait_for(
    fd: impl AsFd,
    events: PollFlags,
    deadline: Deadline,
    step: Duration,
) -> io::Result<bool> {
    let limit = Deadline::after(deadline.left().min(step));
    loop {
        let timeout = Timespec::try_from(limit.left()).map_err(io::Error::other)?;
        let mut fds = [PollFd::new(&fd, events)];
        match poll(&mut fds, Some(&timeout)) {
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(ready) => return Ok(ready > 0),
        }
    }
}
