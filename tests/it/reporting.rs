//! What monitors and other programs read: the OpenAPI document, the metrics, the log.

use std::collections::{BTreeMap, BTreeSet};

use jobsd::api::client::{Client, Precondition};
use serde_json::{Value, json};

use crate::harness::World;

/// One request after another, each on a connection of its own.
struct Http<'a>(&'a World);

impl Http<'_> {
    fn bytes(&self, method: &str, path: &str, body: &Value) -> Vec<u8> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let answer = runtime.block_on(async {
            let mut client = Client::connect(&self.0.path("sock")).await?;
            match method {
                "get" => client.get_bytes(path).await,
                "post" => client.post_bytes(path, body).await,
                "put" => client.put(path, "application/toml", GOOD.into(), &Precondition::Present).await,
                "delete" => client.delete(path, &Precondition::Present).await,
                other => panic!("no test sends {other}"),
            }
        });
        answer.unwrap_or_else(|fault| panic!("{method} {path}: {fault}\n{}", self.0.log())).to_vec()
    }

    fn json(&self, method: &str, path: &str, body: &Value) -> Value {
        serde_json::from_slice(&self.bytes(method, path, body)).expect("JSON")
    }
}

const GOOD: &str = "command = 'echo fine'\nschedule = '0 3 * * *'\ntags = ['nightly']\n[retry]\nattempts = 2\n\
    [notify]\non_failure = [{ command = ['true'] }]\n";

/// A daemon with these jobs, each of which has run once.
fn having_run(jobs: &[(&str, &str)]) -> World {
    let mut world = World::new();
    for (job, text) in jobs {
        world.job(job, text);
    }
    world.start();
    for (job, _) in jobs {
        let run = world.run(job);
        world.finished(&run);
    }
    world
}

/// Operations that this test does not ask for, each with the reason.
const LEFT_OUT: [(&str, &str); 3] = [
    ("/v1/shutdown", "the others come after it"),
    ("/v1/events", "a stream without an end"),
    ("/v1/jobs/{job}/cancel", "needs a live run; the next one has one"),
];

#[test]
fn the_openapi_document_is_true() {
    let world = having_run(&[("good", GOOD)]);
    world.job("long", "command = 'exec sleep 1000'\nstop_grace = '1s'");
    world.job("spare", "command = 'true'");
    let http = Http(&world);
    let document = http.json("get", "/openapi.json", &Value::Null);
    world.ok(&["reload"]);
    world.run("long");
    let export = world.path("export.jsonl");
    let mut asked = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            asked.insert(path.clone());
            if LEFT_OUT.iter().any(|(left_out, _)| left_out == path) {
                continue;
            }
            let body = match path.as_str() {
                "/v1/pause" | "/v1/resume" => json!({ "tag": "nightly" }),
                "/v1/state/export" => json!({ "path": export }),
                "/v1/exec" => json!({ "argv": ["true"], "name": "once" }),
                _ => json!({}),
            };
            let job = match (path.ends_with("/cancel"), method.as_str()) {
                (true, _) => "long",
                (false, "delete") => "spare",
                (false, _) => "good",
            };
            let place = path.replace("{job}", job).replace("{number}", "1");
            let answers = operation["responses"].as_object().expect("answers");
            let (_, answer) = answers.iter().find(|(status, _)| status.starts_with('2')).expect("a good answer");
            match answer["content"].get("application/json").map(|content| content.get("schema")) {
                Some(Some(schema)) => {
                    let answer = http.json(method, &place, &body);
                    assert_fits(&document, schema, &answer, &format!("{method} {place}"));
                }
                _ => assert!(!http.bytes(method, &place, &body).is_empty(), "{method} {place}"),
            }
        }
    }
    assert!(asked.len() > 20, "{asked:?}");
    for (path, _) in LEFT_OUT {
        assert!(asked.contains(path), "{path} is no path any more");
    }
    let refusal = world.jobctl(&["show", "nobody", "-o", "json"]);
    assert_eq!(refusal.status.code(), Some(4));
}

/// Validates one answer, with all the schemas of the document at hand.
fn assert_fits(document: &Value, schema: &Value, answer: &Value, what: &str) {
    let mut whole = schema.clone();
    whole["components"] = document["components"].clone();
    let validator = jsonschema::validator_for(&whole).unwrap_or_else(|fault| panic!("{what}: {fault}"));
    let faults: Vec<String> =
        validator.iter_errors(answer).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
    assert!(faults.is_empty(), "{what}:\n{}\n{answer:#}", faults.join("\n"));
}

#[test]
fn an_answer_that_does_not_fit_its_schema_is_noticed() {
    let world = having_run(&[("good", GOOD)]);
    let http = Http(&world);
    let document = http.json("get", "/openapi.json", &Value::Null);
    let mut answer = http.json("get", "/v1/jobs/good", &Value::Null);
    answer.as_object_mut().expect("an object").remove("state");
    let schema = json!({ "$ref": "#/components/schemas/JobDetail", "components": document["components"] });
    assert!(!jsonschema::validator_for(&schema).expect("a schema").is_valid(&answer));
}

/// A scrape, as Prometheus' text format lays it out.
struct Scrape {
    kinds: BTreeMap<String, String>,
    values: BTreeMap<String, f64>,
}

fn scrape(text: &str) -> Scrape {
    let (mut kinds, mut values) = (BTreeMap::new(), BTreeMap::new());
    for line in text.lines() {
        match line.strip_prefix("# ").map(|rest| rest.splitn(3, ' ').collect::<Vec<_>>()).as_deref() {
            Some(["TYPE", name, kind]) => {
                assert!(kinds.insert((*name).to_owned(), (*kind).to_owned()).is_none(), "{name} stands twice");
            }
            Some(["HELP", _, help]) => assert!(help.ends_with('.'), "{line}"),
            Some(other) => panic!("{other:?}"),
            None => {
                let (sample, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
                let value = value.parse().unwrap_or_else(|fault| panic!("{line}: {fault}"));
                assert!(values.insert(sample.to_owned(), value).is_none(), "{sample} stands twice");
            }
        }
    }
    Scrape { kinds, values }
}

#[test]
fn the_metrics_count_what_happened() {
    let world = having_run(&[("good", GOOD), ("bad", "command = 'exit 3'")]);
    let text = String::from_utf8(Http(&world).bytes("get", "/metrics", &Value::Null)).expect("text");
    let Scrape { kinds, values } = scrape(&text);
    for (name, kind) in &kinds {
        assert!(name.starts_with("jobsd_") || name.starts_with("process_"), "{name}");
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
        let base = ["_seconds", "_bytes", "_total", "_info"];
        let counts =
            ["jobsd_jobs", "jobsd_live_runs", "jobsd_ready", "jobsd_supervisor", "jobsd_store_state", "process_open"];
        assert!(
            base.iter().any(|unit| name.ends_with(unit)) || counts.iter().any(|count| name.starts_with(count)),
            "{name} tells no unit"
        );
    }
    for sample in values.keys() {
        let name = sample.split('{').next().expect("a name");
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name);
        assert!(kinds.contains_key(family) || kinds.contains_key(name), "{sample} has no type");
        assert!(!sample.contains("job="), "{sample} names a job: there may be a million");
    }
    for (sample, value) in [
        ("jobsd_runs_total{outcome=\"succeeded\"}", 1.0),
        ("jobsd_runs_total{outcome=\"failed\"}", 1.0),
        ("jobsd_run_duration_seconds_count", 2.0),
        ("jobsd_start_lateness_seconds_count", 0.0),
        ("jobsd_output_bytes_total", 5.0),
        ("jobsd_jobs", 2.0),
        ("jobsd_jobs_failing", 1.0),
        ("jobsd_jobs_paused", 0.0),
        ("jobsd_live_runs{state=\"running\"}", 0.0),
        ("jobsd_ready", 1.0),
        ("jobsd_supervisor_connected", 1.0),
        ("jobsd_store_state{state=\"writing\"}", 1.0),
        ("jobsd_store_commits_total{result=\"good\"}", values["jobsd_store_commit_duration_seconds_count"]),
    ] {
        assert_eq!(values.get(sample), Some(&value), "{sample}\n{text}");
    }
    for above_zero in
        ["process_resident_memory_bytes", "process_open_fds", "process_start_time_seconds", "jobsd_store_size_bytes"]
    {
        assert!(values[above_zero] > 0.0, "{above_zero}");
    }
}

#[test]
fn a_scheduled_start_has_its_lateness_measured() {
    let mut world = World::new();
    world.job("beat", "command = 'true'\nschedule = 'every 1s'");
    world.start();
    world.wait_for("a beat in the metrics", || {
        let text = String::from_utf8(Http(&world).bytes("get", "/metrics", &Value::Null)).expect("text");
        (scrape(&text).values["jobsd_start_lateness_seconds_count"] >= 1.0).then_some(())
    });
}

#[test]
fn lines_of_json_name_the_run_and_the_request() {
    let mut world = World::new();
    world.environment("JOBSD_LOG_FORMAT", "json".into());
    world.job("good", "command = 'echo fine'");
    world.start();
    let run = world.run("good");
    world.finished(&run);
    let lines = world.wait_for("the lines", || {
        let lines: Vec<Value> =
            world.lines("log").iter().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
        lines.iter().any(|line| line["message"] == "finished").then_some(lines)
    });
    let line =
        |message: &str| lines.iter().find(|line| line["message"] == message).unwrap_or_else(|| panic!("{message}"));
    let finished = line("finished");
    assert_eq!(
        (&finished["job"], &finished["run"], &finished["outcome"]),
        (&json!("good"), &json!(run), &json!("succeeded"))
    );
    let started = line("started by hand");
    assert_eq!((&started["job"], &started["run"]), (&json!("good"), &json!(run)));
    assert!(started["span"]["request"].is_string() && started["span"]["uid"].is_number(), "{started}");
    for line in &lines {
        assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
    }
}

#[test]
fn every_metric_is_in_the_documentation() {
    const PAGE: &str = include_str!("../../docs/metrics.md");
    let world = having_run(&[("good", GOOD)]);
    let text = String::from_utf8(Http(&world).bytes("get", "/metrics", &Value::Null)).expect("text");
    for name in scrape(&text).kinds.keys() {
        assert!(PAGE.contains(&format!("`{name}")), "docs/metrics.md does not name {name}");
    }
}
