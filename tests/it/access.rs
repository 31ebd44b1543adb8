//! Who may do what, by real users over the real socket. Needs root: only root can be several users.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::harness::World;

/// A user that every Debian has and that jobs can run as.
const GAMES: u32 = 5;

/// The configured operators' group, which need not exist.
const OPERATORS: u32 = 4242;

const RULES: &str =
    "[access]\nadmin = { users = [3000] }\noperator = { groups = [4242] }\nviewer = { users = [3002] }\n";

/// Who asks.
#[derive(Clone, Copy, Debug)]
struct Caller {
    uid: u32,
    groups: &'static [u32],
}

const ROOT: Caller = Caller { uid: 0, groups: &[] };
const ADMIN: Caller = Caller { uid: 3000, groups: &[] };
const OPERATOR: Caller = Caller { uid: 3001, groups: &[27, OPERATORS] };
const VIEWER: Caller = Caller { uid: 3002, groups: &[] };
const OWNER: Caller = Caller { uid: GAMES, groups: &[] };
const STRANGER: Caller = Caller { uid: 3003, groups: &[27] };

impl Caller {
    /// A connection of this user. Credentials belong to a thread ([nptl(7)]), and the kernel notes those of the one that
    /// connects; so this thread ends when it has connected.
    ///
    /// [nptl(7)]: https://man7.org/linux/man-pages/man7/nptl.7.html
    fn connect(self, world: &World) -> std::io::Result<UnixStream> {
        let socket = world.path("sock");
        let connect = move || {
            let (uid, groups) = (libc::c_long::from(self.uid), self.groups);
            // SAFETY: the system calls, not the C library's functions, which would change every thread: the three take
            // numbers and a slice that outlives the call.
            let done = unsafe {
                libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) == 0
                    && libc::syscall(libc::SYS_setresgid, uid, uid, uid) == 0
                    && libc::syscall(libc::SYS_setresuid, uid, uid, uid) == 0
            };
            assert!(done, "{}", std::io::Error::last_os_error());
            UnixStream::connect(socket)
        };
        let stream = std::thread::spawn(connect).join().expect("a thread")?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(stream)
    }

    /// Asks, and gives the status and all that is answered.
    fn asks(self, world: &World, method: &str, path: &str, body: &str) -> (u16, String) {
        let mut stream = self.connect(world).unwrap_or_else(|fault| panic!("{self:?}: {fault}"));
        // In one piece: the daemon answers who may not ask without reading on.
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("written");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
        (status.unwrap_or_else(|| panic!("{method} {path}: {answer:?}")), answer)
    }
}

/// A daemon with a job of root's and one that runs as games, each of which has run; `None` without the right to be others.
fn world(rules: &str) -> Option<World> {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: only root can be several users");
        return None;
    }
    let mut world = World::new();
    fs::set_permissions(world.path("."), fs::Permissions::from_mode(0o755)).expect("its mode");
    world.configure(rules);
    world.job("theirs", "command = 'echo hidden'\ntags = ['all']");
    world.job("mine", "command = 'echo shown'\nuser = 'games'\ntags = ['all']");
    world.start();
    for job in ["theirs", "mine"] {
        let run = world.run(job);
        world.finished(&run);
    }
    Some(world)
}

/// Method and path of every operation, as the daemon tells them.
fn operations(world: &World) -> Vec<(String, String)> {
    let (_, answer) = ROOT.asks(world, "GET", "/openapi.json", "");
    let document: Value = serde_json::from_str(answer.split_once("\r\n\r\n").expect("a body").1).expect("JSON");
    let paths = document["paths"].as_object().expect("paths").iter();
    let methods = |operations: &Value| operations.as_object().expect("operations").keys().cloned().collect::<Vec<_>>();
    paths
        .flat_map(|(path, all)| methods(all).into_iter().map(move |method| (method.to_uppercase(), path.clone())))
        .collect()
}

/// What may be asked without any right.
const OPEN: [&str; 3] = ["/v1/health/live", "/v1/version", "/openapi.json"];

/// What is for admins alone.
const ADMIN_ONLY: [&str; 5] =
    ["/v1/reload", "/v1/shutdown", "/v1/state/backup", "/v1/state/export", "/v1/state/compact"];

/// What is done to the file of a job.
fn is_for_definers(method: &str, path: &str) -> bool {
    ["PUT", "DELETE"].contains(&method) || path.ends_with("/file")
}

/// What concerns the daemon and not a job, and is for operators or viewers.
const WHOLE: [&str; 3] = ["/v1/config", "/v1/state/acknowledge", "/metrics"];

/// Whether a caller gets past the door: the daemon neither forbids it nor says that there is no such job.
fn passes(world: &World, caller: Caller, method: &str, path: &str, job: &str) -> Result<(), u16> {
    let place = path.replace("{job}", job).replace("{number}", "1");
    // A body that none of them understands: what is asked is not done, and who may not ask learns no more.
    let (status, answer) = caller.asks(world, method, &place, "{\"nonsense\": 1}");
    if status == 403 || (status == 404 && answer.contains("no_such_job")) { Err(status) } else { Ok(()) }
}

#[test]
fn every_route_for_real_users() {
    let Some(world) = world(&format!("{RULES}own_jobs = 'operate'\n")) else { return };
    let mode = fs::metadata(world.path("sock")).expect("the socket").mode() & 0o777;
    assert_eq!(mode, 0o666, "users are named, so that everybody may connect and is asked");
    let operations = operations(&world);
    assert!(operations.len() > 30, "{operations:?}");
    for (method, path) in &operations {
        // It has no end, and no body to be refused for.
        if ["/v1/events", "/v1/shutdown"].contains(&path.as_str()) {
            continue;
        }
        let is_read = method == "GET";
        let for_admins = ADMIN_ONLY.contains(&path.as_str()) || is_for_definers(method, path);
        let names_job = path.contains("{job}");
        let ask = |caller, job| passes(&world, caller, method, path, job);
        let allowed = |yes: bool| if yes { Ok(()) } else { Err(403) };
        assert_eq!(ask(ADMIN, "theirs"), Ok(()), "admin: {method} {path}");
        assert_eq!(ask(OPERATOR, "theirs"), allowed(!for_admins), "operator: {method} {path}");
        // Exec and pauses of many jobs have something of their own to act on.
        let on_own = ["/v1/exec", "/v1/pause", "/v1/resume"].contains(&path.as_str());
        assert_eq!(ask(VIEWER, "theirs"), allowed((is_read && !for_admins) || on_own), "viewer: {method} {path}");
        let is_open = OPEN.contains(&path.as_str());
        let whole = WHOLE.contains(&path.as_str()) || for_admins;
        assert_eq!(ask(OWNER, "mine"), allowed(!whole), "owner, own job: {method} {path}");
        let of_others = if names_job { Err(404) } else { allowed(!whole) };
        assert_eq!(ask(OWNER, "theirs"), of_others, "owner, another's job: {method} {path}");
        assert_eq!(ask(STRANGER, "theirs"), of_others, "a stranger owns nothing: {method} {path}");
        if is_read && !is_open && !names_job {
            let (_, told) = OWNER.asks(&world, method, path, "");
            assert!(!told.contains("theirs") && !told.contains("hidden"), "{method} {path} tells of others: {told}");
        }
    }
}

#[test]
fn without_a_right_nothing_is_told() {
    let Some(world) = world(RULES) else { return };
    for (method, path) in operations(&world) {
        let is_open = OPEN.contains(&path.as_str());
        let told = passes(&world, STRANGER, &method, &path, "theirs");
        assert_eq!(told, if is_open { Ok(()) } else { Err(403) }, "{method} {path}");
        assert_eq!(passes(&world, STRANGER, &method, &path, "nothing"), told, "nor whether it exists: {method} {path}");
    }
}

#[test]
fn own_jobs_are_listed_driven_and_read() {
    let Some(world) = world("[access]\nown_jobs = 'operate'\n") else { return };
    let names = |path: &str, list: &str, key: &str| -> BTreeSet<String> {
        let (status, answer) = OWNER.asks(&world, "GET", path, "");
        assert_eq!(status, 200, "{answer}");
        let body: Value = serde_json::from_str(answer.split_once("\r\n\r\n").expect("a body").1).expect("JSON");
        let entries = body[list].as_array().expect("a list").iter();
        entries.map(|entry| entry[key].as_str().expect("a name").to_owned()).collect()
    };
    let mine: BTreeSet<String> = ["mine".to_owned()].into();
    assert_eq!(names("/v1/jobs", "jobs", "name"), mine);
    assert_eq!(names("/v1/runs?limit=1", "recent", "job"), mine);
    assert_eq!(names("/v1/statistics", "jobs", "job"), mine);
    let (_, output) = OWNER.asks(&world, "GET", "/v1/jobs/mine/output", "");
    assert!(output.contains("shown"), "{output}");

    let (status, answer) = OWNER.asks(&world, "POST", "/v1/pause", "{\"tag\": \"all\"}");
    assert_eq!(status, 200, "{answer}");
    assert!(answer.contains("mine") && !answer.contains("theirs"), "{answer}");
    assert_eq!(world.json(&["show", "theirs"])["state"], "idle", "another's job goes on");
    assert_eq!(world.json(&["show", "mine"])["state"], "paused");
    assert_eq!(OWNER.asks(&world, "POST", "/v1/resume", "{\"all\": true}").0, 200);

    let (status, answer) = OWNER.asks(&world, "POST", "/v1/exec", "{\"argv\": [\"id\", \"-un\"], \"name\": \"probe\"}");
    assert_eq!(status, 201, "{answer}");
    world.finished("probe/1");
    let (_, output) = OWNER.asks(&world, "GET", "/v1/jobs/probe/output", "");
    assert!(output.contains("games"), "one that is done is still theirs: {output}");
    // Whoever takes the name over would take the history over.
    assert_eq!(STRANGER.asks(&world, "GET", "/v1/jobs/probe/output", "").0, 404);
    let again = OPERATOR.asks(&world, "POST", "/v1/exec", "{\"argv\": [\"true\"], \"name\": \"probe\"}");
    assert!([403, 409].contains(&again.0), "{again:?}");
    assert_eq!(world.jobctl(&["exec", "--name", "probe", "true"]).status.code(), Some(5), "not even root");
    assert_eq!(OWNER.asks(&world, "POST", "/v1/exec", "{\"argv\": [\"true\"], \"name\": \"probe\"}").0, 201);
}

/// `jobctl` as games, with the program where this user can reach it.
fn as_owner(world: &World, arguments: &[&str]) -> (Option<i32>, String, String) {
    let program = world.path("jobctl");
    if !program.exists() {
        crate::harness::show(env!("CARGO_BIN_EXE_jobctl"), &program);
    }
    let mut command = Command::new(program);
    command.args(arguments).current_dir("/").env_clear().env("JOBCTL_SOCKET", world.path("sock"));
    let done = command.stdin(Stdio::null()).uid(GAMES).gid(GAMES).output().expect("jobctl runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (done.status.code(), text(&done.stdout), text(&done.stderr))
}

#[test]
fn who_owns_a_job_works_with_it_from_the_command_line() {
    let Some(world) = world("[access]\nown_jobs = 'operate'\n") else { return };
    for arguments in [
        &["list"][..],
        &["show", "mine"],
        &["show", "mine/1"],
        &["run", "--wait", "mine"],
        &["run", "--follow", "mine"],
        &["logs", "mine"],
        &["history"],
        &["history", "mine"],
        &["next"],
        &["next", "mine"],
        &["why", "mine"],
        &["wait", "mine/1"],
        &["statistics"],
        &["pause", "mine"],
        &["resume", "--all"],
        &["exec", "--follow", "true"],
        &["health"],
        &["version"],
    ] {
        let (code, out, err) = as_owner(&world, arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {err}");
        assert!(!format!("{out}{err}").contains("theirs"), "{arguments:?}: {out}{err}");
    }
    for (arguments, code) in [
        (&["show", "theirs"][..], 4),
        (&["logs", "theirs"], 4),
        (&["run", "theirs"], 4),
        (&["cancel", "theirs/1"], 4),
        (&["edit", "mine"], 5),
        (&["delete", "--yes", "mine"], 5),
        (&["reload"], 5),
        (&["diff"], 5),
        (&["state", "acknowledge"], 5),
        (&["shutdown"], 5),
    ] {
        let told = as_owner(&world, arguments);
        assert_eq!(told.0, Some(code), "{arguments:?}: {told:?}");
        assert!(told.2.contains("hint: "), "{arguments:?}: {told:?}");
    }
}

/// Reads what comes, until it holds `wanted`.
fn read_until(stream: &mut UnixStream, seen: &mut String, wanted: &str) {
    let mut buffer = [0; 4096];
    while !seen.contains(wanted) {
        let count = stream.read(&mut buffer).expect("more to come");
        assert!(count > 0, "it ended before {wanted:?}: {seen}");
        seen.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
}

#[test]
fn a_stream_tells_of_own_jobs_alone_and_ends_with_the_right_to_it() {
    let Some(world) = world("[access]\nown_jobs = 'view'\n") else { return };
    world.job("long", "command = 'while true; do echo tick; sleep 0.1; done'\nuser = 'games'");
    world.ok(&["reload"]);
    let open = |path: &str| {
        let mut stream = OWNER.connect(&world).expect("a connection");
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").expect("written");
        let mut seen = String::new();
        read_until(&mut stream, &mut seen, "200 OK");
        (stream, seen)
    };
    let (mut events, mut heard) = open("/v1/events");
    for job in ["theirs", "mine"] {
        let run = world.run(job);
        world.finished(&run);
    }
    read_until(&mut events, &mut heard, "\"succeeded\"");
    assert!(heard.contains("mine/2") && !heard.contains("theirs"), "{heard}");

    let run = world.run("long");
    let (mut output, mut printed) = open("/v1/jobs/long/output?follow=true");
    read_until(&mut output, &mut printed, "tick");
    world.configure("[access]\nown_jobs = 'none'\n");
    world.ok(&["reload"]);
    let (mut rest, mut quiet) = (Vec::new(), String::new());
    output.read_to_end(&mut rest).expect("the stream ends");
    events.read_to_string(&mut quiet).expect("the events end, though nothing happens");
    world.wait_for("the socket to be closed to them", || {
        let mode = fs::metadata(world.path("sock")).expect("the socket").mode() & 0o777;
        (mode == 0o600).then_some(())
    });
    assert!(OWNER.connect(&world).is_err(), "nobody but root may connect now");
    world.ok(&["cancel", &run]);
}
