//! Tests of the store as a whole.

mod commit;
mod full;
mod history;
mod kill;
mod record;
mod retention;
pub(super) mod sample;

use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use super::{CommitError, Opened, Options, Store};
use crate::scheduler::Change;

/// No wait in a test is longer.
const PATIENCE: Duration = Duration::from_secs(60);

fn open(dir: &Path) -> Opened {
    let opened = Store::open(dir, Options::at(sample::at(1_000_000))).expect("the store opens");
    assert_eq!(opened.notes, [], "nothing is wrong");
    opened
}

/// Commits and waits.
fn commit(store: &Store, changes: Vec<Change>) -> Result<(), CommitError> {
    let (sender, receiver) = mpsc::channel();
    store.commit(changes, Box::new(move |result| sender.send(result).expect("the test waits")));
    receiver.recv_timeout(PATIENCE).expect("an answer")
}

/// Polls until a condition holds.
fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    const PAUSE: Duration = Duration::from_millis(5);
    for _ in 0..PATIENCE.as_millis() / PAUSE.as_millis() {
        if condition() {
            return;
        }
        std::thread::sleep(PAUSE);
    }
    panic!("waited in vain: {what}");
}
