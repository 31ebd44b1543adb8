//! [`Faults`]: a place where tests make the disk fail.

use std::fmt;
use std::io;
use std::sync::Arc;

/// Something that the store is about to do to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Open the database.
    Open,
    /// Write the journal of a large commit.
    Journal,
    /// Hand a batch to the database.
    Apply,
    /// Hand the database's buffers to the kernel.
    Flush,
    /// Wait until the disk has them.
    Sync,
}

type Hook = dyn Fn(Step) -> io::Result<()> + Send + Sync;

/// Asked before every [`Step`]; an error is taken as the step's own. Does nothing by default.
#[derive(Clone, Default)]
pub struct Faults(Option<Arc<Hook>>);

impl Faults {
    /// Asks `hook` before every step.
    pub fn new(hook: impl Fn(Step) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hook)))
    }

    pub(super) fn before(&self, step: Step) -> io::Result<()> {
        self.0.as_ref().map_or(Ok(()), |hook| hook(step))
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Faults(hook)" } else { "Faults(none)" })
    }
}
