//! Invariant 1: every occurrence is covered by exactly one record: a run, or a skip; none by two.
//!
//! A job's durable cursor says through when its schedule is evaluated. Whenever it moves, the occurrences that it passes
//! are computed again, from the definition that was in force, and must be the ones that this very commit covers.

use std::collections::BTreeMap;

use jobsd::clock::Timestamp;
use jobsd::run::{RunId, Skip, SkipKey, SkipReason};
use jobsd::scheduler::{Change, JobState, REBASE_THRESHOLD};
use jobsd::spec::{JobName, JobSpec};

use super::{Touched, context};
use crate::store::Before;

#[derive(Default)]
pub struct Coverage {
    /// Records of skips that retention let go, and how many occurrences they covered.
    forgotten: BTreeMap<(JobName, SkipKey), Skip>,
    pub occurrences: u64,
    pub skipped: u64,
}

/// What one commit says of a job's occurrences.
#[derive(Default)]
struct Account {
    /// What the schedule gave, and occurrences of queued runs that were dropped.
    given: Vec<Timestamp>,
    started: Vec<(Timestamp, RunId)>,
    /// Records of skips as they are now, and as they were before.
    skips: BTreeMap<SkipKey, (Skip, Option<Skip>)>,
    rebased: Vec<(Timestamp, Timestamp)>,
}

impl Coverage {
    /// A job was forgotten: what it skipped is no part of a later job of that name.
    pub fn forget_job(&mut self, job: &JobName) {
        self.forgotten.retain(|(name, _), _| name != job);
    }

    pub fn every_occurrence_is_covered_once(&mut self, touched: &Touched<'_>) {
        let name = touched.name;
        let mut account = Account::default();
        for (change, before) in &touched.applied {
            match (change, before) {
                (Change::Job(_, state), Before::Job(old)) => account.cursor_moves(touched, old, state),
                (Change::Job(_, state), _) => {
                    assert!(state.cursor >= state.first_seen, "{name}: its schedule begins before it was there");
                }
                (Change::Run(run), Before::Nothing) => {
                    account.started.extend(run.trigger.scheduled().map(|scheduled| (scheduled.at, run.id.clone())));
                }
                (Change::ForgetRun(_), Before::Run(run)) if !run.is_finished() => {
                    assert!(run.is_queued(), "{}: a run that began is dropped", run.id);
                    account.given.extend(run.trigger.scheduled().map(|scheduled| scheduled.at));
                }
                (Change::Skip(skip), before) => {
                    let key = (name.clone(), skip.key);
                    let before = match before {
                        Before::Skip(before) => Some(before.clone()),
                        Before::Nothing | Before::Job(_) | Before::Run(_) | Before::Notice(_) => {
                            self.forgotten.remove(&key)
                        }
                    };
                    account.skips.entry(skip.key).or_insert((skip.clone(), before)).0 = skip.clone();
                }
                (Change::ForgetSkip(_, key), Before::Skip(skip)) => {
                    self.forgotten.insert((name.clone(), *key), skip.clone());
                }
                (
                    Change::Run(_)
                    | Change::ForgetRun(_)
                    | Change::ForgetJob(_)
                    | Change::ForgetSkip(..)
                    | Change::Source(..)
                    | Change::ForgetSource(..)
                    | Change::Notice(_)
                    | Change::ForgetNotice(..),
                    _,
                ) => {}
            }
        }
        self.occurrences += account.given.len() as u64;
        self.skipped += account.settle(name);
    }
}

impl Account {
    /// The job's cursor moves: what it passes has to be covered.
    fn cursor_moves(&mut self, touched: &Touched<'_>, old: &JobState, new: &JobState) {
        let (name, life) = (touched.name, touched.commit.life);
        let in_force = |state: &JobState| -> Option<&JobSpec> {
            let spec = state.revision.as_ref().map(|revision| &*touched.commit.specs[revision]);
            spec.filter(|spec| spec.enabled && state.removed_at.is_none())
        };
        assert!(old.last_number <= new.last_number, "{name}: its numbers went back");
        // Of a deleted job without any history nothing is kept that a new one could go on with.
        let is_void = old.removed_at.is_some() && old.last_number == 0;
        assert!(is_void || old.first_seen == new.first_seen, "{name}: it was first seen twice");
        if new.cursor < old.cursor {
            return self.rebased.push((new.cursor, old.cursor));
        }
        assert!(
            new.cursor == old.cursor || new.cursor <= life.latest,
            "{name}: its schedule is evaluated through {}, and it is {}",
            new.cursor,
            life.latest
        );
        let context = context(old, &touched.commit.host.boot);
        if let Some(spec) = in_force(old) {
            self.given.extend(spec.schedules.between(old.cursor, new.cursor, &context).map(|occurrence| occurrence.at));
            if let Some(removed_at) = new.removed_at {
                let left = spec.schedules.next(new.cursor, &context);
                match old.ad_hoc {
                    // It was taken back before its run; that has its record, too.
                    Some(_) => self.given.extend(left.map(|next| next.at)),
                    None => {
                        let left = left.filter(|next| next.at <= removed_at);
                        assert!(left.is_none(), "{name}: deleted, and {left:?} has no record");
                    }
                }
            }
        }
        // A schedule that comes into force begins then: it invents no misses.
        if let (Some(spec), Some(revision)) = (in_force(new), &new.revision)
            && in_force(old).is_none_or(|old| old.schedules != spec.schedules)
            && let Some(&read_at) = life.read_at.get(revision)
        {
            assert!(new.cursor >= read_at, "{name}: its new schedule begins at {}, before it was read", new.cursor);
        }
    }

    /// Every occurrence that was given is a run, or inside a record of skips that grew by one for it. Says how many were
    /// skipped.
    fn settle(self, name: &JobName) -> u64 {
        let mut left = self.given.clone();
        left.sort_unstable();
        for (at, run) in &self.started {
            let place = left.iter().position(|given| given == at);
            left.remove(place.unwrap_or_else(|| panic!("{run}: no schedule gave {at}, or it was covered before")));
        }
        let mut grown = 0;
        for (skip, before) in self.skips.values() {
            grown += self.growth(skip, before.as_ref());
        }
        assert_eq!(
            left.len() as u64,
            grown,
            "{name}: {} occurrences neither ran nor were covered before, and {grown} are recorded as skipped",
            left.len()
        );
        for at in left {
            let inside = self.skips.values().any(|(skip, _)| skip.first <= at && at <= skip.last);
            assert!(inside, "{name}: no record covers {at}");
        }
        for (now, before) in &self.rebased {
            assert!((*before - *now).to_std().is_ok_and(|gap| gap > REBASE_THRESHOLD), "{name}: rebased for nothing");
            let told = self
                .skips
                .values()
                .any(|(skip, _)| skip.reason == SkipReason::ClockRebased && (skip.first, skip.last) == (*now, *before));
            assert!(told, "{name}: its cursor went back from {before} to {now}, and no record says so");
        }
        grown
    }

    /// By how many occurrences a record grew; its ends are occurrences.
    fn growth(&self, skip: &Skip, before: Option<&Skip>) -> u64 {
        let (name, key) = (&skip.job, skip.key);
        let counted = before.map_or(0, |before| before.count);
        if let Some(before) = before {
            assert_eq!(before.reason, skip.reason, "{name}: the record {key:?} changed its reason");
            assert!(counted < skip.count, "{name}: the record {key:?} did not grow");
        }
        if skip.reason == SkipReason::ClockRebased {
            assert_eq!(skip.count, 0, "{name}: a change of the clock covers no occurrence");
            return 0;
        }
        for (end, known) in
            [(skip.first, before.map(|before| before.first)), (skip.last, before.map(|before| before.last))]
        {
            assert!(
                known == Some(end) || self.given.contains(&end),
                "{name}: a record of skips ends at {end}, which is no occurrence"
            );
        }
        skip.count - counted
    }
}
