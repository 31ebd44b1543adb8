//! [`Alarm`]: one absolute timer on the wall clock, which also tells when that clock is set.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use crate::clock::Timestamp;

/// How far ahead the timer is set when nothing is due: only an armed timer is cancelled by a clock step.
const IDLE_AHEAD: Duration = Duration::from_secs(24 * 3600);

/// A `timerfd` on `CLOCK_REALTIME` with `TFD_TIMER_CANCEL_ON_SET` ([timerfd_create(2)]).
///
/// [timerfd_create(2)]: https://man7.org/linux/man-pages/man2/timerfd_create.2.html
pub(super) struct Alarm {
    timer: TimerFd,
    set_to: Option<Timestamp>,
}

/// Why the timer is readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ring {
    /// Its time has come, or nothing has.
    Time,
    /// The wall clock was set discontinuously.
    ClockStepped,
}

impl Alarm {
    /// # Errors
    /// When the kernel gives no timer.
    pub(super) fn new() -> Result<Self, Errno> {
        let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
        Ok(Self { timer: TimerFd::new(ClockId::CLOCK_REALTIME, flags)?, set_to: None })
    }

    /// Rings at `at`, or at the idle distance from `now` when there is nothing to wait for.
    ///
    /// # Errors
    /// When the kernel refuses the time.
    pub(super) fn set(&mut self, at: Option<Timestamp>, now: Timestamp) -> Result<(), Errno> {
        let idle = now + IDLE_AHEAD;
        let armed_ahead = self.set_to.is_some_and(|set_to| now < set_to && set_to <= idle);
        if at == self.set_to && at.is_some() || at.is_none() && armed_ahead {
            return Ok(());
        }
        let at = at.map_or(idle, |at| at.min(idle));
        let since_epoch = (at - Timestamp::UNIX_EPOCH).to_std().unwrap_or_default().max(Duration::from_nanos(1));
        let flags = TimerSetTimeFlags::TFD_TIMER_ABSTIME | TimerSetTimeFlags::TFD_TIMER_CANCEL_ON_SET;
        self.timer.set(Expiration::OneShot(TimeSpec::from_duration(since_epoch)), flags)?;
        self.set_to = Some(at);
        Ok(())
    }

    /// Takes the ring in.
    ///
    /// # Errors
    /// When the timer cannot be read.
    pub(super) fn take(&mut self) -> Result<Ring, Errno> {
        // Not `TimerFd::wait`: it takes ECANCELED for success.
        match nix::unistd::read(&self.timer, &mut [0; 8]) {
            Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) => {
                self.set_to = None;
                Ok(Ring::Time)
            }
            Err(Errno::ECANCELED) => {
                self.set_to = None;
                Ok(Ring::ClockStepped)
            }
            Err(errno) => Err(errno),
        }
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }
}
