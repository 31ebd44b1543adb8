//! What retention lets go.

use std::num::NonZeroU32;

use super::sample::{at, finished, job, queued, run_id, skip};
use super::{commit, open};
use crate::clock::Timestamp;
use crate::scheduler::Change;
use crate::store::{Expired, Store};

fn expired(store: &Store, kept: u32, cutoff: Timestamp, limit: usize) -> Vec<Expired> {
    let kept = NonZeroU32::new(kept).expect("not zero");
    store.reader().expired(&job("a"), kept, cutoff, limit).expect("readable")
}

fn run(number: u64) -> Expired {
    Expired::Run(run_id("a", number))
}

#[test]
fn by_number_by_age_and_never_a_live_run() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path()).store;
    let mut changes: Vec<Change> = (2..=9).map(|number| Change::Run(Box::new(finished("a", number)))).collect();
    changes.push(Change::Run(Box::new(queued("a", 1))));
    changes.push(Change::Run(Box::new(queued("a", 10))));
    changes.push(Change::Run(Box::new(finished("b", 1))));
    changes.push(Change::Skip(skip("a", 3, 1, 4)));
    changes.push(Change::Skip(skip("a", 8, 1, 9)));
    commit(&store, changes).expect("durable");

    let long_ago = at(-1000);
    assert_eq!(expired(&store, 100, long_ago, 100), []);
    assert_eq!(expired(&store, 8, long_ago, 100), [], "exactly as many as are kept");
    assert_eq!(expired(&store, 5, long_ago, 100), [run(2), run(3)], "the skip is kept: there are fewer than five");
    assert_eq!(
        expired(&store, 1, long_ago, 3),
        [run(2), run(3), Expired::Skip(job("a"), skip("a", 3, 1, 4).key)],
        "at most as many as asked for"
    );
    // A run ends one second after its number; the instant itself is kept.
    let gone = [run(2), run(3), Expired::Skip(job("a"), skip("a", 3, 1, 4).key), run(4)];
    assert_eq!(expired(&store, 100, at(6), 100), gone);
    assert_eq!(expired(&store, 6, at(6), 100), gone, "either bound lets go");

    let changes = expired(&store, 2, at(6), 100).into_iter().map(Change::from).collect();
    commit(&store, changes).expect("durable");
    assert_eq!(expired(&store, 2, at(6), 100), []);
    let count = store.reader().count(&job("a")).expect("readable");
    assert_eq!((count.runs, count.skips), (4, 1), "two finished, two live");
    assert_eq!(store.reader().count(&job("b")).expect("readable").runs, 1);
}
