//! `docs/job-file.md`, made from the JSON Schema of a job file.

use std::fmt::Write as _;

use jobsd::cli::JOB_SCHEMA;
use serde_json::{Map, Value};

const HEAD: &str = "# The job file

Every key of a job file, as `jobctl schema` tells it to editors. A file in the jobs directory with the name `NAME.toml` is the
job `NAME`: letters in lower case, digits, `.`, `_` and `-`, up to 100. A key that is not here is an error, with the key that was probably
meant. What a file leaves out comes from `[defaults]` in `jobsd.toml`, and then from the defaults that are told here.

When a job runs is told at length in jobs.d-schedule(5), how its processes are made in jobs.d-process(5).

Made from the schema: `JOBSD_PAGES=write cargo test --test cli pages`.
";

/// The page.
pub fn page() -> String {
    let schema: Value = serde_json::from_str(JOB_SCHEMA).expect("the schema is JSON");
    let mut page = HEAD.to_owned();
    page.push_str("\n## Keys\n");
    for (key, value) in object(&schema["properties"]) {
        write!(page, "\n### `{key}`\n\n{}\n", text(value)).expect("memory takes it");
        write!(page, "\nValues: {}.\n", kind(value)).expect("memory takes it");
        if let Some(keys) = value["properties"].as_object() {
            table(&mut page, keys);
        }
        if let Some(example) = value["examples"].get(0) {
            write!(page, "\n```toml\n{}```\n", toml_of(key, example)).expect("memory takes it");
        }
    }
    page.push_str("\n## Keys of `[[schedule]]`\n\nExactly one of `cron`, `every`, `at`, `business_day`, `boot` and `after`, and beside it:\n");
    table(&mut page, object(&schema["$defs"]["schedule"]["properties"]));
    page.push_str("\n## Values\n\n| | |\n|---|---|\n");
    for (name, value) in object(&schema["$defs"]).iter().filter(|(name, _)| *name != "schedule") {
        writeln!(page, "| {name} | {} |", text(value)).expect("memory takes it");
    }
    page
}

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().expect("an object")
}

fn text(value: &Value) -> &str {
    value["description"].as_str().unwrap_or_default()
}

fn table(page: &mut String, keys: &Map<String, Value>) {
    page.push_str("\n| key | values | |\n|---|---|---|\n");
    for (key, value) in keys {
        writeln!(page, "| `{key}` | {} | {} |", kind(value).replace('|', "\\|"), text(value)).expect("memory takes it");
    }
}

/// What a value may be, in a few words.
fn kind(value: &Value) -> String {
    if let Some(name) = value["$ref"].as_str() {
        let name = name.rsplit('/').next().expect("a name");
        return if name == "schedule" { "a table, see below".to_owned() } else { format!("a {name}") };
    }
    if let Some(choices) = value["enum"].as_array() {
        return choices.iter().map(|choice| format!("`{choice}`")).collect::<Vec<_>>().join(", ");
    }
    if !value["const"].is_null() {
        return format!("`{}`", value["const"]);
    }
    for either in ["anyOf", "oneOf"] {
        if let Some(choices) = value[either].as_array() {
            return choices.iter().map(kind).collect::<Vec<_>>().join(", or ");
        }
    }
    match value["type"].as_str() {
        Some("integer" | "number") => match (value["minimum"].as_f64(), value["maximum"].as_f64()) {
            (Some(least), Some(most)) => format!("a number from {least} to {most}"),
            (Some(least), None) => format!("a number from {least}"),
            _ => "a number".to_owned(),
        },
        Some("boolean") => "`true`, `false`".to_owned(),
        Some("string") => "a text".to_owned(),
        Some("array") => format!("a list, each {}", kind(&value["items"])),
        Some("object") => "a table".to_owned(),
        other => panic!("nothing tells what {other:?} is in {value}"),
    }
}

/// An example as it would stand in a file.
fn toml_of(key: &str, example: &Value) -> String {
    let whole = Value::Object(Map::from_iter([(key.to_owned(), example.clone())]));
    let whole: toml::Table = serde_json::from_value(whole).expect("TOML can say it");
    toml::to_string(&whole).expect("TOML can say it")
}
