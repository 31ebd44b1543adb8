//! The JSON Schema and what is read say the same keys.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::cli::schema::JOB_SCHEMA;
use crate::schedule::Zone;
use crate::spec::{self, Authority, JobName, Machine, ReadContext, Source, asked_keys};

fn schema() -> Value {
    serde_json::from_str(JOB_SCHEMA).expect("JSON")
}

/// Reads a job file of these keys, and gives what is wrong with it.
fn fault(keys: &Value) -> Option<String> {
    let text = toml::to_string(keys).expect("the examples are TOML too");
    let name = JobName::new("example").unwrap();
    let path = "example.toml".into();
    let context = ReadContext {
        path,
        authority: Authority::Anybody,
        timezone: Zone::utc(),
        machine: Machine::default(),
        calendars: Arc::default(),
    };
    spec::read(&name, &Source { text, defaults: String::new() }, &context).err().map(|faults| faults.plain())
}

/// What a key needs beside it to mean something.
fn company(key: &str) -> Value {
    match key {
        "shell" => json!({"command": "true"}),
        "max_concurrent" => json!({"command": ["true"], "overlap": "allow"}),
        "catch_up_window" => json!({"command": ["true"], "catch_up": "all", "schedule": "@daily"}),
        _ => json!({"command": ["true"]}),
    }
}

fn with(company: Value, key: &str, value: &Value) -> Value {
    let mut keys = company;
    keys[key] = value.clone();
    keys
}

/// Every key of the schema, those of tables with a dot, and every example of a job with it.
fn keys_and_jobs() -> (BTreeSet<String>, Vec<Value>) {
    let schema = schema();
    let mut keys = BTreeSet::new();
    let mut jobs = Vec::new();
    let empty = Map::new();
    for (key, value) in schema["properties"].as_object().unwrap() {
        keys.insert(key.clone());
        let inner = value["properties"].as_object().unwrap_or(&empty);
        keys.extend(inner.keys().map(|inner| format!("{key}.{inner}")));
        let examples = value["examples"].as_array().unwrap_or_else(|| panic!("{key} has no example"));
        jobs.extend(examples.iter().map(|example| with(company(key), key, example)));
    }
    let entry = &schema["$defs"]["schedule"];
    keys.extend(entry["properties"].as_object().unwrap().keys().map(|key| format!("schedule.{key}")));
    let entries = entry["examples"].as_array().unwrap().iter();
    jobs.extend(entries.map(|entry| with(company("schedule"), "schedule", &json!([entry]))));
    (keys, jobs)
}

#[test]
fn every_example_is_read_without_a_fault_and_every_key_has_one() {
    let (keys, jobs) = keys_and_jobs();
    let mut shown = BTreeSet::new();
    for job in &jobs {
        assert_eq!(fault(job), None, "{job}");
        for (key, value) in job.as_object().unwrap() {
            shown.insert(key.clone());
            let tables = value.as_array().map_or_else(|| vec![value], |values| values.iter().collect());
            let inner = tables.iter().filter_map(|table| table.as_object()).flat_map(Map::keys);
            shown.extend(inner.filter(|_| key != "environment").map(|inner| format!("{key}.{inner}")));
        }
    }
    assert_eq!(shown, keys, "left: keys with an example; right: keys of the schema");
}

#[test]
fn the_schema_has_the_keys_that_are_read_and_no_other() {
    let (keys, jobs) = keys_and_jobs();
    let read = asked_keys(|| {
        for job in &jobs {
            assert_eq!(fault(job), None, "{job}");
        }
    });
    assert_eq!(read, keys, "left: keys that are read; right: keys of src/cli/schema/job.json");
}
