//! The outbox: messages from the decision to send them until their program has succeeded.
//!
//! A message becomes durable in the commit of what it tells of. It is delivered like an attempt of a run: the supervisor
//! starts its program, and reports the end. Asking again for a delivery starts nothing twice, as with runs; but a message is
//! forgotten only after its end is durable, and a lost end means another attempt. So each is delivered at least once,
//! unless it is given up or dropped, which is counted.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::{Announcement, Effect, JobName, Scheduler};
use crate::clock::{Monotonic, Now};
use crate::run::{About, AttemptId, Notice, Outcome, Report, Sender};
use crate::spec::{Channel, JobSpec, NoticeEvent, SaidBy, Target};

/// Messages in the outbox. Beyond it the oldest is dropped and counted: what is new is worth more, and a run never waits.
pub const OUTBOX_LIMIT: usize = 1000;

/// Deliveries under way at once: enough that one slow mail server does not stop all, few enough to go unnoticed.
pub const DELIVERIES_LIMIT: usize = 4;

/// Deliveries of one message that may fail: with the delays below some five hours, as long as a mail server is away.
pub const DELIVERY_ATTEMPTS: u32 = 12;

/// Age at which a message that cannot be delivered is given up, however often the daemon was restarted meanwhile.
pub const NOTICE_AGE_LIMIT: Duration = Duration::from_secs(86_400);

/// Delay after the first failed delivery; it doubles up to [`RETRY_DELAY_LIMIT`].
const RETRY_DELAY: Duration = Duration::from_secs(30);
const RETRY_DELAY_LIMIT: Duration = Duration::from_secs(3600);

/// Messages on their way, and what became of others since the daemon began.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    /// Those that are not delivered yet, by their number.
    pub waiting: imbl::OrdMap<u64, Arc<Notice>>,
    /// Messages whose program succeeded.
    pub delivered: u64,
    /// Messages whose program failed too often, or for too long.
    pub given_up: u64,
    /// Messages that were dropped because [`OUTBOX_LIMIT`] others waited.
    pub dropped: u64,
}

/// What became of one delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The message.
    pub notice: Arc<Notice>,
    /// Which delivery of it.
    pub attempt: AttemptId,
    /// How its program ended.
    pub outcome: Outcome,
    /// What follows.
    pub fate: Fate,
}

/// What follows a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing: the message has arrived.
    Delivered,
    /// Another one, after this long.
    Retried(Duration),
    /// Nothing: it failed too often.
    GivenUp,
}

/// Deliveries that are due or under way. Follows from the outbox.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    /// By the time at which they are due.
    due: BTreeSet<(Monotonic, u64)>,
    sending: BTreeSet<u64>,
    last_number: u64,
}

impl Deliveries {
    /// When a delivery is to be begun, if there is room for it.
    pub fn wake(&self) -> Option<Monotonic> {
        self.due.first().filter(|_| self.sending.len() < DELIVERIES_LIMIT).map(|&(at, _)| at)
    }
}

impl Scheduler {
    /// Tells the targets of several events about one thing, in the order of `events`; none of them twice.
    pub(super) fn tell(&mut self, spec: &JobSpec, events: &[NoticeEvent], about: &About, now: Now) {
        let mut told: Vec<&Target> = Vec::new();
        for &event in events {
            let targets = spec.notify.targets.get(&event).into_iter().flatten();
            let targets: Vec<&Target> = targets.filter(|target| !told.contains(target)).collect();
            if targets.is_empty() {
                continue;
            }
            let watch = &mut self.job_mut(&spec.name).state.watch;
            let admitted = watch.admit(event, spec.notify.per_hour.get(), now.wall);
            self.ledger.job(&spec.name);
            if let Some(held_back) = admitted {
                for target in &targets {
                    self.post(spec, event, target, about.clone(), held_back, now);
                }
            }
            told.extend(targets);
        }
    }

    /// Sends a test to the targets of an event, or to all that the job has. Gives the messages' numbers.
    pub(super) fn tell_test(&mut self, spec: &JobSpec, event: Option<NoticeEvent>, uid: u32, now: Now) -> Vec<u64> {
        let mut told: Vec<&Target> = Vec::new();
        let mut numbers = Vec::new();
        let wanted = |of: &NoticeEvent| event.is_none_or(|event| event == *of);
        for (&event, targets) in spec.notify.targets.iter().filter(|(of, _)| wanted(of)) {
            for target in targets {
                if !told.contains(&target) {
                    numbers.push(self.post(spec, event, target, About::Test { uid }, 0, now));
                    told.push(target);
                }
            }
        }
        numbers
    }

    fn post(
        &mut self,
        spec: &JobSpec,
        event: NoticeEvent,
        target: &Target,
        about: About,
        held_back: u64,
        now: Now,
    ) -> u64 {
        while self.snapshot.outbox.waiting.len() >= OUTBOX_LIMIT {
            let (_, oldest) = self.snapshot.outbox.waiting.get_min().expect("it is full").clone();
            self.snapshot.outbox.dropped += 1;
            self.forget_notice(&oldest);
        }
        // Directories of deliveries carry the number, and some of an earlier life may lie there still.
        let micros = u64::try_from(now.wall.timestamp_micros()).unwrap_or(0);
        let number = micros.max(self.deliveries.last_number + 1);
        self.deliveries.last_number = number;
        let sender = match target.said_by {
            SaidBy::Job => Sender::Job(spec.identity.clone()),
            SaidBy::Daemon => Sender::Daemon,
        };
        let channel: Channel = target.channel.clone();
        let job: JobName = spec.name.clone();
        let notice = Notice { number, job, event, at: now.wall, channel, sender, about, held_back, failed_attempts: 0 };
        self.put_notice(Arc::new(notice));
        self.deliveries.due.insert((now.monotonic, number));
        number
    }

    /// Messages that a restart found; each is delivered at once, the delay before it is not remembered.
    pub(super) fn recover_notices(&mut self, notices: Vec<Notice>, now: Now) {
        for notice in notices {
            self.deliveries.last_number = self.deliveries.last_number.max(notice.number);
            self.deliveries.due.insert((now.monotonic, notice.number));
            self.snapshot.outbox.waiting.insert(notice.number, Arc::new(notice));
        }
    }

    /// Begins deliveries while there is room.
    pub(super) fn deliver(&mut self, now: Now) {
        while let Some(at) = self.deliveries.wake().filter(|&at| at <= now.monotonic) {
            let (_, number) = self.deliveries.due.pop_first().expect("it has a first");
            debug_assert!(at <= now.monotonic);
            if let Some(notice) = self.snapshot.outbox.waiting.get(&number) {
                self.deliveries.sending.insert(number);
                self.ledger.effect(Effect::Deliver(Arc::clone(notice)));
            }
        }
    }

    /// A supervisor is there (again): it hears of every delivery that it should have.
    pub(super) fn repeat_deliveries(&mut self) {
        for number in &self.deliveries.sending {
            let notice = self.snapshot.outbox.waiting.get(number).expect("what is being sent is in the outbox");
            self.ledger.effect(Effect::Deliver(Arc::clone(notice)));
        }
    }

    /// Takes in what the supervisor says of a delivery.
    pub(super) fn delivery_report(&mut self, report: Report, now: Now) {
        let attempt = report.attempt().clone();
        let notice = self.snapshot.outbox.waiting.get(&attempt.run.number).cloned();
        let current = notice.filter(|notice| notice.attempt() == attempt);
        match (report, current) {
            (Report::Started { .. }, _) | (Report::NoTrace { .. }, None) => {}
            (Report::Ended { end, .. }, current) => {
                if let Some(notice) = current {
                    let outcome = Outcome::classify(&end, &[0].into());
                    self.delivery_ended(notice, attempt.clone(), outcome, now);
                }
                self.ledger.effect(Effect::Acknowledge(attempt));
            }
            (Report::NoTrace { .. }, Some(notice)) => self.delivery_ended(notice, attempt, Outcome::Lost, now),
        }
    }

    fn delivery_ended(&mut self, notice: Arc<Notice>, attempt: AttemptId, outcome: Outcome, now: Now) {
        self.deliveries.sending.remove(&notice.number);
        self.deliveries.due.retain(|&(_, number)| number != notice.number);
        let fate = fate(&notice, &outcome, now);
        match fate {
            Fate::Delivered => {
                self.snapshot.outbox.delivered += u64::from(!notice.is_test());
                self.forget_notice(&notice);
            }
            Fate::GivenUp => {
                self.snapshot.outbox.given_up += u64::from(!notice.is_test());
                self.forget_notice(&notice);
            }
            Fate::Retried(delay) => {
                let failed_attempts = notice.failed_attempts + 1;
                self.put_notice(Arc::new(Notice { failed_attempts, ..Notice::clone(&notice) }));
                self.deliveries.due.insert((now.monotonic.saturating_add(delay), notice.number));
            }
        }
        self.ledger.effect(Effect::Announce(Announcement::Delivery(Delivery { notice, attempt, outcome, fate })));
    }

    fn put_notice(&mut self, notice: Arc<Notice>) {
        self.ledger.notice(&notice);
        self.snapshot.outbox.waiting.insert(notice.number, notice);
    }

    fn forget_notice(&mut self, notice: &Notice) {
        self.snapshot.outbox.waiting.remove(&notice.number);
        self.deliveries.sending.remove(&notice.number);
        self.ledger.forget_notice(notice);
    }
}

fn fate(notice: &Notice, outcome: &Outcome, now: Now) -> Fate {
    if outcome.is_success() {
        return Fate::Delivered;
    }
    let age = (now.wall - notice.at).to_std().unwrap_or_default();
    let failed = notice.failed_attempts + 1;
    if notice.is_test() || failed >= DELIVERY_ATTEMPTS || age > NOTICE_AGE_LIMIT {
        return Fate::GivenUp;
    }
    let delay = RETRY_DELAY.saturating_mul(2_u32.saturating_pow(failed - 1)).min(RETRY_DELAY_LIMIT);
    Fate::Retried(delay)
}
