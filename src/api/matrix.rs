//! Every route of the API for every kind of caller: what is said here is what is so, and no route is missing.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::access::{Access, Action, Need, Reach, admit, owns, seen};
use super::caller::Caller;
use super::error::ApiError;
use super::routes::needs;
use super::testing::jobs;
use super::types::ErrorCode;
use crate::daemon::config::{AccessRules, Members, OwnJobs};
use crate::run::AttemptId;
use crate::scheduler::Snapshot;
use crate::spec::JobName;
use crate::supervisor::{Origin, Unclear};

const DAEMON: u32 = 990;

/// In order of the columns.
const CALLERS: [&str; 7] = ["admin", "operator", "viewer", "viewer+own", "own=operate", "own=view", "stranger"];

/// What a route answers to somebody, over a job of their own and one of somebody else.
///
/// - `A`: all of it.
/// - `o`: of their own jobs; others do not exist.
/// - `m`: their own jobs; others are forbidden.
/// - `-`: forbidden.
/// - `x`: their own are forbidden, others do not exist.
const MATRIX: [(&str, &str, &str); 38] = [
    ("GET", "/v1/jobs", "AAAAoo-"),
    ("GET", "/v1/jobs/{job}", "AAAAoo-"),
    ("PUT", "/v1/jobs/{job}", "A---xx-"),
    ("DELETE", "/v1/jobs/{job}", "A---xx-"),
    ("GET", "/v1/jobs/{job}/file", "A---xx-"),
    ("GET", "/v1/jobs/{job}/next", "AAAAoo-"),
    ("GET", "/v1/jobs/{job}/explanation", "AAAAoo-"),
    ("GET", "/v1/jobs/{job}/statistics", "AAAAoo-"),
    ("POST", "/v1/jobs/{job}/pause", "AA-mox-"),
    ("POST", "/v1/jobs/{job}/resume", "AA-mox-"),
    ("POST", "/v1/jobs/{job}/notify/test", "AA-mox-"),
    ("POST", "/v1/jobs/{job}/cancel", "AA-mox-"),
    ("GET", "/v1/jobs/{job}/runs", "AAAAoo-"),
    ("POST", "/v1/jobs/{job}/runs", "AA-mox-"),
    ("GET", "/v1/jobs/{job}/output", "AAAAoo-"),
    ("GET", "/v1/jobs/{job}/runs/{number}", "AAAAoo-"),
    ("POST", "/v1/jobs/{job}/runs/{number}/cancel", "AA-mox-"),
    ("GET", "/v1/jobs/{job}/runs/{number}/output", "AAAAoo-"),
    ("POST", "/v1/exec", "AA-oo--"),
    ("POST", "/v1/pause", "AA-oo--"),
    ("POST", "/v1/resume", "AA-oo--"),
    ("GET", "/v1/runs", "AAAAoo-"),
    ("GET", "/v1/statistics", "AAAAoo-"),
    ("GET", "/v1/events", "AAAAoo-"),
    ("GET", "/v1/health", "AAAAoo-"),
    ("GET", "/v1/health/live", "AAAAAAA"),
    ("GET", "/v1/health/ready", "AAAAoo-"),
    ("GET", "/v1/health/jobs", "AAAAoo-"),
    ("GET", "/v1/config", "AAAA---"),
    ("GET", "/v1/version", "AAAAAAA"),
    ("POST", "/v1/reload", "A------"),
    ("POST", "/v1/shutdown", "A------"),
    ("POST", "/v1/state/backup", "A------"),
    ("POST", "/v1/state/export", "A------"),
    ("POST", "/v1/state/compact", "A------"),
    ("POST", "/v1/state/acknowledge", "AA-----"),
    ("GET", "/metrics", "AAAA---"),
    ("GET", "/openapi.json", "AAAAAAA"),
];

fn caller(uid: u32, gid: u32, groups: &[u32]) -> Caller {
    Caller { uid, gid, groups: groups.to_vec(), name: (uid == 1000).then(|| "alice".to_owned()) }
}

fn access(rules: AccessRules) -> Access {
    Access { daemon_uid: DAEMON, rules: Arc::new(rules), file: Some("/etc/jobsd/jobsd.toml".into()) }
}

fn members(users: &[u32], groups: &[(u32, &str)]) -> Members {
    Members {
        users: users.iter().map(|&uid| (uid, uid.to_string())).collect(),
        groups: groups.iter().map(|&(gid, name)| (gid, name.to_owned())).collect(),
    }
}

/// Alice with the role or right of a column.
fn situation(who: &str) -> Access {
    let alice = || members(&[1000], &[]);
    let none = AccessRules::default;
    access(match who {
        "admin" => AccessRules { admin: alice(), ..none() },
        "operator" => AccessRules { operator: alice(), ..none() },
        "viewer" => AccessRules { viewer: alice(), ..none() },
        "viewer+own" => AccessRules { viewer: alice(), own_jobs: OwnJobs::Operate, ..none() },
        "own=operate" => AccessRules { own_jobs: OwnJobs::Operate, ..none() },
        "own=view" => AccessRules { own_jobs: OwnJobs::View, ..none() },
        "stranger" => none(),
        other => panic!("nobody is {other}"),
    })
}

fn world() -> Snapshot {
    jobs(&[
        ("mine", "command = 'true'\nuser = 'alice'"),
        ("mine-too", "command = 'true'\nuser = 1000"),
        ("root", "command = 'true'\nuser = 'root'"),
        ("theirs", "command = 'true'"),
    ])
}

fn answer(access: &Access, need: Need, job: &str, world: &Snapshot) -> Result<(), ErrorCode> {
    access.check(&caller(1000, 1000, &[]), need, job, world).map_err(|refused| refused.code)
}

/// The letter of what a route answers.
fn letter(access: &Access, need: Need, world: &Snapshot) -> char {
    const FORBIDDEN: Result<(), ErrorCode> = Err(ErrorCode::Forbidden);
    const UNKNOWN: Result<(), ErrorCode> = Err(ErrorCode::NoSuchJob);
    match need {
        Need::Nothing | Need::Job(_) | Need::Daemon(_) => {
            match (answer(access, need, "mine", world), answer(access, need, "theirs", world)) {
                (Ok(()), Ok(())) => 'A',
                (Ok(()), UNKNOWN) => 'o',
                (Ok(()), FORBIDDEN) => 'm',
                (FORBIDDEN, FORBIDDEN) => '-',
                (FORBIDDEN, UNKNOWN) => 'x',
                other => panic!("{need:?}: {other:?}"),
            }
        }
        Need::Jobs(action) => match (answer(access, need, "", world), access.reach(&caller(1000, 1000, &[]), action)) {
            (Ok(()), Reach::All) => 'A',
            (Ok(()), Reach::Own) => 'o',
            (FORBIDDEN, Reach::None) => '-',
            other => panic!("{need:?}: {other:?}"),
        },
    }
}

#[test]
fn every_route_for_every_kind_of_caller() {
    let world = world();
    let mut missing: BTreeSet<(String, &str)> =
        needs().into_iter().map(|(method, path, _)| (method.to_string(), path)).collect();
    for (method, path, row) in MATRIX {
        let (_, _, need) = needs()
            .into_iter()
            .find(|(its, at, _)| its == method && *at == path)
            .unwrap_or_else(|| panic!("there is no {method} {path}"));
        let told: String = CALLERS.iter().map(|who| letter(&situation(who), need, &world)).collect();
        assert_eq!(told, row, "{method} {path} for {CALLERS:?}");
        missing.remove(&(method.to_owned(), path));
    }
    assert!(missing.is_empty(), "not in the matrix: {missing:?}");
}

#[test]
fn a_need_is_about_what_the_path_names() {
    for (method, path, need) in needs() {
        let names_job = path.contains("{job}");
        assert_eq!(matches!(need, Need::Job(_)), names_job, "{method} {path}");
        let (may_read, may_change) = match need {
            Need::Nothing => (true, false),
            Need::Job(action) | Need::Jobs(action) | Need::Daemon(action) => match action {
                Action::Read => (true, false),
                Action::Operate => (false, true),
                Action::Administer => (true, true),
            },
        };
        assert!(if method == "GET" { may_read } else { may_change }, "{method} {path}");
    }
}

#[test]
fn who_comes_from_a_run_is_let_in_as_the_run_says() {
    let attempt = || Origin::Attempt(AttemptId { run: "report/7".parse().unwrap(), attempt: 1 });
    let told = |origin: &Origin, says| admit(origin, |_| says).map_err(|refused| (refused.code, refused.message));
    assert_eq!(told(&Origin::Outside, Some(false)), Ok(()));
    assert_eq!(told(&attempt(), Some(true)), Ok(()));
    let isolated = "a process of the job report may not use jobsd: isolation.control_socket = false";
    let left = "a process that report/7 left may not use jobsd: the run's record is gone";
    for (says, message) in [(Some(false), isolated), (None, left)] {
        assert_eq!(told(&attempt(), says), Err((ErrorCode::IsolatedRun, message.to_owned())));
    }
    let (code, message) = told(&Origin::Unclear(Unclear::Ended), Some(true)).unwrap_err();
    assert_eq!(code, ErrorCode::IsolatedRun);
    assert!(message.ends_with("jobsd: the process that connected has ended"), "{message}");
    let (code, _) = told(&Origin::Unclear(Unclear::Unreadable), Some(true)).unwrap_err();
    assert_eq!(code, ErrorCode::Busy, "a shortage lets nobody in, and is no lack of a right");
}

#[test]
fn roles_by_user_and_group() {
    let rules = AccessRules {
        admin: members(&[1001], &[(801, "wheel")]),
        operator: members(&[1002], &[(802, "operators")]),
        viewer: members(&[1003], &[(803, "staff")]),
        own_jobs: OwnJobs::None,
    };
    let (bare, full) = (access(AccessRules::default()), access(rules));
    use super::access::Role::{Admin, Operator, Stranger, Viewer};
    for (who, caller, expected) in [
        ("root", caller(0, 0, &[]), (Admin, Admin)),
        ("the daemon's user", caller(DAEMON, 5, &[]), (Admin, Admin)),
        ("an admin", caller(1001, 5, &[]), (Stranger, Admin)),
        ("an admin by group", caller(7, 5, &[4, 801]), (Stranger, Admin)),
        ("an operator", caller(1002, 5, &[]), (Stranger, Operator)),
        ("an operator by primary group", caller(7, 802, &[]), (Stranger, Operator)),
        ("a viewer", caller(1003, 5, &[]), (Stranger, Viewer)),
        ("the highest role counts", caller(1003, 5, &[803, 801]), (Stranger, Admin)),
        ("anybody", caller(7, 5, &[4, 27]), (Stranger, Stranger)),
        ("a uid like the group", caller(801, 5, &[]), (Stranger, Stranger)),
        ("a gid like the user", caller(7, 1001, &[1002]), (Stranger, Stranger)),
        ("group 0 is not root", caller(7, 0, &[0]), (Stranger, Stranger)),
    ] {
        assert_eq!((bare.role(&caller), full.role(&caller)), expected, "{who}");
    }
}

#[test]
fn own_jobs_are_those_that_run_as_the_caller() {
    let world = world();
    let own = |caller: &Caller| -> Vec<String> {
        world.jobs.values().filter(|job| owns(caller, job)).map(|job| job.name.to_string()).collect()
    };
    assert_eq!(own(&caller(1000, 0, &[])), ["mine", "mine-too"]);
    assert_eq!(own(&caller(1001, 1000, &[0])), Vec::<String>::new(), "a group owns nothing");
    assert_eq!(own(&Caller { name: None, ..caller(1000, 0, &[]) }), ["mine-too"], "without a name, the number");
    let seen = seen(&caller(1000, 0, &[]), &world);
    assert_eq!(seen.jobs.keys().map(JobName::as_str).collect::<Vec<_>>(), ["mine", "mine-too"]);
}

fn refusal(who: &str, need: Need, job: &str) -> ApiError {
    situation(who).check(&caller(1000, 1000, &[]), need, job, &world()).unwrap_err()
}

#[test]
fn a_job_that_may_not_be_seen_is_one_that_does_not_exist() {
    let need = Need::Job(Action::Read);
    for (hidden, absent) in [("theirs", "neverx"), ("root", "toor")] {
        let told = refusal("own=view", need, hidden);
        let unknown = refusal("own=view", need, absent);
        assert_eq!(told.code, unknown.code);
        assert_eq!(told.message.replace(hidden, absent), unknown.message);
        assert_eq!(told.hint, unknown.hint);
    }
    let near = refusal("own=view", need, "mind");
    assert_eq!(near.hint.as_deref(), Some("did you mean mine?"));
    let near = refusal("own=view", need, "their");
    assert_ne!(near.hint.as_deref(), Some("did you mean theirs?"), "nor is its name suggested");
    assert_eq!(refusal("stranger", need, "theirs").message, refusal("stranger", need, "neverx").message);
}

#[test]
fn a_refusal_tells_what_to_do() {
    let lone = refusal("stranger", Need::Jobs(Action::Read), "");
    assert_eq!(lone.message, "uid 1000 may not look at this daemon's jobs");
    assert_eq!(
        lone.hint.unwrap(),
        "do it as root or as uid 990, the daemon's user, or let [access] in /etc/jobsd/jobsd.toml name you: viewer = { users = [...] }"
    );
    let own = refusal("own=operate", Need::Daemon(Action::Read), "");
    assert_eq!(own.message, "uid 1000 may not look at more of this daemon than the jobs that run as them");
    let grouped = access(AccessRules { operator: members(&[], &[(802, "operators")]), ..AccessRules::default() });
    let told = grouped.check(&caller(1000, 1000, &[]), Need::Jobs(Action::Operate), "", &world()).unwrap_err();
    assert!(told.hint.unwrap().ends_with("or become a member of the group operators and log in again"));
    let told = grouped.check(&caller(1000, 1000, &[]), Need::Daemon(Action::Administer), "", &world()).unwrap_err();
    assert!(told.hint.unwrap().ends_with("admin = { users = [...] }"));
}
