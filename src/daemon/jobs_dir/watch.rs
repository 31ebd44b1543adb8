//! [`watch`]: a signal when the jobs directory may have changed.
//!
//! inotify watches the directory, and its parent, so that a directory that is deleted, renamed or made anew is found
//! again. Beside it the signal is given every [`RESCAN`] anyway: some file systems (NFS, FUSE) tell inotify nothing of
//! changes that other machines make, and a whole path may vanish. Without inotify (its instances or watches are used
//! up, see `fs.inotify.max_user_instances` in [inotify(7)]) the signal is given every [`POLL`].
//!
//! [inotify(7)]: https://man7.org/linux/man-pages/man7/inotify.7.html

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, Event, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

/// The signal waits until nothing happened for this long: a file is written in pieces, an unpacked archive is many
/// files.
pub const QUIET: Duration = Duration::from_millis(100);

/// But no longer than this after the first event: a directory in which something always happens is read too, and what a
/// person did takes effect within a second.
pub const PATIENCE: Duration = Duration::from_millis(500);

/// The signal is given this often without any event.
pub const RESCAN: Duration = Duration::from_secs(60);

/// The signal is given this often when there is no inotify.
pub const POLL: Duration = Duration::from_secs(1);

/// Watches until it is dropped.
pub struct Watcher {
    bell: Sender<Bell>,
    thread: Option<JoinHandle<()>>,
    degraded: Option<String>,
}

/// What reaches the thread.
enum Bell {
    /// Something happened in the directory or its parent.
    Rung,
    /// The watcher was dropped.
    Stop,
}

/// Calls `changed` from a thread of its own whenever the directory at `path` may have changed; it need not exist yet.
/// The first call comes with the first change, not at once. `changed` should only pass the word on.
///
/// # Errors
/// When no thread can be started.
pub fn watch(path: &Path, changed: impl FnMut() + Send + 'static) -> std::io::Result<Watcher> {
    let (bell, bells) = channel();
    let (watched, degraded) = match Watched::new(path, bell.clone()) {
        Ok(watched) => (Some(watched), None),
        Err(error) => (None, Some(error.to_string())),
    };
    let thread = std::thread::Builder::new()
        .name("jobs-dir".to_owned())
        .spawn(move || Loop { bells, watched, changed }.run())?;
    Ok(Watcher { bell, thread: Some(thread), degraded })
}

impl Watcher {
    /// Why changes are looked for every second instead of being told, when that is so.
    pub fn degraded(&self) -> Option<&str> {
        self.degraded.as_deref()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // A thread that is gone already hears nothing and needs no joining twice.
        if self.bell.send(Bell::Stop).is_ok()
            && let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that watches the jobs directory panicked");
        }
    }
}

/// The thread.
struct Loop<F> {
    bells: Receiver<Bell>,
    watched: Option<Watched>,
    changed: F,
}

impl<F: FnMut()> Loop<F> {
    fn run(mut self) {
        let idle = if self.watched.is_some() { RESCAN } else { POLL };
        loop {
            match self.bells.recv_timeout(idle) {
                Ok(Bell::Rung) if self.settle() => {}
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Bell::Rung | Bell::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            }
            // Before the signal: what is put into a new directory before it is watched is then seen by the reading.
            if let Some(watched) = &mut self.watched {
                watched.renew();
            }
            (self.changed)();
        }
    }

    /// Waits for quiet. False when the watcher was dropped.
    #[expect(clippy::disallowed_methods, reason = "this is the edge: real time between real events")]
    fn settle(&self) -> bool {
        let first = Instant::now();
        loop {
            let left = PATIENCE.saturating_sub(first.elapsed());
            match self.bells.recv_timeout(QUIET.min(left)) {
                Ok(Bell::Rung) if !left.is_zero() => {}
                Ok(Bell::Rung) | Err(RecvTimeoutError::Timeout) => return true,
                Ok(Bell::Stop) | Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }
}

/// What inotify watches.
struct Watched {
    watcher: RecommendedWatcher,
    directory: Target,
    parent: Target,
}

/// A path, and the directory that was there when it began to be watched.
struct Target {
    path: PathBuf,
    inode: Option<(u64, u64)>,
}

impl Watched {
    fn new(path: &Path, bell: Sender<Bell>) -> Result<Self, notify::Error> {
        let path = std::path::absolute(path).map_err(notify::Error::io)?;
        let parent = path.parent().unwrap_or(&path).to_owned();
        let mine = path.clone();
        let watcher = notify::recommended_watcher(move |event: Result<Event, notify::Error>| {
            let rings = match &event {
                Ok(event) => matters(event, &mine),
                // An error, as an overflow of the queue, may hide anything.
                Err(_) => true,
            };
            // The other end goes first only when everything goes.
            if rings && bell.send(Bell::Rung).is_err() {
                tracing::trace!("a change of the jobs directory after its watcher");
            }
        })?;
        let target = |path| Target { path, inode: None };
        let mut watched = Self { watcher, directory: target(path), parent: target(parent) };
        watched.parent.renew(&mut watched.watcher)?;
        watched.directory.renew(&mut watched.watcher)?;
        Ok(watched)
    }

    /// Watches anew what is not the directory any more that was watched.
    fn renew(&mut self) {
        for target in [&mut self.parent, &mut self.directory] {
            if let Err(error) = target.renew(&mut self.watcher) {
                tracing::warn!(path = %target.path.display(), %error, "cannot watch; looking again every {}s", RESCAN.as_secs());
            }
        }
    }
}

impl Target {
    fn renew(&mut self, watcher: &mut RecommendedWatcher) -> Result<(), notify::Error> {
        let inode = std::fs::metadata(&self.path).ok().map(|metadata| (metadata.dev(), metadata.ino()));
        if inode == self.inode {
            return Ok(());
        }
        if self.inode.take().is_some()
            && let Err(error) = watcher.unwatch(&self.path)
        {
            // inotify drops the watch of a deleted directory by itself.
            tracing::debug!(path = %self.path.display(), %error, "was not watched any more");
        }
        if inode.is_some() {
            watcher.watch(&self.path, RecursiveMode::NonRecursive)?;
            self.inode = inode;
        }
        Ok(())
    }
}

/// Whether an event may mean that a job changed. Reading is none, least of all our own.
fn matters(event: &Event, directory: &Path) -> bool {
    let change = match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        EventKind::Any | EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_) | EventKind::Other => true,
    };
    // The parent's other children do not matter; an event without a path may.
    change && (event.paths.is_empty() || event.paths.iter().any(|path| path.starts_with(directory)))
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, ModifyKind};

    use super::*;

    #[test]
    fn reading_and_other_places_do_not_matter() {
        let directory = Path::new("/etc/jobsd/jobs.d");
        let inside = || Event::new(EventKind::Any).add_path(directory.join("a.toml"));
        for (kind, expected) in [
            (EventKind::Access(AccessKind::Open(AccessMode::Any)), false),
            (EventKind::Access(AccessKind::Close(AccessMode::Read)), false),
            (EventKind::Access(AccessKind::Close(AccessMode::Write)), true),
            (EventKind::Create(CreateKind::File), true),
            (EventKind::Modify(ModifyKind::Any), true),
        ] {
            assert_eq!(matters(&Event { kind, ..inside() }, directory), expected, "{kind:?}");
        }
        let create = || Event::new(EventKind::Create(CreateKind::Folder));
        assert!(matters(&create().add_path(directory.to_owned()), directory));
        assert!(!matters(&create().add_path("/etc/jobsd/other".into()), directory));
        assert!(matters(&create(), directory), "an overflow has no path");
    }

    #[test]
    fn without_inotify_the_signal_comes_anyway() {
        let (bell, bells) = channel();
        let (sender, signals) = channel();
        let changed = move || sender.send(()).unwrap_or_default();
        let thread = std::thread::spawn(move || Loop { bells, watched: None, changed }.run());
        for _ in 0..2 {
            signals.recv_timeout(POLL * 20).expect("a signal without an event");
        }
        bell.send(Bell::Stop).unwrap();
        thread.join().unwrap();
    }
}
