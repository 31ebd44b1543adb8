//! Jobs that are created, changed and deleted over the API.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::Value;

use crate::harness::World;

/// What came of a request.
struct Answer {
    status: u16,
    etag: String,
    body: Value,
}

/// Asks as curl would.
fn ask(world: &World, request: &str, headers: &str, body: &str) -> Answer {
    let mut stream = UnixStream::connect(world.path("sock")).expect("the daemon accepts");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    let length = body.len();
    let request = format!(
        "{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let etag = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap_or_default();
    Answer {
        status: head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status"),
        etag: etag.to_owned(),
        body: serde_json::from_str(body).unwrap_or_else(|_| body.into()),
    }
}

impl Answer {
    fn code(&self) -> (u16, &str) {
        (self.status, self.body["error"]["code"].as_str().unwrap_or_default())
    }
}

const NEW: &str = "If-None-Match: *\r\n";
const ANY: &str = "If-Match: *\r\n";
const FIRST: &str = "command = 'echo first'\nschedule = '0 3 * * *'\n";
const SECOND: &str = "command = 'echo second'\n";

fn started() -> World {
    let mut world = World::new();
    world.start();
    world
}

#[test]
fn a_job_is_created_changed_and_deleted_and_its_history_stays() {
    let world = started();
    let file = world.path("jobs.d/fresh.toml");
    let created = ask(&world, "PUT /v1/jobs/fresh", NEW, FIRST);
    assert_eq!((created.status, &created.body["created"]), (201, &true.into()), "{}", created.body);
    assert_eq!(created.body["reloaded"]["added"], serde_json::json!(["fresh"]));
    assert!(created.body["next"].is_string(), "{}", created.body);
    assert_eq!(fs::read_to_string(&file).expect("the file"), FIRST);
    assert_eq!(fs::metadata(&file).expect("the file").permissions().mode() & 0o777, 0o600);
    let run = world.run("fresh");
    world.finished(&run);
    assert_eq!(world.ok(&["logs", "fresh"]), "first\n", "it is in force when it is answered");

    let seen = ask(&world, "GET /v1/jobs/fresh/file", "", "");
    assert_eq!((seen.status, seen.body.as_str(), seen.etag == created.etag), (200, Some(FIRST), true));
    assert_eq!(created.body["etag"], created.etag);
    let other = ask(&world, "PUT /v1/jobs/fresh", NEW, SECOND);
    assert_eq!(other.code(), (412, "changed"));
    let matching = format!("If-Match: \"0000\", {}\r\n", seen.etag);
    let changed = ask(&world, "PUT /v1/jobs/fresh", &matching, SECOND);
    assert_eq!((changed.status, &changed.body["reloaded"]["changed"][0]), (200, &"fresh".into()), "{}", changed.body);
    assert_eq!((&changed.body["next"], &changed.body["created"]), (&Value::Null, &false.into()));
    assert_ne!(changed.etag, seen.etag);
    let late = ask(&world, "PUT /v1/jobs/fresh", &matching, FIRST);
    assert_eq!(late.code(), (412, "changed"), "who has not seen the change does not undo it");
    assert_eq!(ask(&world, "DELETE /v1/jobs/fresh", &matching, "").code(), (412, "changed"));
    assert_eq!(fs::read_to_string(&file).expect("the file"), SECOND);

    let deleted = ask(&world, "DELETE /v1/jobs/fresh", &format!("If-Match: {}\r\n", changed.etag), "");
    assert_eq!((deleted.status, &deleted.body["reloaded"]["removed"][0]), (200, &"fresh".into()), "{}", deleted.body);
    assert!(!file.exists());
    assert_eq!(world.json(&["show", "fresh"])["state"], "removed");
    assert_eq!(world.history("fresh").len(), 1);
    assert_eq!(ask(&world, "DELETE /v1/jobs/fresh", ANY, "").code(), (404, "no_job_file"));
    assert_eq!(ask(&world, "PUT /v1/jobs/fresh", ANY, SECOND).code(), (412, "changed"), "there is none to replace");
    assert_eq!(ask(&world, "GET /v1/jobs/never/file", "", "").code(), (404, "no_such_job"));
    assert_eq!(ask(&world, "PUT /v1/jobs/fresh", NEW, SECOND).status, 201, "and it may come back");
    assert_eq!(world.run("fresh"), "fresh/2", "its numbers go on");
    let left: Vec<_> = fs::read_dir(world.path("jobs.d")).expect("the directory").collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn a_faulty_file_is_refused_with_what_check_says_of_it() {
    let world = started();
    let faulty = "comand = 'x'\nschedule = '61 * * * *'\n";
    let refused = ask(&world, "PUT /v1/jobs/bad", NEW, faulty);
    assert_eq!(refused.code(), (422, "faulty_file"));
    assert!(!world.path("jobs.d/bad.toml").exists());
    fs::create_dir(world.path("elsewhere")).expect("a directory");
    fs::write(world.path("elsewhere/bad.toml"), faulty).expect("a file");
    let path = world.path("elsewhere/bad.toml");
    let checked = world.json_any(&["check", path.to_str().expect("a path")]);
    let files = checked.as_array().expect("files");
    let told = files.iter().find(|file| file["ok"] == false).expect("the file");
    assert_eq!(refused.body["error"]["file"]["faults"], told["faults"]);
    assert_eq!(told["faults"][0]["line"], 1);
    assert!(refused.body["error"]["file"]["report"].as_str().expect("a report").contains("comand"));

    // A good job is not taken down by it.
    assert_eq!(ask(&world, "PUT /v1/jobs/good", NEW, FIRST).status, 201);
    assert_eq!(ask(&world, "PUT /v1/jobs/good", ANY, faulty).code(), (422, "faulty_file"));
    assert_eq!(world.json(&["show", "good"])["fault"], Value::Null);
    assert_eq!(fs::read_to_string(world.path("jobs.d/good.toml")).expect("the file"), FIRST);
}

#[test]
fn what_is_not_said_or_not_possible_changes_nothing() {
    let world = started();
    for (request, headers, body, expected) in [
        ("PUT /v1/jobs/a", "", FIRST, (428, "no_condition")),
        ("DELETE /v1/jobs/a", "", "", (428, "no_condition")),
        ("PUT /v1/jobs/a", "If-Match: bare\r\n", FIRST, (400, "bad_request")),
        ("PUT /v1/jobs/a", "If-None-Match: \"x\"\r\n", FIRST, (400, "bad_request")),
        ("PUT /v1/jobs/a", "If-Match: *\r\nIf-None-Match: *\r\n", FIRST, (400, "bad_request")),
        ("PUT /v1/jobs/Not%20A%20Name", NEW, FIRST, (400, "bad_request")),
        ("PUT /v1/jobs/..%2F..%2Fetc%2Fpasswd", NEW, FIRST, (400, "bad_request")),
        ("PUT /v1/jobs/jobsd.notices", NEW, FIRST, (422, "faulty_file")),
    ] {
        assert_eq!(ask(&world, request, headers, body).code(), expected, "{request} {headers}");
    }
    let long = format!("command = 'true'\n#{}", "x".repeat(1024 * 1024));
    assert_eq!(ask(&world, "PUT /v1/jobs/a", NEW, &long).code(), (413, "body_too_large"));
    let left: Vec<_> = fs::read_dir(world.path("jobs.d")).expect("the directory").collect();
    assert!(left.is_empty(), "{left:?}");
    let outside = world.path("precious");
    fs::write(&outside, SECOND).expect("a file");
    std::os::unix::fs::symlink(&outside, world.path("jobs.d/link.toml")).expect("a symlink");
    assert_eq!(ask(&world, "PUT /v1/jobs/link", ANY, FIRST).code(), (409, "not_plain_file"));
    assert_eq!(fs::read_to_string(&outside).expect("the file"), SECOND);
}

#[test]
fn of_many_who_change_one_file_each_sees_what_it_replaces() {
    const CLIENTS: usize = 8;
    let world = started();
    assert_eq!(ask(&world, "PUT /v1/jobs/counter", NEW, "command = 'true'\ntags = []\n").status, 201);
    // Each adds a line, and tries again when somebody was quicker.
    let add = |number: usize| {
        loop {
            let seen = ask(&world, "GET /v1/jobs/counter/file", "", "");
            let text = format!("{}# {number}\n", seen.body.as_str().expect("a text"));
            let answer = ask(&world, "PUT /v1/jobs/counter", &format!("If-Match: {}\r\n", seen.etag), &text);
            match answer.status {
                200 => return,
                412 => {}
                other => panic!("{other}: {}", answer.body),
            }
        }
    };
    std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            scope.spawn(move || add(number));
        }
    });
    let text = fs::read_to_string(world.path("jobs.d/counter.toml")).expect("the file");
    assert_eq!(text.lines().filter(|line| line.starts_with("# ")).count(), CLIENTS, "no change is lost: {text}");
}

#[test]
fn a_run_of_a_deleted_job_goes_on() {
    let world = started();
    let text = format!("command = 'while test ! -e {0}; do sleep 0.05; done; echo end'\n", world.path("go").display());
    assert_eq!(ask(&world, "PUT /v1/jobs/long", NEW, &text).status, 201);
    let run = world.run("long");
    world.wait_for("it to run", || (world.json(&["show", &run])["state"] == "running").then_some(()));
    let deleted = ask(&world, "DELETE /v1/jobs/long", ANY, "");
    assert_eq!((deleted.status, &deleted.body["live"]), (200, &serde_json::json!([run])));
    fs::write(world.path("go"), "").expect("a file");
    assert_eq!(world.finished(&run)["outcome"], "succeeded");
    assert_eq!(world.ok(&["logs", &run]), "end\n");
}
