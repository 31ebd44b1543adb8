//! [`Watcher`] and [`Follow`]: output while it is being printed, without polling.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinError};

use super::index::ReadError;
use super::pieces::Pieces;
use super::reader::{Filter, Output, Piece};

/// Time for which more is awaited when something was printed: a program that prints line by line would otherwise cost a
/// wake-up for each, and nobody sees the difference.
const GATHER: Duration = Duration::from_millis(5);

/// Watches the directories of all attempts that are being followed, through one inotify instance: the kernel allows 128
/// of them for each user, and many more watches.
#[derive(Clone)]
pub struct Watcher {
    shared: Arc<Shared>,
    /// Ends the task when the last clone is dropped.
    _task: Arc<AbortOnDrop>,
}

struct Shared {
    inotify: AsyncFd<Instance>,
    watched: Mutex<HashMap<WatchDescriptor, Watched>>,
}

/// The kernel's instance, as tokio wants it.
struct Instance(Inotify);

impl AsRawFd for Instance {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

/// A directory, however often it is followed.
struct Watched {
    followers: usize,
    changes: watch::Sender<()>,
}

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Watcher {
    /// A watcher, within a tokio runtime.
    ///
    /// # Errors
    /// When the kernel has no inotify instance left for this user (`fs.inotify.max_user_instances`).
    pub fn new() -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        // SAFETY: the descriptor belongs to the instance, which closes it only when it is dropped with the AsyncFd.
        let inotify = unsafe { AsyncFd::register_with_interest(Instance(inotify), Interest::READABLE) }?;
        let shared = Arc::new(Shared { inotify, watched: Mutex::default() });
        let task = tokio::spawn(dispatch(Arc::clone(&shared)));
        Ok(Self { shared, _task: Arc::new(AbortOnDrop(task.abort_handle())) })
    }

    /// Follows the output in an attempt's directory from the absolute offset `from` on, until `ended` is done and
    /// everything was returned. `ended` has to wait for the attempt's end, since nothing is printed after it.
    ///
    /// # Errors
    /// When the directory does not exist (the supervisor makes it before it reports the start), or the kernel has no watch
    /// left for this user (`fs.inotify.max_user_watches`).
    pub fn follow(
        &self,
        dir: &Path,
        from: u64,
        filter: Filter,
        ended: impl Future<Output = ()> + Send + 'static,
    ) -> Result<Follow, ReadError> {
        let watch = self.watch(dir).map_err(|errno| ReadError::at(dir)(errno.into()))?;
        let pieces = Some(Output::new(dir).read(from, filter));
        Ok(Follow { watch, pieces, ended: Box::pin(ended), over: false })
    }

    fn watch(&self, dir: &Path) -> Result<Watch, Errno> {
        // The lock is held over both steps: another follower of this directory may just be leaving it.
        let mut watched = self.shared.watched();
        let flags = AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_CREATE | AddWatchFlags::IN_ONLYDIR;
        let descriptor = self.shared.inotify.get_ref().0.add_watch(dir, flags)?;
        let entry =
            watched.entry(descriptor).or_insert_with(|| Watched { followers: 0, changes: watch::Sender::new(()) });
        entry.followers += 1;
        Ok(Watch { watcher: self.clone(), descriptor, changes: entry.changes.subscribe() })
    }
}

impl Shared {
    fn watched(&self) -> MutexGuard<'_, HashMap<WatchDescriptor, Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, descriptor: WatchDescriptor, all: bool) {
        let watched = self.watched();
        if all {
            watched.values().for_each(|entry| entry.changes.send_replace(()));
        } else if let Some(entry) = watched.get(&descriptor) {
            entry.changes.send_replace(());
        }
    }
}

/// Reads what the kernel tells and wakes the followers of that directory.
async fn dispatch(shared: Arc<Shared>) {
    loop {
        let events = shared.inotify.async_io(Interest::READABLE, |inotify| Ok(inotify.0.read_events()?)).await;
        match events {
            Ok(events) => {
                for event in events {
                    let overflow = event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW);
                    // Every write to a segment ends with one to its index.
                    let tells = event.name.is_none_or(|name| name.as_encoded_bytes().ends_with(b".idx"));
                    if overflow || tells {
                        shared.wake(event.wd, overflow);
                    }
                }
            }
            Err(fault) => {
                tracing::error!(%fault, "output cannot be followed any more");
                return;
            }
        }
    }
}

/// A follower's share in a watch.
struct Watch {
    watcher: Watcher,
    descriptor: WatchDescriptor,
    changes: watch::Receiver<()>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watched = self.watcher.shared.watched();
        let Some(entry) = watched.get_mut(&self.descriptor) else { return };
        entry.followers -= 1;
        if entry.followers == 0 {
            watched.remove(&self.descriptor);
            match self.watcher.shared.inotify.get_ref().0.rm_watch(self.descriptor) {
                // The directory was deleted, and the watch with it.
                Ok(()) | Err(Errno::EINVAL) => {}
                Err(errno) => tracing::warn!(%errno, "cannot end a watch"),
            }
        }
    }
}

/// Output as it comes.
pub struct Follow {
    watch: Watch,
    /// Absent only while a blocking thread reads.
    pieces: Option<Pieces>,
    ended: Pin<Box<dyn Future<Output = ()> + Send>>,
    over: bool,
}

impl Follow {
    /// The next pieces, at least one; `None` after the end. Not to be called again after an error.
    ///
    /// # Errors
    /// When the files cannot be read.
    pub async fn next(&mut self) -> Result<Option<Vec<Piece>>, ReadError> {
        loop {
            // Before the look at the files, so that what is printed during it is not missed.
            self.watch.changes.mark_unchanged();
            let over = self.over;
            let batch = self.read().await?;
            if !batch.is_empty() {
                return Ok(Some(batch));
            }
            if over {
                return Ok(None);
            }
            tokio::select! {
                () = &mut self.ended => self.over = true,
                changed = self.watch.changes.changed() => {
                    changed.expect("the sender lives as long as a follower");
                    tokio::time::sleep(GATHER).await;
                }
            }
        }
    }

    /// Files may be slow: they are read where that harms nobody.
    async fn read(&mut self) -> Result<Vec<Piece>, ReadError> {
        let mut pieces = self.pieces.take().expect("it is put back below, unless an error was returned");
        let read = tokio::task::spawn_blocking(move || pieces.batch().map(|batch| (pieces, batch))).await;
        let (pieces, batch) = read.unwrap_or_else(resume_panic)?;
        self.pieces = Some(pieces);
        Ok(batch)
    }
}

fn resume_panic<T>(fault: JoinError) -> T {
    std::panic::resume_unwind(fault.into_panic())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tokio::sync::oneshot;

    use super::super::{Stream, Writer};
    use super::*;
    use crate::clock::Timestamp;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_timestamp_micros(1_793_536_496_000_000 + seconds * 1_000_000).unwrap()
    }

    fn text(batch: &[Piece]) -> String {
        let bytes = batch.iter().flat_map(|piece| match piece {
            Piece::Printed(chunk) => chunk.bytes.clone(),
            Piece::Missing { .. } => b"?".to_vec(),
        });
        String::from_utf8(bytes.collect()).unwrap()
    }

    /// A bound for what should take no time, so that a missed wake-up fails instead of hanging.
    async fn soon<T>(future: impl Future<Output = T>) -> T {
        tokio::time::timeout(Duration::from_secs(30), future).await.expect("it comes soon")
    }

    #[tokio::test]
    async fn what_is_printed_comes_by_itself_until_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let watcher = Watcher::new().unwrap();
        let (end, ended) = oneshot::channel::<()>();
        let ended = async { ended.await.expect("it is sent") };
        let mut follow = watcher.follow(dir.path(), 0, Filter::default(), ended).unwrap();
        let mut writer = Writer::new(dir.path(), 1 << 20);
        for number in 0..5 {
            let line = format!("{number}\n");
            let (batch, ()) = tokio::join!(soon(follow.next()), async {
                // The follower waits already when this is written.
                tokio::task::yield_now().await;
                writer.append(Stream::Stdout, line.as_bytes(), at(number));
            });
            assert_eq!(text(&batch.unwrap().unwrap()), line);
        }
        writer.append(Stream::Stderr, b"last words", at(9));
        end.send(()).unwrap();
        let mut rest = String::new();
        while let Some(batch) = soon(follow.next()).await.unwrap() {
            rest += &text(&batch);
        }
        assert_eq!(rest, "last words");
    }

    #[tokio::test]
    async fn a_finished_attempt_is_read_to_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::new(dir.path(), 4 << 20);
        let line = vec![b'x'; 999_999];
        writer.append(Stream::Stdout, &line, at(0));
        let watcher = Watcher::new().unwrap();
        let mut follow = watcher.follow(dir.path(), 9, Filter::default(), async {}).unwrap();
        let mut count = 0;
        while let Some(batch) = soon(follow.next()).await.unwrap() {
            count += text(&batch).len();
        }
        assert_eq!(count, line.len() - 9);
    }

    #[tokio::test]
    async fn several_follow_one_directory_and_leave_it() {
        let dir = tempfile::tempdir().unwrap();
        let watcher = Watcher::new().unwrap();
        let follow = || watcher.follow(dir.path(), 0, Filter::default(), std::future::pending()).unwrap();
        let (mut first, second, mut third) = (follow(), follow(), follow());
        drop(second);
        let mut writer = Writer::new(dir.path(), 1 << 20);
        let (one, other, ()) = tokio::join!(soon(first.next()), soon(third.next()), async {
            tokio::task::yield_now().await;
            writer.append(Stream::Stdout, b"x", at(0));
        });
        assert_eq!((text(&one.unwrap().unwrap()), text(&other.unwrap().unwrap())), ("x".into(), "x".into()));
        fs::remove_dir_all(dir.path()).unwrap();
        drop((first, third));
        assert!(watcher.shared.watched().is_empty());
        assert!(watcher.follow(dir.path(), 0, Filter::default(), async {}).is_err());
    }
}
