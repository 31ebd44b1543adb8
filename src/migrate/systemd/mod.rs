//! systemd timers: unit files, calendar expressions, and the job that a timer with its service becomes.

mod calendar;
mod exec;
mod span;
#[cfg(test)]
mod tests;
mod timer;
mod unit;

pub use calendar::{CalendarError, CronForm, to_cron};
pub use timer::{TimerError, TimerUnits, service_of};
pub use unit::Unit;
