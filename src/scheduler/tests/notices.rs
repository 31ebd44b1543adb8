//! Messages: what is told of, once, and what becomes of it on the way.

use super::*;
use crate::run::{About, Notice, Outcome, notices};
use crate::spec::NoticeEvent;

impl One {
    /// An end by wait status, with so many bytes of output: 0 is success, 256 is exit code 1.
    fn ends_with(&mut self, run: u64, wait_status: i32, printed: u64) -> Decision {
        let id = RunId { job: self.name.clone(), number: run };
        let attempt = self.scheduler.snapshot().live[&id].current_attempt().expect("it runs");
        let output = OutputSummary { bytes: printed, ..OutputSummary::default() };
        let end = AttemptEnd { output, ..self.attempt_end(wait_status) };
        self.step(Event::Report(Report::Ended { attempt, end: end.into() }))
    }

    fn trigger(&mut self) -> u64 {
        let command = Command::Trigger { job: self.name.clone(), uid: 0 };
        match self.step(Event::Command(command)).answer {
            Some(Ok(Answer::Triggered(run))) => run.number,
            other => panic!("{other:?}"),
        }
    }

    /// A run that ends so: what is told.
    fn run_as(&mut self, wait_status: i32, printed: u64) -> Vec<(NoticeEvent, u64)> {
        let run = self.trigger();
        told(&self.ends_with(run, wait_status, printed))
    }

    pub(super) fn waiting(&self) -> Vec<Notice> {
        self.scheduler.snapshot().outbox.waiting.values().map(|notice| Notice::clone(notice)).collect()
    }

    /// The supervisor says how the delivery of a message ended.
    fn delivered(&mut self, notice: &Notice, wait_status: i32) -> Decision {
        let end = self.attempt_end(wait_status);
        self.step(Event::Report(Report::Ended { attempt: notice.attempt(), end: end.into() }))
    }

    fn pass(&mut self, seconds: u64) -> Decision {
        self.wall += Duration::from_secs(seconds);
        self.step(Event::Tick)
    }
}

/// The messages that a decision makes durable, with what was held back before each.
fn told(decision: &Decision) -> Vec<(NoticeEvent, u64)> {
    let of = |change: &Change| match change {
        Change::Notice(notice) => Some((notice.event, notice.held_back)),
        _ => None,
    };
    decision.changes.iter().filter_map(of).collect()
}

fn sent(decision: &Decision) -> usize {
    decision.effects.iter().filter(|effect| matches!(effect, Effect::Deliver(_))).count()
}

const ALL: &str = "[notify]\non_failure = [{ mail = 'f' }]\non_recovery = [{ mail = 'r' }]\non_success = [{ mail = 's' }]\non_missed = [{ mail = 'm' }]\n";

#[test]
fn a_run_tells_of_its_end_with_the_record_of_it() {
    let mut one = One::new(ALL);
    let run = one.trigger();
    let decision = one.ends_with(run, 256, 5);
    let records = |change: &&Change| matches!(change, Change::Run(_) | Change::Notice(_) | Change::Job(..));
    assert_eq!(decision.changes.iter().filter(records).count(), 3, "one commit: {:?}", decision.changes);
    assert_eq!(sent(&decision), 1, "and sent after it");
    let notice = &one.waiting()[0];
    let About::Run { run: number, outcome, failures } = &notice.about else { panic!("{notice:?}") };
    assert_eq!((*number, outcome, *failures), (run, &Some(Outcome::Failed { exit_code: 1 }), 1));
    assert_eq!(notice.attempt().to_string(), format!("{}/{}/1", notices(), notice.number));
}

#[test]
fn recovery_is_the_first_success_after_failures() {
    use NoticeEvent::{Failure, Recovery, Success};
    let mut one = One::new(ALL);
    for (wait_status, expected) in [
        (0, vec![Success]),
        (256, vec![Failure]),
        (256, vec![Failure]),
        (0, vec![Recovery, Success]),
        (0, vec![Success]),
    ] {
        let events: Vec<_> = one.run_as(wait_status, 0).into_iter().map(|(event, _)| event).collect();
        assert_eq!(events, expected);
    }
}

#[test]
fn only_the_last_attempt_tells_and_a_cancelled_run_does_not() {
    let mut one = One::new(&format!("{ALL}[retry]\nattempts = 2\ndelay = '5s'\n"));
    let run = one.trigger();
    assert_eq!(told(&one.ends_with(run, 256, 0)), [], "it will be tried again");
    one.pass(10);
    assert_eq!(told(&one.ends_with(run, 256, 0)), [(NoticeEvent::Failure, 0)]);
    let run = one.trigger();
    let id = RunId { job: one.name.clone(), number: run };
    one.step(Event::Command(Command::Cancel { run: id.clone() }));
    let attempt = one.scheduler.snapshot().live[&id].current_attempt().expect("it is being stopped");
    let decision = one.step(Event::Report(Report::NoTrace { attempt }));
    assert!(one.scheduler.snapshot().live.is_empty() && told(&decision).is_empty(), "somebody wanted it so");
}

#[test]
fn a_target_hears_once_of_one_end_and_output_is_told_as_cron_does() {
    let mail = "[{ mail = 'ops' }]";
    let mut one = One::new(&format!("[notify]\non_failure = {mail}\non_success = {mail}\non_output = {mail}"));
    assert_eq!(one.run_as(256, 7), [(NoticeEvent::Failure, 0)]);
    assert_eq!(one.run_as(0, 7), [(NoticeEvent::Success, 0)]);
    let mut cron = One::new(&format!("[notify]\non_output = {mail}"));
    assert_eq!(cron.run_as(256, 0), [], "it printed nothing");
    assert_eq!(cron.run_as(256, 7), [(NoticeEvent::Output, 0)]);
    assert_eq!(cron.run_as(0, 7), [(NoticeEvent::Output, 0)]);
}

#[test]
fn a_start_is_told_once_however_it_is_heard_of() {
    let mut one = One::new("[notify]\non_start = [{ mail = 'a' }]\n[retry]\nattempts = 2\ndelay = '1s'");
    let run = one.trigger();
    let attempt = one.scheduler.snapshot().live[&RunId { job: one.name.clone(), number: run }].current_attempt();
    let started = Report::Started { attempt: attempt.unwrap(), pid: 7, at: one.wall };
    assert_eq!(told(&one.step(Event::Report(started.clone()))), [(NoticeEvent::Start, 0)]);
    assert_eq!(told(&one.step(Event::Report(started))), [], "a report may come twice");
    assert_eq!(told(&one.ends_with(run, 256, 0)), []);
    one.pass(5);
    assert_eq!(told(&one.ends_with(run, 0, 0)), [], "a second attempt is no start");
    // The report of the start went with an earlier engine.
    let run = one.trigger();
    assert_eq!(told(&one.ends_with(run, 0, 0)), [(NoticeEvent::Start, 0)]);
}

#[test]
fn what_was_missed_is_one_message_a_step() {
    let mut one = One::new(&format!("schedule = '0 * * * *'\ncatch_up = 'none'\n{ALL}"));
    let decision = one.pass(3 * 86_400 + 600);
    assert_eq!(told(&decision), [(NoticeEvent::Missed, 0)]);
    let About::Skipped { reason, count, .. } = one.waiting()[0].about else { panic!() };
    assert_eq!((reason, count), (SkipReason::Missed, 72));
    // An overlap is no miss.
    let mut busy = One::new(&format!("schedule = '0 * * * *'\n{ALL}"));
    busy.tick("2026-06-01T13:00:00Z");
    busy.wall = at("2026-06-01T14:00:00Z");
    assert_eq!(told(&busy.step(Event::Tick)), []);
}

#[test]
fn what_exceeds_the_rate_is_counted_in_the_next_message() {
    let mut one = One::new(&format!("{ALL}per_hour = 2"));
    assert_eq!(one.run_as(256, 0), [(NoticeEvent::Failure, 0)]);
    assert_eq!(one.run_as(256, 0), [(NoticeEvent::Failure, 0)]);
    for _ in 0..37 {
        assert_eq!(one.run_as(256, 0), []);
    }
    assert_eq!(one.run_as(0, 0).len(), 2, "other events are counted by themselves");
    one.wall += Duration::from_secs(3600);
    assert_eq!(one.run_as(256, 0), [(NoticeEvent::Failure, 37)]);
    one.wall += Duration::from_secs(7200);
    assert_eq!(one.run_as(256, 0), [(NoticeEvent::Failure, 0)]);
}

#[test]
fn a_delivery_that_fails_is_tried_again_later_and_given_up_at_last() {
    let mut one = One::new(ALL);
    one.run_as(256, 0);
    let mut delay = 30;
    for failed in 1..DELIVERY_ATTEMPTS {
        let notice = one.waiting().remove(0);
        let decision = one.delivered(&notice, 256);
        assert!(decision.effects.contains(&Effect::Acknowledge(notice.attempt())));
        assert_eq!(one.waiting()[0].failed_attempts, failed);
        assert_eq!(sent(&one.pass(delay - 1)), 0, "not before {delay} s");
        assert_eq!(sent(&one.pass(1)), 1);
        delay = (delay * 2).min(3600);
    }
    let last = one.waiting().remove(0);
    let decision = one.delivered(&last, 256);
    assert!(decision.changes.contains(&Change::ForgetNotice(one.name.clone(), last.number)));
    let outbox = one.scheduler.snapshot().outbox;
    assert_eq!((outbox.waiting.len(), outbox.given_up, outbox.delivered), (0, 1, 0));
    // A report of it that comes late is acknowledged, and changes nothing.
    let late = one.delivered(&last, 0);
    assert_eq!((late.changes.len(), late.effects.len()), (0, 1));
}

#[test]
fn a_message_is_given_up_by_its_age_too() {
    let mut one = One::new(ALL);
    one.run_as(256, 0);
    let notice = one.waiting().remove(0);
    one.wall += NOTICE_AGE_LIMIT + Duration::from_secs(1);
    one.delivered(&notice, 256);
    assert_eq!(one.scheduler.snapshot().outbox.given_up, 1);
}

#[test]
fn a_restart_delivers_what_waits_with_the_same_attempt() {
    let mut one = One::new(ALL);
    one.run_as(256, 0);
    let notice = one.waiting().remove(0);
    one.delivered(&notice, 256);
    let waiting = one.waiting();
    let boot = Boot { id: BootId::new("boot"), at: one.wall, seen_at: one.wall };
    let recovered = Recovered { notices: waiting.clone(), ..Recovered::default() };
    let mut next = Scheduler::recover(boot, recovered, SpecIndex::new(), now(one.wall));
    let due = next.wake().monotonic.expect("it is due");
    assert!(due <= now(one.wall).monotonic);
    let decision = next.step(now(one.wall), Event::Tick);
    let [Effect::Deliver(again)] = decision.effects.as_slice() else { panic!("{:?}", decision.effects) };
    assert_eq!(again.attempt(), waiting[0].attempt());
    // A supervisor that comes hears of it again: it starts nothing twice.
    assert_eq!(sent(&next.step(now(one.wall), Event::SupervisorConnected)), 1);
}

#[test]
fn only_some_deliveries_are_under_way_at_once() {
    let mut one = One::new(&format!("{ALL}per_hour = 100"));
    for _ in 0..DELIVERIES_LIMIT + 3 {
        one.run_as(256, 0);
    }
    assert_eq!(one.scheduler.wake().monotonic, None, "there is no room, and nothing to wake up for");
    let first = one.waiting().remove(0);
    assert_eq!(sent(&one.delivered(&first, 0)), 1, "one goes, one comes");
    assert_eq!(one.waiting().len(), DELIVERIES_LIMIT + 2);
}

#[test]
fn a_full_outbox_drops_the_oldest_and_holds_no_run() {
    let mut one = One::new(&format!("{ALL}per_hour = 1000"));
    for _ in 0..OUTBOX_LIMIT {
        assert_eq!(one.run_as(256, 0).len(), 1);
        one.wall += Duration::from_secs(4);
    }
    let oldest = one.waiting().remove(0);
    let run = one.trigger();
    let decision = one.ends_with(run, 256, 0);
    assert!(decision.changes.contains(&Change::ForgetNotice(one.name.clone(), oldest.number)));
    let outbox = one.scheduler.snapshot().outbox;
    assert_eq!((outbox.waiting.len(), outbox.dropped), (OUTBOX_LIMIT, 1));
}

#[test]
fn a_hold_and_a_drain_start_no_delivery() {
    let mut one = One::new(ALL);
    let run = one.trigger();
    one.step(Event::Hold(true));
    assert_eq!(sent(&one.ends_with(run, 256, 0)), 0, "its end could not be recorded");
    assert_eq!(sent(&one.step(Event::Hold(false))), 1);
}

#[test]
fn a_test_goes_once_to_each_target_and_counts_nowhere() {
    let both = "[{ mail = 'a' }, { command = ['page'] }]";
    let mut one = One::new(&format!("[notify]\non_failure = {both}\non_success = [{{ mail = 'a' }}]"));
    let test = |event| Event::Command(Command::TestNotice { job: JobName::new("backup").unwrap(), event, uid: 7 });
    assert_eq!(told(&one.step(test(None))).len(), 2);
    let Some(Ok(Answer::Told(numbers))) = one.step(test(Some(NoticeEvent::Success))).answer else { panic!() };
    assert_eq!(numbers.len(), 1);
    assert!(matches!(one.step(test(Some(NoticeEvent::Start))).answer, Some(Err(Refusal::NoTarget { .. }))));
    for notice in one.waiting() {
        one.delivered(&notice, 256);
    }
    let outbox = one.scheduler.snapshot().outbox;
    assert_eq!((outbox.waiting.len(), outbox.given_up), (0, 0));
}

const WATCHED: &str = "alert_after = '26h'\n[notify]\non_missed = [{ mail = 'm' }]\non_recovery = [{ mail = 'r' }]";

fn overdue(one: &One) -> bool {
    one.scheduler.snapshot().jobs[&one.name].state.watch.overdue_since.is_some()
}

#[test]
fn alert_after_is_told_once_an_episode() {
    let mut one = One::new(WATCHED);
    assert_eq!(one.wake(), at("2026-06-02T14:00:00Z"), "a new job counts from its first sight");
    assert_eq!(told(&one.pass(26 * 3600 - 1)), []);
    assert_eq!(told(&one.pass(1)), [(NoticeEvent::Missed, 0)]);
    assert!(overdue(&one) && one.scheduler.wake().wall.is_none());
    assert_eq!(told(&one.pass(100 * 3600)), [], "once");
    assert_eq!(one.run_as(256, 0), []);
    assert!(overdue(&one), "a failure ends nothing");
    assert_eq!(one.run_as(0, 0), [(NoticeEvent::Recovery, 0)]);
    assert!(!overdue(&one));
    assert_eq!(one.wake(), one.wall + Duration::from_secs(26 * 3600));
    assert_eq!(told(&one.pass(26 * 3600)).len(), 1, "the next episode");
}

#[test]
fn a_pause_ends_an_episode_and_its_end_begins_the_time_anew() {
    let mut one = One::new(WATCHED);
    one.pass(27 * 3600);
    let all = || Selector::Job(JobName::new("backup").unwrap());
    one.step(Event::Command(Command::Pause { jobs: all(), until: None, uid: 0 }));
    assert!(!overdue(&one));
    assert_eq!(told(&one.pass(90 * 3600)), []);
    one.step(Event::Command(Command::Resume { jobs: all() }));
    assert_eq!(one.wake(), one.wall + Duration::from_secs(26 * 3600));
    assert_eq!(told(&one.pass(26 * 3600)).len(), 1);
}

#[test]
fn a_clock_that_was_set_back_does_not_lengthen_the_time() {
    let mut one = One::new(WATCHED);
    one.wall -= Duration::from_secs(1000 * 3600);
    one.step(Event::ClockStepped);
    assert_eq!(one.wake(), one.wall + Duration::from_secs(26 * 3600));
}
