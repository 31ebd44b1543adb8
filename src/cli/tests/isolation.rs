//! What a job's definition says about its processes, shown and told.

use std::sync::Arc;

use serde_json::Value;

use super::canned::Canned;
use super::fixtures::{detail, job};
use super::{Done, jobctl};
use crate::api::convert;
use crate::api::types::JobDetail;
use crate::cli::Exit;
use crate::schedule::Zone;
use crate::spec::{self, Authority, JobName, Machine, ReadContext, Source};

/// A job as the daemon would tell of it that read this text.
fn told(text: &str) -> JobDetail {
    let context = ReadContext {
        path: "backup.toml".into(),
        authority: Authority::Anybody,
        timezone: Zone::utc(),
        machine: Machine::default(),
        calendars: Arc::default(),
    };
    let source = Source { text: format!("command = [\"true\"]\n{text}"), defaults: String::new() };
    let spec =
        spec::read(&JobName::new("backup").unwrap(), &source, &context).map_err(|faults| faults.plain()).unwrap();
    JobDetail { definition: Some(convert::definition(&spec, Some(&source))), ..detail(job("backup")) }
}

async fn show(detail: &JobDetail, words: &str) -> Done {
    let daemon = Canned::new().answers("GET /v1/jobs/backup", detail);
    jobctl(&daemon, None, &format!("show backup {words}")).await
}

/// The lines of a word in front and a value, each with its word.
fn facts(out: &str) -> Vec<(String, String)> {
    let mut name = String::new();
    let mut facts = Vec::new();
    for line in out.lines() {
        let (word, value) = line.split_at_checked(14).unwrap_or((line, ""));
        if !word.trim().is_empty() {
            name = word.trim().to_owned();
        }
        facts.push((name.clone(), value.trim().to_owned()));
    }
    facts
}

#[track_caller]
fn assert_said(out: &str, expected: &[(&str, &str)]) {
    let facts = facts(out);
    for (word, value) in expected {
        assert!(facts.iter().any(|fact| fact.0 == *word && fact.1 == *value), "{word}: {value} in\n{out}");
    }
}

#[tokio::test]
async fn a_job_without_a_word_about_it_is_told_to_be_free() {
    let done = show(&told(""), "--isolation").await;
    assert_eq!((done.exit, done.talk.as_str()), (Exit::Done, ""));
    let expected = [
        ("identity", "runs as the daemon's own user"),
        ("identity", "programs that it executes may gain rights, as sudo does"),
        ("capabilities", "those of its user: all of them for root, none for anybody else"),
        ("files", "may write to whatever its user may write to"),
        ("network", "has the machine's network"),
        ("processes", "sees every process of the machine, and may signal those of its user"),
        ("system calls", "may use all system calls"),
        (
            "jobsd",
            "may use jobctl and the daemon's socket, as its user may: what it has run so is not isolated as it is",
        ),
        ("limits", "all its processes together: as much as there is"),
    ];
    assert_said(&done.out, &expected);
}

#[tokio::test]
async fn a_strict_job_is_told_what_it_has_left() {
    let text = "user = \"postgres\"\n\
                rlimits = { nofile = \"100:unlimited\" }\n\
                on_leftover = \"wait\"\n\
                credentials = { password = \"/secret/hunter2\" }\n\
                limits = { memory = \"2GiB\", cpus = 1.5, io_read = { \"/var/lib\" = \"20MiB\" } }\n\
                [isolation]\n\
                profile = \"strict\"\n\
                network = false\n\
                writable = [\"/var/backups\"]\n\
                capabilities = []\n\
                syscalls = [\"@system-service\", \"~@privileged\"]\n";
    let done = show(&told(text), "--isolation").await;
    let expected = [
        ("identity", "runs as user postgres"),
        ("identity", "no program that it executes gains rights, as by a setuid bit"),
        ("capabilities", "none, not even as root"),
        ("files", "may write only to what is named here, and to /dev and its own part of /proc as its user may"),
        ("files", "may write to /var/backups"),
        ("files", "finds secrets in $CREDENTIALS_DIRECTORY: password"),
        ("network", "has no network"),
        ("network", "may make sockets of these families alone: unix, inet, inet6, netlink"),
        ("processes", "sees and signals its own processes alone"),
        ("processes", "the attempt goes on until the last of its processes has ended"),
        ("system calls", "may use the system calls of @system-service alone"),
        ("system calls", "may use none of @privileged"),
        ("jobsd", "may not use jobctl or the daemon's socket, whoever its user is"),
        ("limits", "each process: nofile 100:unlimited"),
    ];
    assert_said(&done.out, &expected);
    assert!(!done.out.contains("whatever its user"), "{}", done.out);
}

#[tokio::test]
async fn show_names_the_keys_that_are_set_and_no_secret() {
    let text = "umask = \"0027\"\n\
                nice = 10\n\
                io_class = \"idle\"\n\
                cpu_affinity = [0, \"2-3\"]\n\
                stdin = \"hunter2\"\n\
                credentials = { password = \"/secret/hunter2\" }\n\
                [isolation]\n\
                private_tmp = true\n";
    let done = show(&told(text), "").await;
    let expected = [
        ("umask", "0027"),
        ("nice", "10"),
        ("io class", "idle"),
        ("processors", "0, 2, 3"),
        ("stdin", "a text of 7 B"),
        ("credentials", "password"),
        ("isolation", "restricted; `jobctl show backup --isolation` tells how"),
    ];
    assert_said(&done.out, &expected);
    assert!(!done.out.contains("hunter2"), "{}", done.out);
    let plain = show(&told(""), "").await.out;
    assert!(!plain.contains("umask") && !plain.contains("isolation"), "{plain}");
}

#[tokio::test]
async fn programs_get_the_fields() {
    let done = show(&told("isolation = { network = \"loopback\" }"), "--isolation -o json").await;
    let told: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(
        (told["job"].as_str(), told["process"]["isolation"]["network"].as_str()),
        (Some("backup"), Some("loopback"))
    );
}

#[tokio::test]
async fn what_cannot_be_told_is_an_error() {
    let daemon = Canned::new();
    let of_run = jobctl(&daemon, None, "show backup/42 --isolation").await;
    assert_eq!(of_run.exit, Exit::Usage);
    let of_old_daemon = show(&detail(job("backup")), "--isolation").await;
    assert_eq!(of_old_daemon.exit, Exit::Failure);
    assert!(of_old_daemon.talk.contains("hint:"), "{}", of_old_daemon.talk);
}
