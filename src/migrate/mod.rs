//! Coming from cron and systemd, and going back: crontabs and timers become job files, jobs become a crontab. Pure.

mod change;
mod check;
pub mod crontab;
mod draft;
mod import;
mod name;
#[cfg(test)]
mod tests;
mod text;

pub use change::{Change, Everywhere};
pub use check::{Comparison, FIRES_COMPARED, compare};
pub use draft::{Draft, DraftCommand, DraftSchedule, Setting};
pub use import::{Finished, Import, ImportFault, Imported, LineOrigin, Reading};
