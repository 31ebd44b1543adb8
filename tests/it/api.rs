//! The API as programs see it: its description, its measurements, its requests in the log.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;

use serde_json::{Value, json};

use crate::harness::World;

/// An answer, read to its end.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|fault| panic!("{fault}: {}", self.body))
    }
}

/// Asks in HTTP/1.0, in which an answer ends with its connection and comes in one piece.
fn ask(world: &World, method: &str, path: &str, body: &str) -> BufReader<UnixStream> {
    let mut stream = UnixStream::connect(world.path("sock")).expect("the daemon listens");
    write!(stream, "{method} {path} HTTP/1.0\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        .expect("it takes requests");
    BufReader::new(stream)
}

fn request(world: &World, method: &str, path: &str, body: &str) -> Answer {
    let mut text = String::new();
    ask(world, method, path, body).read_to_string(&mut text).expect("an answer");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

/// The description, and the operations that were tried.
struct Description {
    document: Value,
    components: Value,
    tried: BTreeSet<(String, String)>,
}

impl Description {
    fn of(document: Value) -> Self {
        let mut components = document["components"].clone();
        let parts = parts_of_others(&components);
        for (name, schema) in components["schemas"].as_object_mut().expect("schemas") {
            let is_object = schema.get("properties").is_some() || schema.get("allOf").is_some();
            if is_object && !parts.contains(name) {
                // What is answered and not described is a fault too.
                schema["unevaluatedProperties"] = json!(false);
            }
        }
        Self { document, components, tried: BTreeSet::new() }
    }

    fn operations(&self) -> BTreeSet<(String, String)> {
        let paths = self.document["paths"].as_object().expect("paths");
        let methods = |(path, methods): (&String, &Value)| {
            let methods = methods.as_object().expect("methods");
            methods.keys().map(|method| (method.clone(), path.clone())).collect::<Vec<_>>()
        };
        paths.iter().flat_map(methods).collect()
    }

    /// The schema of an answer.
    fn schema(&mut self, method: &str, path: &str, status: u16, media_type: &str) -> Value {
        let operation = &self.document["paths"][path][method];
        assert!(operation.is_object(), "{method} {path} is not described");
        self.tried.insert((method.to_owned(), path.to_owned()));
        let responses = &operation["responses"];
        let response = responses.get(status.to_string()).unwrap_or(&responses["default"]);
        let schema = &response["content"][media_type]["schema"];
        assert!(schema.is_object(), "{method} {path} does not say that it answers {status} in {media_type}");
        let mut schema = schema.clone();
        schema["components"] = self.components.clone();
        schema
    }

    fn check(&mut self, method: &str, path: &str, status: u16, media_type: &str, answer: &Value) {
        let schema = self.schema(method, path, status, media_type);
        let validator = jsonschema::draft202012::new(&schema).expect("a schema");
        let faults: Vec<String> =
            validator.iter_errors(answer).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
        assert!(faults.is_empty(), "{method} {path} {status}: {faults:#?}\n{answer:#}");
    }
}

/// Schemas whose fields are also those of another one.
fn parts_of_others(components: &Value) -> BTreeSet<String> {
    let schemas = components["schemas"].as_object().expect("schemas").values();
    let parts = schemas.filter_map(|schema| schema["allOf"].as_array()).flatten();
    parts.filter_map(|part| part["$ref"].as_str()?.rsplit('/').next().map(str::to_owned)).collect()
}

#[test]
fn the_description_of_the_api_fits_its_answers() {
    let mut world = World::new();
    world.job(
        "good",
        "description = 'all right'\ncommand = 'echo out; echo err >&2; printf \"\\\\377\"'\ntags = ['t']\n\
         timeout = '1h'\n[[schedule]]\ncron = '30 2 * * *'\ntimezone = 'Europe/Berlin'\njitter = '10m'\n\
         exclude = '2027-01-01..2027-02-01'",
    );
    world.job("fails", "command = 'exit 3'\nschedule = 'every 1s'\n[retry]\nattempts = 2\ndelay = '1ms'");
    world.job("unset", "command = ['/nowhere/at/all']\numask = '027'\nnice = 5");
    world.job("slow", "command = 'exec sleep 1000'\noverlap = 'queue'\nstop_grace = '1s'");
    world.job("broken", "comand = 'true'");
    world.start();
    world.supervisor_pid();
    for run in ["good/1", "unset/1"] {
        world.run(run.split('/').next().expect("a job"));
        world.finished(run);
    }
    world.finished("fails/1");
    let mut description = Description::of(request(&world, "GET", "/openapi.json", "").json());
    let export = format!("{{\"path\":{:?}}}", world.path("export"));
    let requests: &[(&str, &str, &str, &str, u16)] = &[
        ("GET", "/v1/jobs", "", "", 200),
        ("GET", "/v1/jobs", "?state=nonsense", "", 400),
        ("GET", "/v1/jobs/{job}", "good", "", 200),
        ("GET", "/v1/jobs/{job}", "fails", "", 200),
        ("GET", "/v1/jobs/{job}", "unset", "", 200),
        ("GET", "/v1/jobs/{job}", "broken", "", 200),
        ("GET", "/v1/jobs/{job}", "none", "", 404),
        ("GET", "/v1/jobs/{job}/next", "good?count=3&excluded=true", "", 200),
        ("GET", "/v1/jobs/{job}/explanation", "good", "", 200),
        ("GET", "/v1/jobs/{job}/explanation", "broken", "", 409),
        ("GET", "/v1/jobs/{job}/statistics", "fails", "", 200),
        ("GET", "/v1/jobs/{job}/runs", "fails", "", 200),
        ("GET", "/v1/jobs/{job}/runs/{number}", "good/1", "", 200),
        ("GET", "/v1/jobs/{job}/runs/{number}", "fails/1", "", 200),
        ("GET", "/v1/jobs/{job}/runs/{number}", "unset/1", "", 200),
        ("POST", "/v1/jobs/{job}/runs", "slow", "", 201),
        ("POST", "/v1/jobs/{job}/runs", "slow", "", 201),
        ("GET", "/v1/runs", "", "", 200),
        ("GET", "/v1/jobs/{job}/runs/{number}", "slow/1", "", 200),
        ("GET", "/v1/jobs/{job}/runs/{number}", "slow/2", "", 200),
        ("POST", "/v1/jobs/{job}/runs/{number}/cancel", "slow/1", "", 202),
        ("POST", "/v1/jobs/{job}/cancel", "slow", "", 202),
        ("POST", "/v1/jobs/{job}/pause", "good", "{\"until\":\"2099-01-01T00:00:00Z\"}", 200),
        ("GET", "/v1/jobs/{job}", "good", "", 200),
        ("POST", "/v1/jobs/{job}/resume", "good", "", 200),
        ("POST", "/v1/pause", "", "{\"tag\":\"t\"}", 200),
        ("POST", "/v1/resume", "", "{\"all\":true}", 200),
        ("GET", "/v1/statistics", "", "", 200),
        ("GET", "/v1/health", "", "", 200),
        ("GET", "/v1/health/live", "", "", 200),
        ("GET", "/v1/health/ready", "", "", 200),
        ("GET", "/v1/health/jobs", "", "", 503),
        ("GET", "/v1/config", "", "", 200),
        ("GET", "/v1/version", "", "", 200),
        ("POST", "/v1/reload", "", "{\"force\":true}", 200),
        ("POST", "/v1/reload", "", "{\"forse\":true}", 400),
        ("POST", "/v1/state/backup", "", "", 200),
        ("POST", "/v1/state/export", "", &export, 200),
        ("POST", "/v1/state/compact", "", "", 200),
        ("POST", "/v1/state/acknowledge", "", "", 200),
    ];
    for &(method, path, of, body, status) in requests {
        let answer = request(&world, method, &filled(path, of), body);
        assert_eq!(answer.status, status, "{method} {path} {of}: {}", answer.body);
        description.check(&method.to_lowercase(), path, status, "application/json", &answer.json());
    }
    check_streams(&world, &mut description);
    for (path, media_type) in [("/metrics", "text/plain"), ("/openapi.json", "application/json")] {
        let answer = request(&world, "GET", path, "");
        assert!(answer.header("content-type").is_some_and(|said| said.starts_with(media_type)), "{}", answer.head);
        description.schema("get", path, 200, media_type);
    }
    let answer = request(&world, "POST", "/v1/shutdown", "{\"mode\":\"stop_runs\"}");
    description.check("post", "/v1/shutdown", answer.status, "application/json", &answer.json());
    assert_eq!(description.operations(), description.tried, "described and tried");
    world.wait_for_end();
}

/// A path with its parts filled in: `of` is the job or the run, with the query.
fn filled(path: &str, of: &str) -> String {
    let (of, query) = of.find('?').map_or((of, ""), |at| of.split_at(at));
    let (job, number) = of.split_once('/').unwrap_or((of, ""));
    format!("{}{query}", path.replace("{job}", job).replace("{number}", number))
}

fn check_streams(world: &World, description: &mut Description) {
    let output = "/v1/jobs/{job}/runs/{number}/output";
    let answer = request(world, "GET", &filled(output, "good/1?format=json"), "");
    assert!(answer.body.lines().count() >= 3, "{}", answer.body);
    for line in answer.body.lines() {
        let line = serde_json::from_str(line).expect("JSON");
        description.check("get", output, 200, "application/x-ndjson", &line);
    }
    description.schema("get", output, 200, "application/octet-stream");
    let run = request(world, "POST", "/v1/jobs/good/runs", "").json();
    let mut seen = BTreeSet::new();
    let mut events = ask(world, "GET", "/v1/events?after=0-0", "");
    while !(seen.contains("run") && seen.contains("gap")) {
        let mut line = String::new();
        assert_ne!(events.read_line(&mut line).expect("an event"), 0, "the stream ended after {seen:?} and {run}");
        let Some(data) = line.strip_prefix("data: ") else { continue };
        let event: Value = serde_json::from_str(data).expect("JSON");
        description.check("get", "/v1/events", 200, "text/event-stream", &event);
        if seen.insert(event["event"].as_str().expect("a kind").to_owned()) {
            request(world, "POST", "/v1/jobs/good/runs", "");
        }
    }
}

#[test]
fn measurements_are_those_of_the_specification_and_count_what_happened() {
    let mut world = World::new();
    world.job("good", "command = 'printf 12345'");
    world.job("bad", "command = 'exit 3'");
    world.job("late", "command = 'true'\nschedule = 'every 1s'\noverlap = 'skip'");
    world.job("long", "command = 'exec sleep 1000'\nschedule = 'every 1s'\nstop_grace = '1s'");
    world.job("broken", "comand = 'true'");
    world.start();
    for job in ["good", "good", "bad"] {
        let run = world.run(job);
        world.finished(&run);
    }
    world.finished("late/1");
    let measured = world.wait_for("measurements", || {
        let measured = measure(&request(&world, "GET", "/metrics", "").body);
        let value = |name: &str| measured.iter().find(|(sample, _)| sample == name).map(|(_, value)| *value);
        let enough = value("jobsd_run_lateness_seconds_count") >= Some(1.0)
            && value("jobsd_skips_total{reason=\"overlap\"}") >= Some(1.0);
        enough.then_some(measured)
    });
    let value = |name: &str| {
        let found = measured.iter().find(|(sample, _)| sample == name);
        found.unwrap_or_else(|| panic!("{name} is missing")).1
    };
    for (name, least) in [
        ("jobsd_runs_total{outcome=\"succeeded\"}", 3.0),
        ("jobsd_jobs{state=\"running\"}", 1.0),
        ("jobsd_live_runs{state=\"running\"}", 1.0),
    ] {
        assert!(value(name) >= least, "{name} is {}", value(name));
    }
    for (name, expected) in [
        ("jobsd_runs_total{outcome=\"failed\"}", 1.0),
        ("jobsd_runs_total{outcome=\"lost\"}", 0.0),
        ("jobsd_output_bytes_total", 10.0),
        ("jobsd_output_lost_bytes_total", 0.0),
        ("jobsd_jobs{state=\"faulty\"}", 1.0),
        ("jobsd_jobs_faulty", 1.0),
        ("jobsd_jobs_failing", 1.0),
        ("jobsd_supervisor_connected", 1.0),
        ("jobsd_store_writable", 1.0),
        ("jobsd_api_requests_total{code=\"404\"}", 1.0),
    ] {
        if name.contains("404") {
            request(&world, "GET", "/v1/jobs/none", "");
            let again = measure(&request(&world, "GET", "/metrics", "").body);
            assert!(again.contains(&(name.to_owned(), expected)), "{name}");
            continue;
        }
        assert!((value(name) - expected).abs() < f64::EPSILON, "{name} is {}", value(name));
    }
    assert!(value("jobsd_store_commit_duration_seconds_count") >= 3.0);
    assert!(value("jobsd_store_size_bytes") > 0.0 && value("process_resident_memory_bytes") > 1e6);
    let version = format!("jobsd_build_info{{version=\"{}\",", env!("CARGO_PKG_VERSION"));
    assert!(measured.iter().any(|(sample, _)| sample.starts_with(&version)), "{measured:?}");
    assert!(measured.len() < 200, "no label may grow with the jobs: {}", measured.len());
    for job in ["good", "late", "broken"] {
        let label = format!("\"{job}\"");
        assert!(!measured.iter().any(|(sample, _)| sample.contains(&label)), "{job} is in a label");
    }
}

/// Reads the text format strictly, and checks what the conventions ask for.
fn measure(text: &str) -> Vec<(String, f64)> {
    let mut samples: Vec<(String, f64)> = Vec::new();
    let (mut family, mut kind, mut helped) = ("", "", BTreeSet::new());
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').expect("a name and words");
            assert!(helped.insert(name) && words.ends_with('.'), "{line}");
        } else if let Some(kinds) = line.strip_prefix("# TYPE ") {
            (family, kind) = kinds.split_once(' ').expect("a name and a kind");
            assert!(helped.contains(family) && ["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(family.ends_with("_total"), kind == "counter", "{line}");
            assert!(family.starts_with("jobsd_") || family.starts_with("process_"), "{line}");
            assert!(family.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{line}");
        } else {
            let (sample, value) = line.rsplit_once(' ').expect("a sample");
            let name = sample.split('{').next().expect("a name");
            let suffix = name.strip_prefix(family).unwrap_or_else(|| panic!("{line} stands below {family}"));
            match kind {
                "histogram" => assert!(["_bucket", "_sum", "_count"].contains(&suffix), "{line}"),
                _ => assert_eq!(suffix, "", "{line}"),
            }
            assert!(!samples.iter().any(|(known, _)| known == sample), "{line} twice");
            samples.push((sample.to_owned(), value.parse().expect("a number")));
        }
    }
    for family in samples.iter().filter_map(|(sample, _)| sample.strip_suffix("_count")) {
        let classes: Vec<f64> = samples
            .iter()
            .filter(|(sample, _)| sample.starts_with(&format!("{family}_bucket{{le=")))
            .map(|(_, value)| *value)
            .collect();
        let count = samples.iter().find(|(sample, _)| *sample == format!("{family}_count")).expect("a count").1;
        assert!(classes.is_sorted() && classes.last() == Some(&count), "{family}: {classes:?}, {count}");
    }
    samples
}

#[test]
fn the_log_in_json_names_job_run_and_request() {
    let mut world = World::new();
    world.job("good", "command = 'true'");
    world.environment("JOBSD_LOG_FORMAT", "json".into());
    world.start();
    let triggered = request(&world, "POST", "/v1/jobs/good/runs", "");
    let id = triggered.header("x-request-id").expect("every answer names its request").to_owned();
    world.finished("good/1");
    let lines = || -> Vec<Value> {
        world.lines("log").iter().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
    };
    let find = |message: &str| {
        world.wait_for(message, || {
            lines().into_iter().find(|line| line["message"] == message && line["run"] == "good/1")
        })
    };
    let (asked, over) = (find("triggered"), find("finished"));
    assert_eq!((&asked["job"], &asked["span"]["request"]), (&json!("good"), &json!(id)));
    assert_eq!((&over["job"], &over["outcome"], &over["level"]), (&json!("good"), &json!("succeeded"), &json!("INFO")));
    for line in lines() {
        let is_about_a_run = line["run"].is_string();
        assert!(!is_about_a_run || line["job"].is_string(), "a run without its job: {line}");
        assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
    }
}
