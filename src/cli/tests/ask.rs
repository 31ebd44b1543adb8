//! The verbs that ask more: filters, statistics, events, waiting, differences, and what became of a time.

use insta::assert_snapshot;

use super::canned::Canned;
use super::fixtures::{detail, ended, history, job, jobs, time, wire};
use super::{every_form, jobctl};
use crate::api::convert;
use crate::api::types::{
    Config, Entry, Event, ExcludedInstant, Halves, HistoryPage, Job, JobDetail, JobPage, JobState, JobStatistics,
    Occurrence, Occurrences, Pause, Quantiles, Runs, StatisticsPage, Version,
};
use crate::cli::Exit;
use crate::run;

/// The first word of every line but the heading.
fn names(out: &str) -> Vec<&str> {
    out.lines().skip(1).map(|line| line.split_whitespace().next().unwrap_or_default()).collect()
}

#[tokio::test]
async fn lists_are_chosen_and_sorted() {
    let soon = Job { next_start: Some(time("2026-11-21T12:30:00Z")), ..job("soon") };
    let mut page = jobs();
    page.jobs.push(soon);
    let daemon = Canned::new().answers("GET /v1/jobs?", &page);
    for (words, expected) in [
        ("list --due 1h", &["soon"][..]),
        ("list --running", &["report-of-the-whole-warehouse"]),
        ("list --due 1d --sort next", &["soon", "backup", "report-of-the-whole-warehouse", "weekly"]),
        ("list --due 1d --sort next --reverse", &["weekly", "report-of-the-whole-warehouse", "backup", "soon"]),
        ("list --running --due 1m", &[]),
    ] {
        let done = jobctl(&daemon, None, words).await;
        assert_eq!((done.exit, names(&done.out).as_slice()), (Exit::Done, expected), "{words}");
    }
    let by_state = jobctl(&daemon, None, "list --sort state").await.out;
    assert_eq!(names(&by_state)[..3], ["report-of-the-whole-warehouse", "probe", "cleanup"]);
    // Jobs without it come last, and stay in the order of their names.
    let by_length = jobctl(&daemon, None, "list --sort took").await.out;
    assert_eq!(names(&by_length)[5..], ["probe", "zap"]);
}

#[tokio::test]
async fn a_watched_list_needs_a_terminal() {
    let done = jobctl(&Canned::new(), None, "list --watch").await;
    assert_eq!(done.exit, Exit::Usage);
    assert!(done.talk.contains("--watch needs a terminal"), "{}", done.talk);
}

#[tokio::test]
async fn history_of_all_jobs_and_what_is_left_to_the_client() {
    let recent = Runs { live: Vec::new(), recent: history(), next: None };
    let page = HistoryPage { entries: history(), next: None };
    let daemon = Canned::new()
        .answers("GET /v1/runs?limit=1000", &recent)
        .answers("GET /v1/jobs/backup/runs?limit=1000", &page)
        .answers("GET /v1/jobs/backup/runs?limit=1000&before=43", &page);
    let runs = |out: &str| names(out).into_iter().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(runs(&jobctl(&daemon, None, "history").await.out), ["backup/43", "backup/42", "backup", "backup/41"]);
    assert_eq!(runs(&jobctl(&daemon, None, "history --failed -n 1").await.out), ["backup/43"]);
    assert_eq!(runs(&jobctl(&daemon, None, "history --since 36h --outcome skipped").await.out), ["backup"]);
    assert_eq!(runs(&jobctl(&daemon, None, "history backup --trigger schedule -n 2").await.out).len(), 2);
    assert_eq!(jobctl(&daemon, None, "history backup --trigger manual").await.out, "");
    assert_eq!(runs(&jobctl(&daemon, None, "history backup --longer 9s --before 43").await.out).len(), 3);
    assert_eq!(jobctl(&daemon, None, "history backup --longer 10s").await.out, "");
}

fn statistics(job: &str) -> JobStatistics {
    JobStatistics {
        job: job.to_owned(),
        from: Some(time("2026-08-23T01:34:00Z")),
        to: Some(time("2026-11-21T01:34:12Z")),
        runs: 90,
        succeeded: 88,
        failed: 1,
        other: 1,
        skipped: 4,
        success_rate: Some(88.0 / 89.0),
        duration_seconds: Some(Quantiles { p50: 251.75, p95: 310.0, max: 4000.0 }),
        lateness_seconds: Some(Quantiles { p50: 0.004, p95: 0.021, max: 61.0 }),
        trend: Some(Halves {
            older_success_rate: Some(1.0),
            newer_success_rate: Some(44.0 / 45.0),
            older_p50_seconds: Some(199.0),
            newer_p50_seconds: Some(290.0),
        }),
    }
}

#[tokio::test]
async fn statistics_of_one_job_and_of_all() {
    let none = JobStatistics {
        from: None,
        to: None,
        runs: 0,
        succeeded: 0,
        failed: 0,
        other: 0,
        skipped: 0,
        success_rate: None,
        duration_seconds: None,
        lateness_seconds: None,
        trend: None,
        ..statistics("zap")
    };
    let first = StatisticsPage { jobs: vec![statistics("backup")], next: Some("backup".to_owned()) };
    let second = StatisticsPage { jobs: vec![none.clone()], next: None };
    let daemon = Canned::new()
        .answers("GET /v1/jobs/backup/statistics?", &statistics("backup"))
        .answers("GET /v1/jobs/zap/statistics?since=2026-11-14T12%3A00%3A00Z", &none)
        .answers("GET /v1/statistics?", &first)
        .answers("GET /v1/statistics?after=backup", &second);
    let one = every_form(&daemon, "statistics backup").await;
    let none = jobctl(&daemon, None, "statistics zap --since 7d").await.out;
    assert_snapshot!(format!("{one}{none}{}", every_form(&daemon, "statistics").await));
}

#[tokio::test]
async fn wait_exits_as_the_first_that_did_not_succeed() {
    let failed = wire(&ended(43, 0x0300, run::Outcome::Failed { exit_code: 3 }));
    let daemon = Canned::new()
        .answers("GET /v1/jobs/backup/runs/42?wait=30", &wire(&ended(42, 0, run::Outcome::Succeeded)))
        .answers("GET /v1/jobs/backup/runs/43?wait=30", &failed)
        .answers("GET /v1/jobs/zap", &detail(job("zap")));
    let done = jobctl(&daemon, None, "wait backup/42 backup/43").await;
    assert_eq!(done.exit.code(), 3);
    assert_eq!(done.out, "backup/42 succeeded after 9.8s\nbackup/43 failed after 9.8s: it exited with code 3\n");
    let done = jobctl(&daemon, None, "wait zap").await;
    assert_eq!((done.exit, done.talk.as_str()), (Exit::Done, "zap has no live run\n"));
    let ended: Vec<serde_json::Value> =
        serde_json::from_str(&jobctl(&daemon, None, "wait backup/42 -o json").await.out).unwrap();
    assert_eq!(ended[0]["outcome"], "succeeded");
}

#[tokio::test]
async fn events_are_lines_and_go_on_after_the_last_one() {
    let entry = convert::entry_of_run(&ended(43, 0x0300, run::Outcome::Failed { exit_code: 3 }));
    let skip: Entry = history().remove(2);
    let mut stream = String::from(": hello\n\n");
    for (id, event) in [
        ("7-1", Event::Run { run: Box::new(entry) }),
        ("7-2", Event::Skip { skip: Box::new(skip) }),
        ("7-3", Event::Job { name: "zap".to_owned(), job: Some(Box::new(job("zap"))) }),
        ("7-4", Event::Job { name: "old".to_owned(), job: None }),
        ("7-5", Event::Gap),
    ] {
        let data = serde_json::to_string(&event).unwrap();
        stream += &format!("event: {}\nid: {id}\ndata: {data}\n\n", event.name());
    }
    let daemon = Canned::new()
        .says("GET /v1/events", stream.clone().into_bytes())
        .says("GET /v1/events?after=7-0", stream.into_bytes());
    let done = jobctl(&daemon, None, "events").await;
    assert_snapshot!(done.out);
    assert_eq!(daemon.requests(), ["GET /v1/events", "GET /v1/events?after=7-5"], "the second has no answer here");
    let done = jobctl(&daemon, None, "events zap -o json --after 7-0").await;
    let events: Vec<serde_json::Value> = done.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&events[0]["id"], &events[0]["name"]), (&"7-3".into(), &"zap".into()));
    assert_eq!((events.len(), &events[1]["event"]), (2, &"gap".into()), "a gap concerns everybody");
}

#[tokio::test]
async fn diff_tells_what_would_change_key_by_key() {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("backup", "command = ['pg_dump']\ntimeout = '1h'\ntags = ['database']"),
        ("fresh", "command = ['true']\nschedule = '@daily'"),
        ("probe", "comand = 'x'"),
    ] {
        std::fs::write(directory.path().join(format!("{name}.toml")), text).unwrap();
    }
    let config = Config {
        jobs_dir: directory.path().display().to_string(),
        state_dir: "/var/lib/jobsd".to_owned(),
        socket: "/run/jobsd/jobsd.sock".to_owned(),
        config: None,
        access: crate::api::types::AccessRules::default(),
        trusted_owners: vec![0, nix::unistd::geteuid().as_raw()],
    };
    let version = Version {
        version: "0.1.0".to_owned(),
        api: "v1".to_owned(),
        pid: 1,
        uid: 0,
        started_at: time("2026-11-18T12:00:00Z"),
        tz_database: "2025b".to_owned(),
    };
    let page = JobPage { jobs: vec![job("backup"), job("probe"), job("report")], next: None };
    let daemon = Canned::new()
        .answers("GET /v1/config", &config)
        .answers("GET /v1/version", &version)
        .answers("GET /v1/jobs?", &page)
        .answers("GET /v1/jobs/backup", &detail(job("backup")));
    let done = jobctl(&daemon, None, "diff").await;
    assert_eq!(done.exit, Exit::Failure, "a file is faulty");
    assert_snapshot!(format!("{}-- talk\n{}", done.out, done.talk));
    let plan: serde_json::Value = serde_json::from_str(&jobctl(&daemon, None, "diff -o json").await.out).unwrap();
    assert_eq!((&plan["removed"], &plan["added"][0]["job"]), (&serde_json::json!(["report"]), &"fresh".into()));
}

/// A daemon that is asked about a minute: its records since then, all of its records, what the schedule says.
fn asked(
    detail: &JobDetail,
    minute: &str,
    records: Vec<Entry>,
    occurrences: Vec<Occurrence>,
    excluded: Option<&str>,
) -> Canned {
    let at = |time: &str| time.replace(':', "%3A");
    let (start, end) = (at(&format!("2026-11-{minute}:00Z")), at(&format!("2026-11-{minute}:59.999999Z")));
    let before = time(&format!("2026-11-{minute}:00Z")).0 - chrono::TimeDelta::microseconds(1);
    let before = at(&crate::api::types::Time(before).to_string());
    let excluded = excluded.map(|cause| ExcludedInstant {
        at: time(&format!("2026-11-{minute}:00Z")),
        nominal: "2026-11-22T02:30:00".to_owned(),
        cause: cause.to_owned(),
    });
    let then = Occurrences { job: "backup".to_owned(), occurrences, excluded: excluded.into_iter().collect() };
    let next = Occurrence {
        at: time("2026-11-25T01:30:00Z"),
        start: time("2026-11-25T01:30:00Z"),
        nominal: "2026-11-25T02:30:00".to_owned(),
        local: "2026-11-25T02:30:00+01:00".to_owned(),
        note: None,
    };
    let following = Occurrences { job: "backup".to_owned(), occurrences: vec![next], excluded: Vec::new() };
    Canned::new()
        .answers("GET /v1/jobs/backup", detail)
        .answers(
            &format!("GET /v1/jobs/backup/runs?limit=1000&since={start}"),
            &HistoryPage { entries: records, next: None },
        )
        .answers("GET /v1/jobs/backup/runs?limit=1000", &HistoryPage { entries: history(), next: None })
        .answers(&format!("GET /v1/jobs/backup/next?after={before}&until={end}&count=100&excluded=true"), &then)
        .answers(&format!("GET /v1/jobs/backup/next?after={end}&count=1"), &following)
}

fn at_half_past() -> Occurrence {
    Occurrence {
        at: time("2026-11-22T01:30:00Z"),
        start: time("2026-11-22T01:34:00Z"),
        nominal: "2026-11-22T02:30:00".to_owned(),
        local: "2026-11-22T02:30:00+01:00".to_owned(),
        note: None,
    }
}

#[tokio::test]
async fn why_at_a_time_follows_from_the_records_first() {
    let job = detail(job("backup"));
    let mut told = String::new();
    for (words, minute, occurrences) in [
        ("2026-11-21 03:30", "21T02:30", vec![at_half_past()]),
        ("2026-11-20 02:30", "20T01:30", Vec::new()),
        ("2026-11-19 02:30", "19T01:30", vec![at_half_past()]),
        // Between the first and the last of the record, and none of them.
        ("2026-11-19 07:00", "19T06:00", Vec::new()),
    ] {
        let daemon = asked(&job, minute, history(), occurrences, None);
        let screen = super::Screen::default();
        let cli = <super::Cli as clap::Parser>::try_parse_from(["jobctl", "why", "backup", "--at", words]).unwrap();
        let mut session = super::Session::new(screen.terminal(None), cli.global.output, vec![daemon.socket()]);
        assert_eq!(super::run_in(&mut session, cli.verb).await, Exit::Done);
        told += &format!("$ jobctl why backup --at {words:?}\n{}{}\n", screen.out(), screen.talk());
    }
    assert_snapshot!(told);
}

#[tokio::test]
async fn why_at_a_time_without_a_record() {
    let usual = detail(job("backup"));
    let young = JobDetail { first_seen: time("2026-11-21T11:00:00Z"), ..usual.clone() };
    let paused = Pause { since: time("2026-11-20T12:00:00Z"), until: None, uid: 1000 };
    let paused = detail(Job { state: JobState::Paused, paused: Some(paused), ..job("backup") });
    let by_hand = detail(job("backup"));
    let by_hand = JobDetail {
        definition: by_hand
            .definition
            .map(|definition| crate::api::types::Definition { schedule: Vec::new(), ..definition }),
        ..by_hand
    };
    let mut told = String::new();
    for (what, job, minute, occurrences, excluded) in [
        ("nothing is scheduled", &usual, "22T05:00", Vec::new(), None),
        ("it will run", &usual, "22T01:30", vec![at_half_past()], None),
        ("it is paused", &paused, "22T01:30", vec![at_half_past()], None),
        ("a condition excludes it", &usual, "22T01:30", Vec::new(), Some("the day is in weekends")),
        ("no schedule", &by_hand, "22T01:30", Vec::new(), None),
        ("before it was known", &young, "21T10:00", Vec::new(), None),
        ("before what is kept", &usual, "01T01:30", Vec::new(), None),
        ("a record is missing", &usual, "21T05:00", vec![at_half_past()], None),
    ] {
        let daemon = asked(job, minute, Vec::new(), occurrences, excluded);
        let done = jobctl(&daemon, None, &format!("why backup --at 2026-11-{minute}:00Z")).await;
        assert_eq!((done.exit, done.talk.as_str()), (Exit::Done, ""), "{what}");
        told += &format!("== {what}\n{}", done.out);
    }
    assert_snapshot!(told);
}
