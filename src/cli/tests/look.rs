//! The verbs that show something.

use insta::assert_snapshot;

use super::canned::Canned;
use super::fixtures::{self, detail, ended, health, history, ill_health, job, jobs, skip_span, time, wire};
use super::{every_form, jobctl};
use crate::api::types::{
    Config, ErrorCode, ExcludedInstant, Health, HistoryPage, Job, JobDetail, JobPage, JobState, LiveRun, Occurrence,
    Occurrences, Pause, RunState, Version,
};
use crate::cli::Exit;
use crate::run::{self, QueueReason, SetupFailure};

#[tokio::test]
async fn list() {
    let daemon = Canned::new().answers("GET /v1/jobs?", &jobs());
    assert_snapshot!(every_form(&daemon, "list").await);
}

#[tokio::test]
async fn list_asks_for_every_page_and_every_condition() {
    let page = |name: &str, next: Option<&str>| JobPage { jobs: vec![job(name)], next: next.map(str::to_owned) };
    let daemon = Canned::new()
        .answers("GET /v1/jobs?tag=a%20b&state=waiting%2Cidle&failing=true", &page("a", Some("a")))
        .answers("GET /v1/jobs?after=a&tag=a%20b&state=waiting%2Cidle&failing=true", &page("b", None));
    let screen = super::Screen::default();
    let cli = <super::Cli as clap::Parser>::try_parse_from([
        "jobctl",
        "list",
        "--tag",
        "a b",
        "--state",
        "waiting,idle",
        "--failing",
        "-o",
        "json",
    ])
    .unwrap();
    let mut session = super::Session::new(screen.terminal(None), cli.global.output, vec![daemon.socket()]);
    assert_eq!(super::run_in(&mut session, cli.verb).await, Exit::Done);
    let listed: Vec<Job> = serde_json::from_str(&screen.out()).unwrap();
    assert_eq!(listed, [job("a"), job("b")]);
}

#[tokio::test]
async fn an_empty_list_says_where_job_files_go() {
    let config = Config {
        jobs_dir: "/etc/jobsd/jobs.d".to_owned(),
        state_dir: "/var/lib/jobsd".to_owned(),
        socket: "/run/jobsd/jobsd.sock".to_owned(),
        config: None,
        access: crate::api::types::AccessRules::default(),
        trusted_owners: vec![0, nix::unistd::geteuid().as_raw()],
    };
    let none = JobPage { jobs: Vec::new(), next: None };
    let daemon = Canned::new().answers("GET /v1/jobs?", &none).answers("GET /v1/config", &config);
    assert_snapshot!(every_form(&daemon, "list").await);
    let daemon = Canned::new().answers("GET /v1/jobs?", &none).refuses(
        "GET /v1/config",
        ErrorCode::Forbidden,
        "uid 1000 may not look at more",
        None,
    );
    let done = jobctl(&daemon, None, "list").await;
    assert_eq!((done.exit, done.talk.as_str()), (Exit::Done, "no job here runs as you, and you may see no others\n"));
}

#[tokio::test]
async fn show_a_job() {
    let job = Job {
        tags: vec!["database".to_owned(), "nightly".to_owned()],
        owner: Some("ops@example.org".to_owned()),
        last_skip: Some(skip_span()),
        paused: Some(Pause {
            since: time("2026-11-21T11:00:00Z"),
            until: Some(time("2026-11-21T15:00:00Z")),
            uid: 1000,
        }),
        fault: Some(fixtures::fault("backup")),
        ..job("backup")
    };
    let daemon = Canned::new().answers("GET /v1/jobs/backup", &detail(job));
    assert_snapshot!(every_form(&daemon, "show backup").await);
}

#[tokio::test]
async fn show_a_run() {
    let setup = SetupFailure {
        step: "enter working directory".to_owned(),
        path: Some("/srv/gone".into()),
        errno: libc::EACCES,
        user: Some("postgres".to_owned()),
        detail: None,
    };
    let outcome = run::Outcome::SetupFailed(setup.clone());
    let mut run = ended(44, 0, outcome.clone());
    let mut failed = crate::api::testing::attempt_ended(2, run::Ending::SetupFailed(setup), outcome);
    failed.started_at = None;
    if let Some((end, _)) = &mut failed.end {
        end.started_at = None;
        end.output =
            run::OutputSummary { bytes: 1 << 30, cut_bytes: 1 << 29, lost_bytes: 12, ..run::OutputSummary::default() };
    }
    let first = ended(44, 0x0300, run::Outcome::Failed { exit_code: 3 });
    run.attempts = vec![first.attempts[0].clone(), failed];
    let daemon = Canned::new().answers("GET /v1/jobs/backup/runs/44", &wire(&run));
    assert_snapshot!(every_form(&daemon, "show backup/44").await);
}

#[tokio::test]
async fn history_of_a_job() {
    let screenful = std::iter::repeat_with(history).take(5).flatten().collect();
    let page = HistoryPage { entries: screenful, next: Some("41".to_owned()) };
    let all = HistoryPage { entries: history(), next: None };
    let daemon = Canned::new()
        .answers("GET /v1/jobs/backup/runs?limit=20", &page)
        .answers("GET /v1/jobs/backup/runs?limit=1000", &all);
    assert_snapshot!(every_form(&daemon, "history backup").await);
}

#[tokio::test]
async fn history_stops_at_its_limit_and_reads_page_by_page() {
    let page = |range: std::ops::Range<usize>, next: Option<&str>| HistoryPage {
        entries: history()[range].to_vec(),
        next: next.map(str::to_owned),
    };
    let daemon = Canned::new()
        .answers("GET /v1/jobs/backup/runs?limit=3&outcome=failed%2Csucceeded%2Cskipped", &page(0..2, Some("42")))
        .answers(
            "GET /v1/jobs/backup/runs?limit=1&outcome=failed%2Csucceeded%2Cskipped&before=42",
            &page(2..3, Some("41.1")),
        );
    let done = jobctl(&daemon, None, "history backup -n 3 --outcome failed,succeeded,skipped -o json").await;
    let entries: Vec<serde_json::Value> = serde_json::from_str(&done.out).unwrap();
    assert_eq!(entries.len(), 3);
    assert_eq!(entries[0]["run"], "backup/43");
    assert_eq!(entries[2]["run"], serde_json::Value::Null);
    assert_eq!((entries[2]["outcome"].as_str(), entries[2]["reason"].as_str()), (Some("skipped"), Some("paused")));
}

#[tokio::test]
async fn history_conditions_reach_the_daemon() {
    let path = "GET /v1/jobs/backup/runs?limit=1000\
                &outcome=failed%2Csignaled%2Cout_of_memory%2Ctimed_out%2Csetup_failed%2Clost\
                &since=2026-11-20T12%3A00%3A00Z&until=2026-11-21T07%3A00%3A00Z";
    let daemon = Canned::new().answers(path, &HistoryPage { entries: Vec::new(), next: None });
    let done = jobctl(&daemon, None, "history backup --failed --since 1d --until 08:00").await;
    assert_eq!((done.exit, done.out.as_str()), (Exit::Done, ""));
    assert_eq!(done.talk, "backup has no records of that kind yet\n");
}

fn occurrence(at: &str, note: Option<&str>) -> Occurrence {
    Occurrence {
        at: time(at),
        local: "2027-03-28T03:00:00+02:00".to_owned(),
        start: time(at),
        nominal: "2027-03-28T02:30:00".to_owned(),
        note: note.map(str::to_owned),
    }
}

#[tokio::test]
async fn next_of_one_job() {
    let jittered = Occurrence { start: time("2026-11-22T01:37:12Z"), ..occurrence("2026-11-22T01:30:00Z", None) };
    let moved =
        occurrence("2027-03-28T01:00:00Z", Some("the clocks skip this local time; it runs right after the gap"));
    let answer = Occurrences { job: "backup".to_owned(), occurrences: vec![jittered, moved], excluded: Vec::new() };
    let daemon = Canned::new().answers("GET /v1/jobs/backup/next?count=10", &answer);
    assert_snapshot!(every_form(&daemon, "next backup").await);
}

#[tokio::test]
async fn next_of_all_jobs() {
    let soon = Job { next: Some(time("2026-11-21T12:05:00Z")), ..job("probe") };
    let page = JobPage { jobs: vec![job("backup"), jobs().jobs[1].clone(), soon], next: None };
    let next = |job: &str, all: &[&str]| Occurrences {
        job: job.to_owned(),
        occurrences: all.iter().map(|at| occurrence(at, None)).collect(),
        excluded: Vec::new(),
    };
    let daemon = Canned::new()
        .answers("GET /v1/jobs?", &page)
        .answers("GET /v1/jobs/probe/next?count=2", &next("probe", &["2026-11-21T12:05:00Z", "2026-11-21T12:10:00Z"]))
        .answers(
            "GET /v1/jobs/backup/next?count=2",
            &next("backup", &["2026-11-22T01:30:00Z", "2026-11-23T01:30:00Z"]),
        );
    assert_snapshot!(every_form(&daemon, "next --count 2").await);
}

#[tokio::test]
async fn health_good_and_ill() {
    let good = Canned::new().answers("GET /v1/health", &health());
    let ill = Canned::new().answers("GET /v1/health", &ill_health());
    assert_snapshot!("health_good", every_form(&good, "health").await);
    assert_snapshot!("health_ill", every_form(&ill, "health").await);
}

#[tokio::test]
async fn versions_of_both_sides() {
    let version = Version {
        version: "9.9.9".to_owned(),
        api: "v1".to_owned(),
        tz_database: "2025b".to_owned(),
        pid: 811,
        uid: 0,
        started_at: time("2026-11-18T12:00:00Z"),
    };
    let daemon = Canned::new().answers("GET /v1/version", &version);
    let done = jobctl(&daemon, None, "version").await;
    let place = daemon.socket().display().to_string();
    assert_eq!(
        done.out,
        format!(
            "jobctl {} (time zones {})\njobsd 9.9.9 (API v1, time zones 2025b, process 811, {place})\n",
            env!("CARGO_PKG_VERSION"),
            crate::schedule::Zone::database_version()
        )
    );
}

fn why(detail: JobDetail, health: &Health) -> Canned {
    let page = HistoryPage { entries: history()[..1].to_vec(), next: None };
    let excluded = ExcludedInstant {
        at: time("2026-11-22T01:00:00Z"),
        nominal: "2026-11-22T02:00:00".to_owned(),
        cause: "the day is in weekends".to_owned(),
    };
    // Only a job that waits is told of what does not run before its next occurrence.
    let excluded = if health.ok && detail.job.live.is_empty() { vec![excluded] } else { Vec::new() };
    let next = Occurrences { job: "backup".to_owned(), occurrences: Vec::new(), excluded };
    Canned::new()
        .answers("GET /v1/jobs/backup", &detail)
        .answers("GET /v1/jobs/backup/next?count=1&excluded=true", &next)
        .answers("GET /v1/jobs/backup/runs?limit=1", &page)
        .answers("GET /v1/health", health)
}

#[tokio::test]
async fn why_a_job_waits() {
    let failed = Job { last: Some(fixtures::last("backup", 43, crate::api::types::Outcome::Failed)), ..job("backup") };
    assert_snapshot!(every_form(&why(detail(failed), &health()), "why backup").await);
}

#[tokio::test]
async fn why_a_job_does_not_run() {
    let stuck = Job {
        state: JobState::Paused,
        enabled: false,
        next: None,
        next_start: None,
        paused: Some(Pause { since: time("2026-11-20T12:00:00Z"), until: None, uid: 1000 }),
        fault: Some(fixtures::fault("backup")),
        last: None,
        last_skip: Some(skip_span()),
        ..job("backup")
    };
    let done = jobctl(&why(detail(stuck), &ill_health()), None, "why backup").await;
    assert_snapshot!(done.out);
}

#[tokio::test]
async fn why_a_job_is_busy() {
    let live = |number: u64, state| LiveRun { run: format!("backup/{number}"), state, started_at: None };
    let busy = Job {
        state: JobState::Running,
        live: vec![live(44, RunState::Running), live(45, RunState::Queued), live(46, RunState::Backoff)],
        ..job("backup")
    };
    let mut running = ended(44, 0, run::Outcome::Succeeded);
    running.state = run::RunState::Running {
        attempt: 1,
        pid: 4711,
        started_at: crate::api::testing::at("2026-11-21T02:30:00.25Z"),
    };
    let mut queued = ended(45, 0, run::Outcome::Succeeded);
    queued.attempts.clear();
    queued.state = run::RunState::Queued { since: queued.created_at, reason: QueueReason::Overlap };
    let mut backoff = ended(46, 0x0300, run::Outcome::Failed { exit_code: 3 });
    backoff.state = run::RunState::Backoff {
        next_attempt: 2,
        until: run::Deadline {
            boot: crate::clock::BootId::new("boot"),
            monotonic: crate::clock::Monotonic::from_duration(std::time::Duration::ZERO),
            wall: crate::api::testing::at("2026-11-21T12:00:30Z"),
        },
    };
    let daemon = why(detail(busy), &health())
        .answers("GET /v1/jobs/backup/runs/44", &wire(&running))
        .answers("GET /v1/jobs/backup/runs/45", &wire(&queued))
        .answers("GET /v1/jobs/backup/runs/46", &wire(&backoff));
    let done = jobctl(&daemon, None, "why backup").await;
    assert_snapshot!(done.out);
}
