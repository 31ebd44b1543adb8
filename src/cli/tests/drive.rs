//! The verbs that do something.

use insta::assert_snapshot;

use super::canned::Canned;
use super::fixtures::{detail, ended, job, wire};
use super::jobctl;
use crate::api::types::{
    Cancelled, ErrorCode, Job, JobPage, OutputChunk, OutputMark, Paused, Reloaded, Resumed, ShutdownMode, ShuttingDown,
    Stream, Triggered,
};
use crate::cli::Exit;
use crate::run;

fn triggered() -> Triggered {
    Triggered { run: "backup/44".to_owned(), job: "backup".to_owned(), number: 44 }
}

#[tokio::test]
async fn run_prints_the_runs_name() {
    let daemon = Canned::new().answers("POST /v1/jobs/backup/runs", &triggered());
    let done = jobctl(&daemon, None, "run backup").await;
    assert_eq!((done.exit, done.out.as_str(), done.talk.as_str()), (Exit::Done, "backup/44\n", ""));
}

#[tokio::test]
async fn run_wait_exits_as_the_run_did() {
    for (wait_status, outcome, code) in [
        (0, run::Outcome::Succeeded, 0),
        (0x0300, run::Outcome::Failed { exit_code: 3 }, 3),
        (9, run::Outcome::Signaled { signal: 9, core_dumped: false }, 137),
        (15, run::Outcome::TimedOut, 124),
    ] {
        let daemon = Canned::new()
            .answers("POST /v1/jobs/backup/runs", &triggered())
            .answers("GET /v1/jobs/backup/runs/44?wait=30", &wire(&ended(44, wait_status, outcome.clone())));
        let done = jobctl(&daemon, None, "run --wait backup").await;
        assert_eq!((done.exit.code(), done.out.as_str()), (code, "backup/44\n"), "{outcome:?}");
    }
}

fn triggered_of(job: &str) -> Triggered {
    Triggered { job: job.to_owned(), run: format!("{job}/44"), ..triggered() }
}

#[tokio::test]
async fn several_jobs_are_started_and_what_cannot_be_is_told() {
    let daemon = || {
        let failed = ended(44, 0x0300, run::Outcome::Failed { exit_code: 3 });
        Canned::new()
            .answers("POST /v1/jobs/a/runs", &triggered_of("a"))
            .refuses("POST /v1/jobs/b/runs", ErrorCode::Overlap, "the run b/1 is live", None)
            .answers("POST /v1/jobs/c/runs", &triggered_of("c"))
            .answers("GET /v1/jobs/a/runs/44?wait=30", &wire(&ended(44, 0, run::Outcome::Succeeded)))
            .answers("GET /v1/jobs/c/runs/44?wait=30", &wire(&failed))
    };
    let done = jobctl(&daemon(), None, "run a b c").await;
    assert_eq!((done.exit, done.out.as_str()), (Exit::Refused, "a/44\nc/44\n"));
    assert_eq!(done.talk, "error: the run b/1 is live\n");
    let done = jobctl(&daemon(), None, "run --wait a c").await;
    assert_eq!((done.exit, done.out.as_str()), (Exit::Run(3), "a/44\nc/44\n"));
    assert_eq!(done.talk.lines().count(), 2, "{}", done.talk);
    let told: serde_json::Value = serde_json::from_str(&jobctl(&daemon(), None, "run a c -o json").await.out).unwrap();
    assert_eq!((&told[0]["run"], &told[1]["run"]), (&"a/44".into(), &"c/44".into()));
    assert_eq!(jobctl(&daemon(), None, "run --follow a c").await.exit, Exit::Usage);
}

#[tokio::test]
async fn jobs_are_started_by_their_tag() {
    let tagged = |name: &str, enabled| Job { tags: vec!["nightly".to_owned()], enabled, ..job(name) };
    let page = JobPage { jobs: vec![tagged("a", true), job("b"), tagged("c", false)], next: None };
    let daemon = || Canned::new().answers("GET /v1/jobs?", &page).answers("POST /v1/jobs/a/runs", &triggered_of("a"));
    let done = jobctl(&daemon(), None, "run --tag nightly").await;
    assert_eq!((done.exit, done.out.as_str()), (Exit::Done, "a/44\n"));
    assert_eq!(done.talk, "c is disabled and not started\n");
    assert_eq!(jobctl(&daemon(), None, "run --tag weekly").await.exit, Exit::NotFound);
}

#[tokio::test]
async fn run_follow_gives_each_stream_its_own_and_exits_as_the_run_did() {
    let at = crate::api::testing::at("2026-11-21T12:00:00Z").into();
    let lines = [
        serde_json::to_string(&OutputChunk::new(at, Stream::Stdout, 42, 1, 0, b"to out\n")).unwrap(),
        serde_json::to_string(&OutputChunk::new(at, Stream::Stderr, 42, 1, 7, b"to \xff err\n")).unwrap(),
        serde_json::to_string(&OutputMark { run: 42, attempt: 1, mark: "cut".to_owned(), offset: 16, bytes: 2048 })
            .unwrap(),
        serde_json::to_string(&OutputChunk::new(at, Stream::Stdout, 42, 2, 0, b"again\n")).unwrap(),
    ];
    let failed = ended(44, 0x0300, run::Outcome::Failed { exit_code: 3 });
    let daemon = Canned::new()
        .answers("POST /v1/jobs/backup/runs", &triggered())
        .says("GET /v1/jobs/backup/runs/44/output?format=json&follow=true", format!("{}\n", lines.join("\n")).into())
        .answers("GET /v1/jobs/backup/runs/44?wait=30", &wire(&failed));
    let screen = super::Screen::default();
    let cli = <super::Cli as clap::Parser>::try_parse_from(["jobctl", "run", "--follow", "backup"]).unwrap();
    let mut session = super::Session::new(screen.terminal(None), cli.global.output, vec![daemon.socket()]);
    assert_eq!(super::run_in(&mut session, cli.verb).await, Exit::Run(3));
    assert_eq!(screen.out(), "to out\nagain\n");
    assert_eq!(
        screen.talk_lossy(),
        "backup/44\nto \u{fffd} err\n[2.0 KiB are not kept: the job's output is larger than its limit]\nattempt 2\n\
         backup/44 failed after 9.8s: it exited with code 3\n"
    );
}

#[tokio::test]
async fn logs_of_a_job_are_those_of_its_newest_run() {
    let at = crate::api::testing::at("2026-11-21T12:00:00Z").into();
    let line = serde_json::to_string(&OutputChunk::new(at, Stream::Stderr, 42, 1, 0, b"hello\n")).unwrap();
    let daemon = Canned::new()
        .answers("GET /v1/jobs/backup", &detail(job("backup")))
        .says("GET /v1/jobs/backup/output?format=json&follow=false&tail=5", format!("{line}\n").into());
    let done = jobctl(&daemon, None, "logs -n 5 backup").await;
    assert_eq!((done.exit, done.out.as_str(), done.talk.as_str()), (Exit::Done, "hello\n", ""));
    let stamped = jobctl(&daemon, None, "logs -n 5 -t backup").await;
    assert_eq!(stamped.out, "2026-11-21 13:00:00.000 ! hello\n");
    let json = jobctl(&daemon, None, "logs -n 5 backup -o json").await;
    assert_eq!(json.out, format!("{line}\n"));
}

#[tokio::test]
async fn halves_of_lines_are_not_glued() {
    let chunk = |stream, offset, text: &str| {
        serde_json::to_string(&OutputChunk::new(
            crate::api::testing::at("2026-11-21T02:30:00Z").into(),
            stream,
            42,
            1,
            offset,
            text.as_bytes(),
        ))
    };
    let cut =
        serde_json::to_string(&OutputMark { run: 42, attempt: 1, mark: "cut".to_owned(), offset: 4, bytes: 2048 });
    let lines = [chunk(Stream::Stdout, 0, "half"), cut, chunk(Stream::Stdout, 2052, "other half\n")];
    let stream: String = lines.map(|line| format!("{}\n", line.unwrap())).concat();
    let daemon = Canned::new()
        .answers("GET /v1/jobs/backup", &detail(job("backup")))
        .says("GET /v1/jobs/backup/runs/42/output?format=json&follow=false", stream.into_bytes());
    let done = jobctl(&daemon, None, "logs backup/42").await;
    assert_eq!(done.out, "half\nother half\n");
    assert_eq!(done.talk, "[2.0 KiB are not kept: the job's output is larger than its limit]\n");
    let stamped = jobctl(&daemon, None, "logs -t backup/42").await;
    let stamps: Vec<&str> = stamped.out.lines().map(|line| &line[..10]).collect();
    assert_eq!(stamps, ["2026-11-21"; 2], "{}", stamped.out);
}

#[tokio::test]
async fn a_terminal_is_shown_what_it_must_not_obey() {
    let chunk = |offset: u64, bytes: &[u8]| {
        let at = crate::api::testing::at("2026-11-21T12:00:00Z").into();
        serde_json::to_string(&OutputChunk::new(at, Stream::Stdout, 42, 1, offset, bytes)).unwrap()
    };
    let lines = [chunk(0, b"\x1b]0;mine\x07 \xe2\x82"), chunk(12, b"\xac\r\n\x00\xff\tend\xe2")];
    let stream: String = lines.map(|line| format!("{line}\n")).concat();
    let daemon = Canned::new()
        .answers("GET /v1/jobs/backup", &detail(job("backup")))
        .says("GET /v1/jobs/backup/runs/42/output?format=json&follow=false", stream.into_bytes());
    let seen = jobctl(&daemon, Some(80), "logs backup/42").await;
    assert_eq!(seen.out, "^[]0;mine^G \u{20ac}^M\n^@\\xff\tend\\xe2");
    let stamped = jobctl(&daemon, Some(80), "logs -t backup/42").await;
    let time = "2026-11-21 13:00:00.000   ";
    assert_eq!(stamped.out, format!("{time}^[]0;mine^G \u{20ac}^M\n{time}^@\\xff\tend\\xe2"));
    let raw = b"\x1b]0;mine\x07 \xe2\x82\xac\r\n\x00\xff\tend\xe2";
    for (width, words) in [(Some(80), &["--raw"][..]), (None, &[])] {
        let screen = super::Screen::default();
        let line = ["jobctl", "logs", "backup/42"].iter().chain(words);
        let cli = <super::Cli as clap::Parser>::try_parse_from(line).unwrap();
        let mut session = super::Session::new(screen.terminal(width), cli.global.output, vec![daemon.socket()]);
        assert_eq!(super::run_in(&mut session, cli.verb).await, Exit::Done);
        assert_eq!(screen.out_bytes(), raw, "{words:?}");
    }
}

#[tokio::test]
async fn what_is_wanted_of_logs_goes_to_the_daemon() {
    let path = "GET /v1/jobs/backup/output?format=json&follow=false&stream=stderr\
                &since=2026-11-21T11%3A00%3A00Z&until=2026-11-21T11%3A30%3A00Z&grep=%28%3Fi%29a%20b&previous=2";
    let daemon = Canned::new().says(path, Vec::new());
    let line = ["jobctl", "logs", "backup", "-p", "2", "--stderr", "--since", "1h", "--until", "30m", "-g", "(?i)a b"];
    let cli = <super::Cli as clap::Parser>::try_parse_from(line.into_iter().chain(["--no-timestamps"])).unwrap();
    let screen = super::Screen::default();
    let mut session = super::Session::new(screen.terminal(None), cli.global.output, vec![daemon.socket()]);
    assert_eq!(super::run_in(&mut session, cli.verb).await, Exit::Done, "{}", screen.talk_lossy());
}

#[tokio::test]
async fn times_that_have_nothing_between_them_are_a_fault() {
    let done = jobctl(&Canned::new(), None, "logs backup --no-timestamps --since 1h --until 2h").await;
    assert_eq!((done.exit, done.out.as_str()), (Exit::Usage, ""));
    assert_snapshot!(done.talk, @r"
    error: --until lies before --since, and nothing between them

    hint: durations count back from now: `--since 2h --until 1h`
    ");
}

#[tokio::test]
async fn cancel_runs_and_jobs() {
    let cancelled = |runs: &[&str]| Cancelled { cancelled: runs.iter().map(|&run| run.to_owned()).collect() };
    let daemon = Canned::new()
        .answers("POST /v1/jobs/backup/runs/44/cancel", &cancelled(&["backup/44"]))
        .answers("POST /v1/jobs/report/cancel", &cancelled(&["report/1", "report/2"]));
    let done = jobctl(&daemon, None, "cancel backup/44 report").await;
    assert_eq!(done.out, "backup/44 is being cancelled\nreport/1 is being cancelled\nreport/2 is being cancelled\n");
    let json = jobctl(&daemon, None, "cancel backup/44 report -o json").await;
    assert_eq!(json.out, "{\"cancelled\":[\"backup/44\",\"report/1\",\"report/2\"]}\n");
}

#[tokio::test]
async fn pause_and_resume() {
    let until = Some(super::fixtures::time("2026-11-21T14:00:00Z"));
    let daemon = Canned::new()
        .answers("POST /v1/jobs/backup/pause", &Paused { paused: vec!["backup".to_owned()], until })
        .answers("POST /v1/pause", &Paused { paused: vec!["a".to_owned(), "b".to_owned()], until: None })
        .answers("POST /v1/resume", &Resumed { resumed: vec!["a".to_owned()] })
        .answers("POST /v1/jobs/backup/resume", &Resumed { resumed: Vec::new() });
    let done = jobctl(&daemon, None, "pause backup --until 2h").await;
    assert_eq!(done.out, "backup is paused until 2026-11-21 15:00:00 +01:00 (in 2h)\n");
    let done = jobctl(&daemon, None, "pause --tag nightly").await;
    assert_eq!(done.out, "a is paused until it is resumed\nb is paused until it is resumed\n");
    let done = jobctl(&daemon, None, "resume --all").await;
    assert_eq!(done.out, "a is resumed\n");
    let done = jobctl(&daemon, None, "resume backup").await;
    assert_eq!((done.out.as_str(), done.talk.as_str()), ("", "nothing was paused\n"));
    assert_eq!(
        daemon.requests(),
        [
            "POST /v1/jobs/backup/pause {\"until\":\"2026-11-21T14:00:00Z\"}",
            "POST /v1/pause {\"tag\":\"nightly\",\"all\":false,\"until\":null}",
            "POST /v1/resume {\"tag\":null,\"all\":true}",
            "POST /v1/jobs/backup/resume",
        ]
    );
}

#[tokio::test]
async fn reload_reports_and_fails_for_faulty_files() {
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    let good = Reloaded {
        added: names(&["a"]),
        changed: names(&["b"]),
        removed: names(&["c"]),
        unchanged: 9,
        ..Reloaded::default()
    };
    let faulty = Reloaded { faulty: names(&["probe"]), ..good.clone() };
    let done = jobctl(&Canned::new().answers("POST /v1/reload", &good), None, "reload").await;
    assert_eq!(done.exit, Exit::Done);
    assert_eq!(done.out, "added      a\nchanged    b\nremoved    c\nunchanged  9 jobs\n");
    let done = jobctl(&Canned::new().answers("POST /v1/reload", &faulty), None, "reload").await;
    assert_eq!(done.exit, Exit::Failure);
    assert_snapshot!(format!("{}-- talk\n{}", done.out, done.talk));
}

#[tokio::test]
async fn shutdown_says_what_becomes_of_live_runs() {
    for (words, mode, talk) in [
        ("shutdown", ShutdownMode::LeaveRuns, "these runs go on under the supervisor: backup/44\n"),
        ("shutdown --drain", ShutdownMode::Drain, "waiting for the end of these runs: backup/44\n"),
        ("shutdown --stop-runs", ShutdownMode::StopRuns, "stopping these runs: backup/44\n"),
    ] {
        let answer = ShuttingDown { mode, live: vec!["backup/44".to_owned()] };
        let daemon = Canned::new().answers("POST /v1/shutdown", &answer);
        let done = jobctl(&daemon, None, &format!("{words} --no-wait")).await;
        assert_eq!((done.exit, done.talk.as_str()), (Exit::Done, talk));
        let body = serde_json::to_string(&crate::api::types::ShutdownRequest { mode }).unwrap();
        assert_eq!(daemon.requests(), [format!("POST /v1/shutdown {body}")]);
    }
}

#[tokio::test]
async fn a_refused_run_is_no_success() {
    let hint = Some("wait for its end, or cancel it with `jobctl cancel backup/43`");
    let message = "the run backup/43 is live and overlap = \"skip\" lets no other start";
    let daemon = Canned::new().refuses("POST /v1/jobs/backup/runs", ErrorCode::Overlap, message, hint);
    let done = jobctl(&daemon, None, "run --wait backup").await;
    assert_eq!(done.exit, Exit::Refused);
    assert_snapshot!(done.talk);
}
