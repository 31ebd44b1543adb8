//! Invariant 7: a failure is told of in the commit of its record, and each message is delivered at least once, or had its
//! chances.

use jobsd::run::{AttemptEnd, AttemptId, Ending, Notice, RunState};
use jobsd::scheduler::{Change, DELIVERY_ATTEMPTS, NOTICE_AGE_LIMIT, OUTBOX_LIMIT};
use jobsd::spec::NoticeEvent;

use super::{Commit, Touched};
use crate::store::Before;

/// A failure that has targets is told to each of them, or counted as held back, in the same commit.
pub fn failures_are_told_with_their_record(touched: &Touched<'_>) {
    for (run, before) in touched.runs() {
        let RunState::Finished { outcome, .. } = &run.state else { continue };
        if before.is_some_and(|before| before.is_finished()) || !outcome.is_failure() {
            continue;
        }
        let spec = &touched.commit.specs[&run.revision];
        let targets = spec.notify.targets.get(&NoticeEvent::Failure).map_or(0, Vec::len);
        let tells = |notice: &Notice| notice.event == NoticeEvent::Failure && notice.run().as_ref() == Some(&run.id);
        let told = touched.applied.iter().filter(|(change, _)| match change {
            Change::Notice(notice) => tells(notice),
            _ => false,
        });
        let told = told.count();
        let held_back = touched
            .states()
            .any(|state| state.watch.told.get(&NoticeEvent::Failure).is_some_and(|told| told.held_back > 0));
        assert!(told == targets || (told == 0 && held_back), "{}: {told} of {targets} hear of its failure", run.id);
    }
}

/// What leaves the outbox has arrived, failed too often or for too long, or was the oldest of too many.
pub fn messages_leave_for_a_reason(commit: &Commit<'_>) {
    let waiting = commit.store.notices.len();
    assert!(waiting <= OUTBOX_LIMIT, "{waiting} messages wait");
    for (change, before) in commit.applied {
        let Change::ForgetNotice(_, number) = change else { continue };
        let Before::Notice(notice) = before else { panic!("the message {number} is forgotten, and never was there") };
        let arrived = (1..=notice.failed_attempts + 1).any(|attempt| {
            let id = AttemptId { attempt, ..notice.attempt() };
            let end = commit.host.attempts.get(&id).and_then(|seen| seen.end.as_ref());
            end.is_some_and(has_arrived)
        });
        let age = (commit.now.wall - notice.at).to_std().unwrap_or_default();
        let given_up = notice.failed_attempts + 1 >= DELIVERY_ATTEMPTS || age > NOTICE_AGE_LIMIT;
        let full = waiting + commit.applied.len() >= OUTBOX_LIMIT;
        assert!(arrived || given_up || full || notice.is_test(), "the message {number} is lost: {notice:?}");
    }
}

fn has_arrived(end: &AttemptEnd) -> bool {
    end.stopped.is_none() && end.ending == Ending::Exited { wait_status: 0 }
}
