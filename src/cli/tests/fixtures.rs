//! Jobs and runs as a daemon would describe them.

use crate::api::convert;
use crate::api::testing::{at, attempt_ended, finished_run};
use crate::api::types::{
    CommandLine, Definition, Entry, FailingJob, Fault, FaultyJob, Health, HeldBack, Job, JobDetail, JobPage, JobState,
    JobsHealth, LastRun, Live, LiveRun, NoticesHealth, NotifyTarget, Outcome, OverdueJob, Pause, Ready, Retry, Run,
    RunState, SkipSpan, StoreHealth, StrayFile, Time, Totals,
};
use crate::run::{self, Ending, Skip, SkipKey, SkipReason};
use crate::spec::JobName;

pub fn time(text: &str) -> Time {
    Time(at(text))
}

/// A job that waits for tonight and went well last night.
pub fn job(name: &str) -> Job {
    Job {
        name: name.to_owned(),
        revision: Some("0123456789abcdef0123456789abcdef".to_owned()),
        description: Some(format!("What {name} is for")),
        state: JobState::Waiting,
        enabled: true,
        next: Some(time("2026-11-22T01:30:00Z")),
        next_start: Some(time("2026-11-22T01:30:00Z")),
        last: Some(last(name, 41, Outcome::Succeeded)),
        last_skip: None,
        live: Vec::new(),
        paused: None,
        overdue_since: None,
        last_success: Some(time("2026-11-21T01:34:12Z")),
        fault: None,
        removed_at: None,
        tags: Vec::new(),
        ad_hoc_uid: None,
        owner: None,
        totals: Totals { succeeded: 40, unsuccessful: 1, skipped: 0, run_seconds: 820.0 },
    }
}

pub fn last(job: &str, number: u64, outcome: Outcome) -> LastRun {
    LastRun {
        run: format!("{job}/{number}"),
        outcome,
        exit_code: (outcome == Outcome::Failed).then_some(3),
        signal: None,
        started_at: Some(time("2026-11-21T01:30:00.25Z")),
        ended_at: time("2026-11-21T01:34:12Z"),
        duration_seconds: Some(251.75),
    }
}

pub fn fault(name: &str) -> Fault {
    Fault {
        path: format!("/etc/jobsd/jobs.d/{name}.toml"),
        summary: "line 3: unknown key \"shedule\"".to_owned(),
        report: format!(
            "error: unknown key \"shedule\"\n --> /etc/jobsd/jobs.d/{name}.toml:3:1\n  |\n3 | shedule = \"@daily\"\n  | ^^^^^^^"
        ),
    }
}

/// One job in each state.
pub fn jobs() -> JobPage {
    let backup = Job {
        description: Some("Dump the application database and keep it for thirty days".to_owned()),
        ..job("backup")
    };
    let running = Job {
        state: JobState::Running,
        live: vec![LiveRun {
            run: "report-of-the-whole-warehouse/8".to_owned(),
            state: RunState::Running,
            started_at: Some(time("2026-11-21T11:57:00Z")),
        }],
        last: Some(last("report-of-the-whole-warehouse", 7, Outcome::TimedOut)),
        ..job("report-of-the-whole-warehouse")
    };
    let paused = Job {
        state: JobState::Paused,
        next: None,
        next_start: None,
        paused: Some(Pause { since: time("2026-11-20T12:00:00Z"), until: None, uid: 1000 }),
        last: Some(last("cleanup", 3, Outcome::Failed)),
        ..job("cleanup")
    };
    let faulty = Job {
        state: JobState::Faulty,
        enabled: false,
        description: None,
        next: None,
        next_start: None,
        last: None,
        fault: Some(fault("probe")),
        ..job("probe")
    };
    let last_good = Job { fault: Some(fault("weekly")), ..job("weekly") };
    let by_hand = Job { state: JobState::Idle, next: None, next_start: None, last: None, ..job("zap") };
    JobPage { jobs: vec![backup, paused, faulty, running, last_good, by_hand], next: None }
}

pub fn detail(job: Job) -> JobDetail {
    JobDetail { job, first_seen: time("2026-01-01T00:00:00Z"), definition: Some(definition()), warning: None }
}

pub fn definition() -> Definition {
    Definition {
        revision: "0123456789abcdef0123456789abcdef".to_owned(),
        command: CommandLine {
            argv: Some(["pg_dump", "--file=/var/backups/app dump", "it's"].map(str::to_owned).to_vec()),
            line: None,
            shell: None,
        },
        schedule: vec!["cron = \"30 2 * * *\", timezone = \"Europe/Berlin\"".to_owned()],
        environment: vec!["PGHOST".to_owned()],
        working_directory: None,
        user: Some("postgres".to_owned()),
        group: None,
        process: None,
        timeout_seconds: Some(7200.0),
        stop_signal: "SIGTERM".to_owned(),
        stop_grace_seconds: 10.0,
        overlap: "skip".to_owned(),
        max_concurrent: 1,
        catch_up: "latest".to_owned(),
        catch_up_window_seconds: Some(86_400.0),
        retry: Retry {
            attempts: 3,
            backoff: "exponential".to_owned(),
            delay_seconds: 30.0,
            max_delay_seconds: 600.0,
            on_lost: false,
        },
        success_exit_codes: vec![0],
        output_to: "files".to_owned(),
        output_limit_bytes: 16 << 20,
        output_rate_limit: None,
        output_timestamps: false,
        keep_runs: 100,
        keep_age_seconds: 7_776_000.0,
        alert_after_seconds: Some(93_600.0),
        notify: vec![
            target("on_failure", "mail ops@example.org", false),
            target("on_missed", "command /usr/local/bin/page ops", true),
        ],
        notify_per_hour: 10,
        keep_output_bytes: 1 << 30,
    }
}

fn target(on: &str, target: &str, from_defaults: bool) -> NotifyTarget {
    NotifyTarget { on: on.to_owned(), target: target.to_owned(), from_defaults }
}

/// A finished run of backup, as the daemon keeps it.
pub fn ended(number: u64, wait_status: i32, outcome: run::Outcome) -> run::Run {
    let mut run = finished_run("backup", number, outcome.clone());
    run.attempts = vec![attempt_ended(1, Ending::Exited { wait_status }, outcome)];
    run
}

pub fn wire(run: &run::Run) -> Run {
    convert::run(run)
}

/// Runs and skips of backup, newest first.
pub fn history() -> Vec<Entry> {
    let failed = ended(43, 0x0300, run::Outcome::Failed { exit_code: 3 });
    let mut retried = ended(42, 0, run::Outcome::Succeeded);
    retried.attempts =
        [1, 2].map(|number| attempt_ended(number, Ending::Exited { wait_status: 0 }, run::Outcome::Succeeded)).to_vec();
    let skip = Skip {
        job: JobName::new("backup").unwrap(),
        key: SkipKey { after_run: 41, index: 1 },
        reason: SkipReason::Paused,
        first: at("2026-11-18T01:30:00Z"),
        last: at("2026-11-20T01:30:00Z"),
        count: 3,
        recorded_at: at("2026-11-20T01:30:00Z"),
    };
    let killed = ended(41, 9, run::Outcome::Signaled { signal: 9, core_dumped: false });
    vec![
        convert::entry_of_run(&failed),
        convert::entry_of_run(&retried),
        convert::entry_of_skip(&skip),
        convert::entry_of_run(&killed),
    ]
}

pub fn skip_span() -> SkipSpan {
    SkipSpan {
        reason: "overlap".to_owned(),
        first: time("2026-11-21T11:00:00Z"),
        last: time("2026-11-21T11:55:00Z"),
        count: 12,
    }
}

pub fn health() -> Health {
    Health {
        ok: true,
        version: "0.1.0".to_owned(),
        live: Live { ok: true, pid: 4711, started_at: time("2026-11-18T12:00:00Z") },
        ready: Ready { ok: true, problems: Vec::new(), supervisor_pid: Some(812) },
        store: StoreHealth { ok: true, state: "writing".to_owned(), problem: None, notes: Vec::new() },
        jobs: JobsHealth {
            ok: true,
            total: 12,
            live_runs: 1,
            paused: 1,
            disabled: 0,
            faulty: Vec::new(),
            strays: Vec::new(),
            failing: Vec::new(),
            overdue: Vec::new(),
            jobs_dir_fault: None,
            config_fault: None,
            held_back: None,
        },
        notices: NoticesHealth { ok: true, waiting: 0, failing: 0, delivered: 3, given_up: 0, dropped: 0 },
        warnings: Vec::new(),
    }
}

pub fn ill_health() -> Health {
    let health = health();
    Health {
        ok: false,
        notices: NoticesHealth { ok: false, waiting: 4, failing: 2, delivered: 3, given_up: 1, dropped: 0 },
        ready: Ready {
            ok: false,
            problems: vec!["there is no connection to the supervisor: Connection refused".to_owned()],
            supervisor_pid: None,
        },
        store: StoreHealth {
            ok: false,
            state: "on_reserve".to_owned(),
            problem: Some("the disk of the state directory is full; what is written uses up the reserve".to_owned()),
            notes: vec!["the run backup/40 was live, and its record is missing".to_owned()],
        },
        jobs: JobsHealth {
            ok: false,
            faulty: vec![FaultyJob {
                job: "probe".to_owned(),
                path: "/etc/jobsd/jobs.d/probe.toml".to_owned(),
                summary: "line 3: unknown key \"shedule\"".to_owned(),
                last_good: false,
            }],
            strays: vec![StrayFile {
                path: "/etc/jobsd/jobs.d/Weekly Report.toml".to_owned(),
                summary: "the file's name without .toml cannot be a job's name".to_owned(),
            }],
            jobs_dir_fault: Some("cannot read the jobs directory /etc/jobsd/jobs.d".to_owned()),
            config_fault: Some("/etc/jobsd/jobsd.toml: line 2: unknown key \"access.userz\"".to_owned()),
            overdue: vec![OverdueJob {
                job: "report".to_owned(),
                since: time("2026-11-20T03:34:12Z"),
                last_success: Some(time("2026-11-19T01:34:12Z")),
                alert_after_seconds: Some(93_600.0),
            }],
            failing: vec![FailingJob {
                job: "cleanup".to_owned(),
                run: "cleanup/3".to_owned(),
                outcome: Outcome::Failed,
                ended_at: time("2026-11-21T01:34:12Z"),
            }],
            held_back: Some(HeldBack { known: 12, vanishing: 7 }),
            ..health.jobs.clone()
        },
        ..health
    }
}
