//! Damage of any kind to any file: the store opens, gives back nothing that never was, tells what is missing, and works.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use jobsd::run::SkipReason;
use jobsd::scheduler::Change;
use jobsd::store::{HistoryEntry, Opened};

use crate::build::{JOBS, Lived, Truth};
use crate::kit::{Chance, commit, copy, job, open, running, source};

/// Bytes of a page, for damage of the kind that disks do.
const PAGE: u64 = 4096;

/// Bytes of sled's segments.
const SEGMENT: u64 = 512 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    FlipBit,
    FlipBits,
    ZeroPage,
    ZeroSegment,
    RandomPage,
    MovePage,
    Truncate,
    Empty,
    Remove,
    Append,
    Foreign,
    Rollback,
}

const KINDS: [Kind; 12] = [
    Kind::FlipBit,
    Kind::FlipBits,
    Kind::ZeroPage,
    Kind::ZeroSegment,
    Kind::RandomPage,
    Kind::MovePage,
    Kind::Truncate,
    Kind::Empty,
    Kind::Remove,
    Kind::Append,
    Kind::Foreign,
    Kind::Rollback,
];

fn lived() -> &'static Lived {
    static LIVED: OnceLock<(tempfile::TempDir, Lived)> = OnceLock::new();
    let (_, lived) = LIVED.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a directory");
        let lived = Lived::build(dir.path());
        (dir, lived)
    });
    lived
}

#[test]
fn an_untouched_state_is_whole_and_says_nothing() {
    let lived = lived();
    for from in [&lived.closed, &lived.killed] {
        let dir = tempfile::tempdir().expect("a directory");
        copy(from, dir.path());
        let opened = open(dir.path());
        assert_eq!(opened.notes, []);
        assert_eq!(check(&opened, &lived.truth), Seen::Whole);
    }
}

#[test]
fn seeded_damage_is_never_silently_wrong() {
    let only = std::env::var("JOBSD_DAMAGE_SEED").ok().map(|seed| seed.parse::<u64>().expect("a number"));
    let count = std::env::var("JOBSD_DAMAGES").map_or(60, |count| count.parse::<u64>().expect("a number"));
    let seeds = only.map_or(0..count, |seed| seed..seed + 1);
    let mut seen: BTreeMap<(Kind, bool), (u64, u64)> = BTreeMap::new();
    for seed in seeds {
        let (kind, of_database, whole) = one(seed, only.is_some());
        let entry = seen.entry((kind, of_database)).or_default();
        entry.0 += 1;
        entry.1 += u64::from(whole);
    }
    for ((kind, of_database), (tried, whole)) in seen {
        let what = if of_database { "sled's file" } else { "another file" };
        println!("{kind:?} of {what}: {tried} tried, {whole} without any loss");
    }
}

/// Damages one file, or two, by a seed, and looks at what is left.
fn one(seed: u64, trace: bool) -> (Kind, bool, bool) {
    let lived = lived();
    let mut chance = Chance(seed);
    let dir = tempfile::tempdir().expect("a directory");
    let from = if chance.one_in(2) { &lived.closed } else { &lived.killed };
    copy(from, dir.path());
    let kind = KINDS[(seed % KINDS.len() as u64) as usize];
    let mut files = files_of(dir.path(), Path::new(""));
    files.sort_unstable();
    let of_database = !chance.one_in(4);
    let path = match of_database {
        true => PathBuf::from("db/db"),
        false => files[chance.below(files.len() as u64) as usize].clone(),
    };
    harm(dir.path(), &path, kind, lived, &mut chance);
    if chance.one_in(5) {
        // A second one, so that the files which tell of damage may be damaged too.
        let path = files[chance.below(files.len() as u64) as usize].clone();
        harm(dir.path(), &path, Kind::FlipBit, lived, &mut chance);
    }
    let opened = open(dir.path());
    if trace {
        println!("seed {seed}: {kind:?} of {}", path.display());
        opened.notes.iter().for_each(|note| println!("  {note}"));
    }
    let told = opened.notes.iter().any(jobsd::store::Note::is_loss);
    let whole = check(&opened, &lived.truth);
    assert!(told || whole == Seen::Whole, "seed {seed}: {whole:?} after {kind:?} of {} is not told", path.display());
    goes_on(opened, dir.path(), seed);
    (kind, of_database, whole == Seen::Whole)
}

fn files_of(root: &Path, below: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root.join(below)).expect("readable") {
        let entry = entry.expect("an entry");
        let path = below.join(entry.file_name());
        match entry.file_type().expect("a type").is_dir() {
            true => files.extend(files_of(root, &path)),
            false => files.push(path),
        }
    }
    files
}

fn harm(dir: &Path, path: &Path, kind: Kind, lived: &Lived, chance: &mut Chance) {
    let full = dir.join(path);
    let Ok(metadata) = fs::metadata(&full) else { return };
    let length = metadata.len();
    let file = OpenOptions::new().read(true).write(true).open(&full).expect("it opens");
    let write = |bytes: &[u8], place: u64| file.write_all_at(bytes, place).expect("written");
    let flip = |chance: &mut Chance| {
        let mut byte = [0];
        let place = chance.below(length);
        if file.read_at(&mut byte, place).expect("readable") == 1 {
            byte[0] ^= 1 << chance.below(8);
            write(&byte, place);
        }
    };
    match kind {
        Kind::FlipBit => flip(chance),
        Kind::FlipBits => (0..100).for_each(|_| flip(chance)),
        Kind::ZeroPage => write(&vec![0; PAGE.min(length) as usize], chance.below(length) / PAGE * PAGE),
        Kind::ZeroSegment => write(&vec![0; SEGMENT.min(length) as usize], chance.below(length) / SEGMENT * SEGMENT),
        Kind::RandomPage => {
            let page: Vec<u8> = (0..PAGE.min(length)).map(|_| chance.next() as u8).collect();
            write(&page, chance.below(length) / PAGE * PAGE);
        }
        Kind::MovePage => {
            let mut page = vec![0; PAGE.min(length) as usize];
            let count = file.read_at(&mut page, chance.below(length) / PAGE * PAGE).expect("readable");
            write(&page[..count], chance.below(length) / PAGE * PAGE);
        }
        Kind::Truncate => file.set_len(chance.below(length)).expect("cut"),
        Kind::Empty => file.set_len(0).expect("emptied"),
        Kind::Remove => fs::remove_file(&full).expect("removed"),
        Kind::Append => write(&vec![0xAB; 1 + chance.below(SEGMENT) as usize], length),
        Kind::Foreign => fs::write(&full, b"#!/bin/sh\necho this is something else\n").expect("written"),
        Kind::Rollback => {
            if let Ok(earlier) = fs::read(lived.earlier.join(path)) {
                fs::write(&full, earlier).expect("written");
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Seen {
    /// All that was acknowledged, and nothing else.
    Whole,
    /// Something is missing or of before; nothing is wrong.
    Partly,
}

/// Compares a store with what was acknowledged. Everything in it must have been committed once, as it is.
fn check(opened: &Opened, truth: &Truth) -> Seen {
    let reader = opened.store.reader();
    let mut whole = true;
    let mut found = 0;
    for name in JOBS {
        for entry in reader.history(&job(name), None, usize::MAX).expect("readable") {
            match entry {
                HistoryEntry::Run(run) => {
                    whole &= truth.runs.get(&run.id) == Some(&run);
                    assert!(truth.versions.contains(&Change::Run(Box::new(run.clone()))), "{run:?} never was");
                }
                HistoryEntry::Skip(skip) if skip.reason == SkipReason::Unknown => whole = false,
                HistoryEntry::Skip(skip) => {
                    whole &= truth.skips.get(&(skip.job.clone(), skip.key)) == Some(&skip);
                    assert!(truth.versions.contains(&Change::Skip(skip.clone())), "{skip:?} never was");
                }
            }
            found += 1;
        }
    }
    whole &= found == truth.runs.len() + truth.skips.len();
    check_jobs(opened, truth, &mut whole);
    let live = truth.runs.values().filter(|run| !run.is_finished()).count();
    whole &= opened.recovered.live.len() == live;
    if whole { Seen::Whole } else { Seen::Partly }
}

fn check_jobs(opened: &Opened, truth: &Truth, whole: &mut bool) {
    *whole &= opened.recovered.jobs.len() == truth.jobs.len();
    for (name, state) in &opened.recovered.jobs {
        *whole &= truth.jobs.get(name) == Some(state);
        assert!(
            state.last_number >= truth.numbers[name],
            "{name} would use the number {} again",
            state.last_number + 1
        );
        assert_eq!(state.open_skip, None);
    }
    for (revision, name, text) in &opened.recovered.sources {
        assert_eq!(truth.sources.get(name), Some(&(revision.clone(), text.clone())));
    }
    *whole &= opened.recovered.sources.len() == truth.sources.len();
}

/// It takes commits, and opens without a new word; what was told is told until acknowledged.
fn goes_on(opened: Opened, dir: &Path, seed: u64) {
    let losses = opened.notes.iter().filter(|note| note.is_loss()).count();
    let next = running("mail", 10_000, &source("mail", 6_020).0);
    commit(&opened.store, vec![Change::Run(Box::new(next.clone()))]);
    opened.store.close();
    let opened = open(dir);
    let told: Vec<_> =
        opened.notes.iter().filter(|note| !matches!(note, jobsd::store::Note::MissingSource(..))).collect();
    assert!(
        told.iter().all(|note| matches!(note, jobsd::store::Note::Earlier { .. })),
        "seed {seed}: something new after a repair: {told:?}"
    );
    assert!(told.len() >= losses, "seed {seed}: {losses} were told, {told:?} are left");
    assert_eq!(opened.store.reader().run(&next.id).expect("readable"), Some(next));
    opened.store.acknowledge_notes().expect("acknowledged");
    opened.store.close();
    let told: Vec<_> = open(dir).notes;
    assert!(
        !told.iter().any(|note| matches!(note, jobsd::store::Note::Earlier { .. })),
        "seed {seed}: told after it was acknowledged: {told:?}"
    );
}
