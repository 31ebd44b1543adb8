//! Reading history.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::sample::{any_run, any_skip, at, finished, job, queued, skip};
use super::{commit, open};
use crate::scheduler::Change;
use crate::store::{HistoryEntry, HistoryKey, HistoryQuery, Options, Store};

fn entries(changes: Vec<Change>) -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().expect("a directory");
    let opened = open(dir.path());
    commit(&opened.store, changes).expect("durable");
    (dir, opened.store)
}

fn places(entries: &[HistoryEntry]) -> Vec<(u64, u32)> {
    entries.iter().map(|entry| (entry.key().number, entry.key().skip_index)).collect()
}

#[test]
fn history_is_newest_first_and_pages() {
    let mut changes: Vec<Change> = (1..=5).map(|number| Change::Run(Box::new(finished("a", number)))).collect();
    changes.push(Change::Run(Box::new(queued("a", 6))));
    changes.push(Change::Skip(skip("a", 0, 1, -1)));
    changes.push(Change::Skip(skip("a", 3, 1, 5)));
    changes.push(Change::Skip(skip("a", 3, 2, 6)));
    // Names that begin like the job's must not mix.
    changes.extend(["a.b", "a-", "aa", "b"].map(|name| Change::Run(Box::new(finished(name, 9)))));
    let (_dir, store) = entries(changes);
    let reader = store.reader();
    let page = reader.history(&job("a"), None, 4).expect("readable");
    assert_eq!(places(&page), [(6, 0), (5, 0), (4, 0), (3, 2)]);
    let rest = reader.history(&job("a"), Some(page[3].key()), 100).expect("readable");
    assert_eq!(places(&rest), [(3, 1), (3, 0), (2, 0), (1, 0), (0, 1)]);
    assert_eq!(places(&reader.history(&job("aa"), None, 100).expect("readable")), [(9, 0)]);
    let count = reader.count(&job("a")).expect("readable");
    assert_eq!((count.runs, count.skips), (6, 3));
}

#[test]
fn history_between_two_times() {
    let changes = (1..=9).map(|number| Change::Run(Box::new(finished("a", number)))).collect();
    let (_dir, store) = entries(changes);
    let query = HistoryQuery { since: Some(at(4)), until: Some(at(6)), before: None };
    let found = store.reader().query(&job("a"), &query, 100).expect("readable");
    assert_eq!(places(&found), [(5, 0), (4, 0), (3, 0)], "a run ends a second after it was created");
    let before = Some(HistoryKey { number: 4, skip_index: 0 });
    let found = store.reader().query(&job("a"), &HistoryQuery { before, ..query }, 100).expect("readable");
    assert_eq!(places(&found), [(3, 0)]);
}

#[test]
fn recent_is_by_end_across_jobs_and_without_live_runs() {
    let changes = vec![
        Change::Run(Box::new(finished("a", 10))),
        Change::Run(Box::new(finished("b", 5))),
        Change::Run(Box::new(queued("c", 99))),
        Change::Skip(skip("d", 0, 1, 8)),
    ];
    let (_dir, store) = entries(changes);
    let names = |limit| -> Vec<String> {
        let found = store.reader().recent(None, limit).expect("readable");
        found
            .iter()
            .map(|entry| match entry {
                HistoryEntry::Run(run) => run.id.job.to_string(),
                HistoryEntry::Skip(skip) => skip.job.to_string(),
            })
            .collect()
    };
    assert_eq!(names(10), ["a", "d", "b"]);
    assert_eq!(names(2), ["a", "d"]);
    // A page goes on where the one before ended.
    let mut paged = Vec::new();
    let mut before = None;
    loop {
        let page = store.reader().recent(before.as_ref(), 1).expect("readable");
        let Some(last) = page.last() else { break };
        before = Some(crate::store::RecentPlace::of(last));
        paged.extend(page);
    }
    assert_eq!(paged, store.reader().recent(None, 10).expect("readable"));
    // A record of skips that grows moves forward and stays one entry.
    commit(&store, vec![Change::Skip(skip("d", 0, 1, 100))]).expect("durable");
    assert_eq!(names(10), ["d", "a", "b"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Any changes, in any grouping, leave what a plain map would hold, and a store that finds nothing wrong with itself.
    #[test]
    fn the_store_is_a_map(
        commits in prop::collection::vec(prop::collection::vec(any_change(), 1..8), 1..12),
    ) {
        let dir = tempfile::tempdir().expect("a directory");
        let opened = open(dir.path());
        let mut expected = BTreeMap::new();
        for changes in &commits {
            for change in changes {
                apply(&mut expected, change);
            }
            commit(&opened.store, changes.clone()).expect("durable");
        }
        opened.store.close();
        let opened = Store::open(dir.path(), Options::at(at(1_000_000))).expect("the store opens");
        let mut found = BTreeMap::new();
        for name in ["a", "b"] {
            for entry in opened.store.reader().history(&job(name), None, 1000).expect("readable") {
                found.insert((name.to_owned(), entry.key()), entry);
            }
        }
        prop_assert_eq!(&found, &expected);
        let live = expected.values().filter(|entry| is_live(entry)).count();
        prop_assert_eq!(opened.recovered.live.len(), live);
        let ended = opened.store.reader().recent(None, 1000).expect("readable");
        prop_assert_eq!(ended.len(), expected.len() - live);
        prop_assert!(ended.is_sorted_by_key(|entry| std::cmp::Reverse(entry.at())));
    }
}

fn is_live(entry: &HistoryEntry) -> bool {
    matches!(entry, HistoryEntry::Run(run) if !matches!(run.state, crate::run::RunState::Finished { .. }))
}

/// Few names and numbers, so that changes meet.
fn any_change() -> impl Strategy<Value = Change> {
    let name = || prop::sample::select(&["a", "b"][..]).prop_map(job);
    prop_oneof![
        3 => (any_run(), name(), 1..4_u64).prop_map(|(mut run, job, number)| {
            run.id = crate::run::RunId { job, number };
            Change::Run(Box::new(run))
        }),
        2 => (any_skip(), name(), 0..3_u64, 1..3_u32).prop_map(|(mut skip, job, after_run, index)| {
            skip.job = job;
            skip.key = crate::run::SkipKey { after_run, index };
            Change::Skip(skip)
        }),
        1 => (name(), 1..4_u64).prop_map(|(job, number)| Change::ForgetRun(crate::run::RunId { job, number })),
        1 => (name(), 0..3_u64, 1..3_u32)
            .prop_map(|(job, after_run, index)| Change::ForgetSkip(job, crate::run::SkipKey { after_run, index })),
    ]
}

fn apply(map: &mut BTreeMap<(String, HistoryKey), HistoryEntry>, change: &Change) {
    match change {
        Change::Run(run) => {
            let entry = HistoryEntry::Run((**run).clone());
            map.insert((run.id.job.to_string(), entry.key()), entry);
        }
        Change::Skip(skip) => {
            let entry = HistoryEntry::Skip(skip.clone());
            map.insert((skip.job.to_string(), entry.key()), entry);
        }
        Change::ForgetRun(run) => {
            map.remove(&(run.job.to_string(), HistoryKey { number: run.number, skip_index: 0 }));
        }
        Change::ForgetSkip(job, key) => {
            map.remove(&(job.to_string(), HistoryKey::from(*key)));
        }
        Change::Job(..)
        | Change::Source(..)
        | Change::ForgetSource(..)
        | Change::Notice(_)
        | Change::ForgetJob(_)
        | Change::ForgetNotice(..) => {}
    }
}
