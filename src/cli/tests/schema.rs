//! The JSON Schema and what is read say the same keys.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::cli::schema::JOB_SCHEMA;
use crate::schedule::{Calendar, Calendars, Zone};
use crate::spec::{self, Authority, JobName, Machine, ReadContext, Source, asked_keys};

fn schema() -> Value {
    serde_json::from_str(JOB_SCHEMA).expect("JSON")
}

/// The calendars that the examples name.
fn calendars() -> Calendars {
    let mut calendars = Calendars::default();
    for name in ["company", "vacations"] {
        calendars.insert(name, Ok(Arc::new(Calendar::from_toml(name, "days = [\"2026-12-25\"]").unwrap())));
    }
    calendars
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
        calendars: Arc::new(calendars()),
    };
    spec::read(&name, &Source { text, defaults: String::new() }, &context).err().map(|faults| faults.plain())
}

/// What a key needs beside it to mean something.
fn company(key: &str) -> Value {
    match key {
        "shell" => json!({"command": "true"}),
        "max_concurrent" => json!({"command": ["true"], "overlap": "allow"}),
        "catch_up_window" => json!({"command": ["true"], "catch_up": "all", "schedule": "@daily"}),
        "start_deadline" => json!({"command": ["true"], "schedule": "@daily"}),
        _ => json!({"command": ["true"]}),
    }
}

fn with(company: Value, key: &str, value: &Value) -> Value {
    let mut keys = company;
    keys[key] = value.clone();
    keys
}

/// What stands for the names that a job file gives itself, as those of credentials.
const ANY_NAME: &str = "*";

/// Adds every key below a part of the schema, those of tables with a dot.
fn add_keys(part: &Value, prefix: &str, schema: &Value, keys: &mut BTreeSet<String>) {
    for (key, value) in part["properties"].as_object().into_iter().flatten() {
        let key = format!("{prefix}{key}");
        add_keys(value, &format!("{key}."), schema, keys);
        keys.insert(key);
    }
    if let Some(place) = part["$ref"].as_str() {
        let part = schema.pointer(place.trim_start_matches('#')).unwrap_or_else(|| panic!("there is no {place}"));
        add_keys(part, prefix, schema, keys);
    }
    for form in part["anyOf"].as_array().into_iter().flatten().chain(part.get("items")) {
        add_keys(form, prefix, schema, keys);
    }
    add_keys_of_any_name(&part["additionalProperties"], prefix, schema, keys);
}

fn add_keys_of_any_name(part: &Value, prefix: &str, schema: &Value, keys: &mut BTreeSet<String>) {
    if part.is_object() {
        add_keys(part, &format!("{prefix}{ANY_NAME}."), schema, keys);
    }
}

/// Adds the keys of a job or of a part of it, as far as the schema knows them; other names are any name.
fn add_shown(part: &Value, prefix: &str, known: &BTreeSet<String>, shown: &mut BTreeSet<String>) {
    for element in part.as_array().into_iter().flatten() {
        add_shown(element, prefix, known, shown);
    }
    for (name, value) in part.as_object().into_iter().flatten() {
        let key = format!("{prefix}{name}");
        if known.contains(&key) {
            add_shown(value, &format!("{key}."), known, shown);
            shown.insert(key);
        } else {
            add_shown(value, &format!("{prefix}{ANY_NAME}."), known, shown);
        }
    }
}

/// A key that was read, with any name in place of a credential's.
fn unnamed(key: &str) -> String {
    match key.split('.').collect::<Vec<_>>()[..] {
        [table @ "credentials", _, key] => format!("{table}.{ANY_NAME}.{key}"),
        _ => key.to_owned(),
    }
}

/// Every key of the schema.
pub fn schema_keys() -> BTreeSet<String> {
    let schema = schema();
    let mut keys = BTreeSet::new();
    add_keys(&schema, "", &schema, &mut keys);
    keys
}

/// Every key of the schema, and every example of a job with it.
fn keys_and_jobs() -> (BTreeSet<String>, Vec<Value>) {
    let schema = schema();
    let keys = schema_keys();
    let mut jobs = Vec::new();
    for (key, value) in schema["properties"].as_object().unwrap() {
        let examples = value["examples"].as_array().unwrap_or_else(|| panic!("{key} has no example"));
        jobs.extend(examples.iter().map(|example| with(company(key), key, example)));
    }
    let entries = schema["$defs"]["schedule"]["examples"].as_array().unwrap().iter();
    jobs.extend(entries.map(|entry| with(company("schedule"), "schedule", &json!([entry]))));
    (keys, jobs)
}

#[test]
fn every_example_is_read_without_a_fault_and_every_key_has_one() {
    let (keys, jobs) = keys_and_jobs();
    let mut shown = BTreeSet::new();
    for job in &jobs {
        assert_eq!(fault(job), None, "{job}");
        add_shown(job, "", &keys, &mut shown);
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
    let read: BTreeSet<String> = read.iter().map(|key| unnamed(key)).collect();
    assert_eq!(read, keys, "left: keys that are read; right: keys of src/cli/schema/job.json");
}
