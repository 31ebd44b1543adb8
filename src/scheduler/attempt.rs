//! Attempts: launching, what the supervisor reports of them, retries, and the end of a run.

use std::time::Duration;

use super::{Effect, LastRun, Scheduler};
use crate::clock::{Now, Timestamp};
use crate::run::{
    About, Attempt, AttemptEnd, AttemptId, Deadline, Ending, LaunchPlan, Leftovers, NOTICES, Outcome, OutputSummary,
    Report, Run, RunId, RunState, StopReason, Stopped, Transition, Usage,
};
use crate::spec::{
    Backoff, Environment, Identity, JobName, JobSpec, NoticeEvent, OutputPolicy, ProcessSpec, Retry, Revision,
    StopPolicy,
};

impl Scheduler {
    /// Asks for the run's next attempt.
    pub(super) fn launch(&mut self, id: &RunId, now: Now) {
        let run = self.snapshot.live.get(id).expect("callers name live runs");
        let Some(spec) = self.spec_of(run) else {
            // Its text was readable when the run was made, and is not any more: nobody can say what to execute.
            self.advance(id, Transition::Abandon { outcome: Outcome::Lost, at: now.wall });
            return self.finish(id, now);
        };
        self.advance(id, Transition::Launch { boot: self.boot.id.clone(), at: now.wall });
        let run = self.snapshot.live.get(id).expect("it was there before");
        let plan = plan(&spec, run);
        self.ledger.effect(Effect::Launch(Box::new(plan)));
    }

    /// Notes that a live attempt is to stop, and tells the supervisor.
    pub(super) fn request_stop(&mut self, id: &RunId, reason: StopReason, now: Now) {
        let kill_at = self.kill_at(id, now);
        self.advance(id, Transition::Stop { reason, kill_at });
        self.tell_stop(id);
    }

    fn kill_at(&self, id: &RunId, now: Now) -> Timestamp {
        let run = self.snapshot.live.get(id).expect("callers name live runs");
        now.wall + self.spec_of(run).map_or(Duration::ZERO, |spec| spec.stop.grace)
    }

    /// Repeats to the supervisor that an attempt is to stop, if it is.
    fn tell_stop(&mut self, id: &RunId) {
        let run = self.snapshot.live.get(id).expect("callers name live runs");
        if let (Some(attempt), Some(reason)) = (run.current_attempt(), run.stop_asked()) {
            self.ledger.effect(Effect::Stop { attempt, reason });
        }
    }

    /// A supervisor is there (again): it hears of every attempt that it should have. An attempt that may never have
    /// been launched is asked for again, in this boot alone: the attempt's directory keeps it from starting twice, and
    /// a directory does not surely outlive the machine.
    ///
    /// Then the queues move: an engine that drained, or died while it held, may have left runs that wait for nothing.
    pub(super) fn reconnect(&mut self, now: Now) {
        self.repeat_deliveries();
        let active: Vec<RunId> = self
            .snapshot
            .live
            .values()
            .filter(|run| run.current_attempt().is_some())
            .map(|run| run.id.clone())
            .collect();
        for id in active {
            let run = self.snapshot.live.get(&id).expect("it was just listed");
            let of_this_boot = run.attempts.last().is_some_and(|attempt| attempt.boot == self.boot.id);
            let spec = self.spec_of(run);
            let effect = match (&run.state, &spec) {
                (RunState::Starting { stop: None, .. }, Some(spec)) if of_this_boot => {
                    Effect::Launch(Box::new(plan(spec, run)))
                }
                (_, Some(spec)) => Effect::Find(Box::new(plan(spec, run))),
                (_, None) => Effect::Find(Box::new(bare_plan(run))),
            };
            self.ledger.effect(effect);
            self.tell_stop(&id);
        }
        self.dequeue_all(now);
    }

    /// Takes in what the supervisor says. Late and repeated reports change nothing; every end is acknowledged.
    pub(super) fn report(&mut self, now: Now, report: Report) {
        if report.attempt().run.job.as_str() == NOTICES {
            return self.delivery_report(report, now);
        }
        let attempt = report.attempt().clone();
        let current = self.snapshot.live.get(&attempt.run).and_then(|run| run.current_attempt());
        let is_current = current.as_ref() == Some(&attempt);
        match report {
            Report::Started { pid, at, .. } => {
                if is_current {
                    self.executed(&attempt.run, pid, at, now);
                }
            }
            Report::Ended { end, .. } => {
                if is_current {
                    self.attempt_ended(&attempt.run, *end, now);
                }
                self.ledger.effect(Effect::Acknowledge(attempt));
            }
            Report::NoTrace { .. } => {
                if is_current {
                    self.no_trace(&attempt.run, now);
                }
            }
        }
    }

    fn executed(&mut self, id: &RunId, pid: u32, started_at: Timestamp, now: Now) {
        let run = self.snapshot.live.get(id).expect("the caller found it");
        if matches!(run.state, RunState::Starting { .. }) {
            let kill_at = self.kill_at(id, now);
            self.advance(id, Transition::Executed { pid, started_at, kill_at });
            self.tell_start(id, now);
        }
    }

    /// The supervisor never had this attempt. One that was cancelled before is done; of any other nobody can tell.
    fn no_trace(&mut self, id: &RunId, now: Now) {
        let run = self.snapshot.live.get(id).expect("the caller found it");
        let end = AttemptEnd {
            ending: Ending::Unseen,
            stopped: run.stop_asked().map(|reason| Stopped { reason, rung: None }),
            out_of_memory: None,
            leftovers: Leftovers::default(),
            started_at: None,
            ended_at: now.wall,
            usage: Usage::default(),
            output: OutputSummary::default(),
        };
        self.attempt_ended(id, end, now);
    }

    fn attempt_ended(&mut self, id: &RunId, end: AttemptEnd, now: Now) {
        let run = self.snapshot.live.get(id).expect("the caller found it");
        let spec = self.spec_of(run);
        let codes = spec.as_ref().map(|spec| spec.success_exit_codes.clone()).unwrap_or_else(|| [0].into());
        let outcome = Outcome::classify(&end, &codes);
        let removed = self.snapshot.jobs.get(&id.job).is_none_or(|job| job.is_removed());
        // Whoever asked for the stop wants the run to be over, even if its attempt ended for another reason before.
        let over = removed || run.stop_asked().is_some();
        let retry = match &spec {
            Some(spec) if !over && wants_retry(&spec.retry, run, &outcome) => {
                let delay = retry_delay(&spec.retry, run);
                let monotonic = now.monotonic.saturating_add(delay);
                Some(Deadline { boot: self.boot.id.clone(), monotonic, wall: now.wall + delay })
            }
            Some(_) | None => None,
        };
        // The report of the start may have gone with an earlier engine.
        let unseen_start = end.started_at.is_some() && run.started_at().is_none();
        if let Some(deadline) = &retry {
            self.backoff.insert((deadline.monotonic, id.clone()));
        }
        self.advance(id, Transition::End { end, outcome, retry });
        if unseen_start {
            self.tell_start(id, now);
        }
        if self.snapshot.live.get(id).is_some_and(|run| run.is_finished()) {
            self.finish(id, now);
        }
    }

    /// Takes a finished run out of the live ones, counts it, and lets the next of its job start.
    pub(super) fn finish(&mut self, id: &RunId, now: Now) {
        let run = self.snapshot.live.remove(id).expect("callers name live runs");
        let RunState::Finished { outcome, ended_at } = run.state.clone() else {
            unreachable!("callers finish a run before");
        };
        let job = self.job_mut(&id.job);
        job.live.retain(|&number| number != id.number);
        match outcome.is_success() {
            true => job.state.totals.succeeded += 1,
            false => job.state.totals.unsuccessful += 1,
        }
        // A wall clock that was set back meanwhile tells nothing.
        let ran = run.started_at().and_then(|started_at| (ended_at - started_at).to_std().ok()).unwrap_or_default();
        job.state.totals.run_time = job.state.totals.run_time.saturating_add(ran);
        if job.state.last.as_ref().is_none_or(|last| last.number < id.number) {
            let end = run.attempts.last().and_then(|attempt| attempt.end.as_ref());
            let exit_code = end.and_then(|(end, _)| end.exit_code());
            let started_at = run.started_at();
            job.state.last = Some(LastRun { number: id.number, outcome, exit_code, started_at, ended_at });
        }
        self.ledger.job(&id.job);
        self.tell_end(&run, now);
        self.update_wake(&id.job);
        self.release(&id.job, &run.revision);
        self.dequeue(&id.job, now);
    }

    /// Tells of the start of a run's first attempt.
    fn tell_start(&mut self, id: &RunId, now: Now) {
        let run = self.snapshot.live.get(id).expect("the caller found it");
        if let Some(spec) = self.spec_of(run).filter(|_| run.attempts.len() == 1) {
            let failures = self.job(&id.job).state.watch.failures;
            let about = About::Run { run: id.number, outcome: None, failures };
            self.tell(&spec, &[NoticeEvent::Start], &about, now);
        }
    }

    /// Notes how a run ended, and tells of it: each target once, of the event that says most.
    fn tell_end(&mut self, run: &Run, now: Now) {
        let RunState::Finished { outcome, ended_at } = &run.state else {
            unreachable!("callers finish a run before");
        };
        let watch = &mut self.job_mut(&run.id.job).state.watch;
        let was_failing = watch.failures > 0 || watch.overdue_since.is_some();
        let before = watch.failures;
        watch.note_end(outcome, *ended_at);
        let failures = before.max(watch.failures);
        let Some(spec) = self.spec_of(run) else { return };
        let mut events = Vec::new();
        if outcome.is_failure() {
            events.push(NoticeEvent::Failure);
        } else if outcome.is_success() {
            events.extend(was_failing.then_some(NoticeEvent::Recovery));
            events.push(NoticeEvent::Success);
        }
        let printed = |attempt: &Attempt| attempt.end.as_ref().is_some_and(|(end, _)| end.output.bytes > 0);
        events.extend(run.attempts.iter().any(printed).then_some(NoticeEvent::Output));
        let about = About::Run { run: run.id.number, outcome: Some(outcome.clone()), failures };
        self.tell(&spec, &events, &about, now);
    }

    /// Forgets a revision that neither the file nor a live run uses any more.
    pub(super) fn release(&mut self, name: &JobName, revision: &Revision) {
        let job = self.job(name);
        let in_force = job.state.revision.as_ref() == Some(revision);
        let used = job.live.iter().any(|&number| {
            let id = RunId { job: name.clone(), number };
            self.snapshot.live.get(&id).is_some_and(|run| run.revision == *revision)
        });
        if in_force || !used {
            self.retired.remove(revision);
        }
        if !in_force && !used {
            self.ledger.forget_source(name, revision);
        }
    }
}

fn wants_retry(retry: &Retry, run: &Run, outcome: &Outcome) -> bool {
    let worth_it = match outcome {
        Outcome::Succeeded | Outcome::Cancelled | Outcome::Replaced => false,
        Outcome::Lost => retry.on_lost,
        Outcome::Failed { .. }
        | Outcome::Signaled { .. }
        | Outcome::OutOfMemory(_)
        | Outcome::TimedOut
        | Outcome::HostShutdown
        | Outcome::SetupFailed(_) => true,
    };
    worth_it && run.attempts.len() < retry.attempts.get() as usize
}

/// The delay after the newest attempt: grown by the policy, capped, and spread by up to a tenth in either direction. The
/// spread is taken from the run's name, so that it is the same on every replay and different between jobs.
fn retry_delay(retry: &Retry, run: &Run) -> Duration {
    let failed = u32::try_from(run.attempts.len()).expect("attempts are bounded");
    let factor = match retry.backoff {
        Backoff::Fixed => 1,
        Backoff::Linear => failed,
        Backoff::Exponential => 2_u32.saturating_pow(failed.saturating_sub(1)),
    };
    let delay = retry.delay.saturating_mul(factor).min(retry.max_delay);
    let seed = crc32fast::hash(format!("{}/{failed}", run.id).as_bytes()) % 2001;
    delay.mul_f64(0.9 + f64::from(seed) / 10_000.0).min(retry.max_delay)
}

fn attempt_id(run: &Run) -> AttemptId {
    run.current_attempt().expect("plans are made for runs with an attempt")
}

/// All that the supervisor needs for the run's current attempt.
fn plan(spec: &JobSpec, run: &Run) -> LaunchPlan {
    let attempt = attempt_id(run);
    let mut environment = spec.environment.clone();
    let mut fact = |name: &str, value: String| environment.0.insert(name.to_owned(), value);
    fact("JOBSD_JOB", run.id.job.to_string());
    fact("JOBSD_RUN", run.id.to_string());
    fact("JOBSD_ATTEMPT", attempt.attempt.to_string());
    fact("JOBSD_TRIGGER", run.trigger.name().to_owned());
    if let Some(scheduled) = run.trigger.scheduled() {
        fact("JOBSD_SCHEDULED_AT", scheduled.at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true));
    }
    LaunchPlan {
        attempt,
        argv: spec.command.argv(),
        environment,
        working_directory: spec.working_directory.clone(),
        identity: spec.identity.clone(),
        process: spec.process.clone(),
        timeout: spec.timeout,
        stop: spec.stop,
        output: spec.output,
    }
}

/// A plan that is good for asking after an attempt alone: the text that it was launched by is no longer readable.
fn bare_plan(run: &Run) -> LaunchPlan {
    LaunchPlan {
        attempt: attempt_id(run),
        argv: Vec::new(),
        environment: Environment::default(),
        working_directory: None,
        identity: Identity::default(),
        process: ProcessSpec::default(),
        timeout: None,
        stop: StopPolicy { signal: nix::sys::signal::Signal::SIGTERM, grace: Duration::from_secs(10) },
        output: OutputPolicy { limit_bytes: 0, ..OutputPolicy::default() },
    }
}
