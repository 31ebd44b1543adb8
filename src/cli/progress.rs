//! [`Progress`]: what takes long says how far it is, on a terminal alone.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// What is quicker than this shows nothing: a line that flashes by is noise.
const SILENT: Duration = Duration::from_secs(1);

/// A count on the terminal of standard error, removed when it is dropped.
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Counts something; nothing is ever shown when nobody looks.
    pub fn new(what: &'static str, is_watched: bool) -> Self {
        let bar = if is_watched { ProgressBar::no_length() } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("{spinner} {msg}: {pos}").expect("the template is a good one");
        bar.set_style(style);
        bar.set_message(what);
        Self { bar }
    }

    /// So many are done.
    pub fn set(&mut self, done: usize) {
        if self.bar.elapsed() >= SILENT {
            self.bar.set_position(done as u64);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
