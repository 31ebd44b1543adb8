//! Coming from cron and systemd, and going back: crontabs and timers become job files, jobs become a crontab.
//!
//! Only [`Machine`] and [`files`] touch files; all else is pure.

mod anacron;
mod change;
mod check;
pub mod crontab;
mod disable;
mod draft;
pub mod export;
pub mod files;
#[doc(hidden)]
pub mod fuzzing;
mod import;
mod losses;
mod machine;
mod name;
mod system;
pub mod systemd;
mod template;
#[cfg(test)]
mod tests;
mod text;
mod words;

pub use anacron::{AnacronJob, Anacrontab, Period};
pub use change::{Change, Everywhere};
pub use check::{Comparison, FIRES_COMPARED, compare};
pub use disable::comment_out;
pub use draft::{Draft, DraftCommand, DraftSchedule, Setting};
pub use import::{Finished, Import, ImportFault, Imported, LineOrigin, Reading, Terms};
pub use machine::{Machine, MachineError, Table};
pub use system::{DIRECTORIES, Dispensable, System};
pub use template::Template;
