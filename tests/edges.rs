//! Dependencies between modules point one way, as the crate documentation draws them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What each module may use, beside itself. A module that is not listed fails the test: its place must be decided.
const MAY_USE: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("causes", &[]),
    ("units", &[]),
    ("threads", &[]),
    ("schedule", &["clock", "units"]),
    ("spec", &["clock", "units", "schedule"]),
    ("run", &["clock", "units", "schedule", "spec"]),
    ("scheduler", &["clock", "units", "schedule", "spec", "run"]),
    ("store", &["clock", "units", "causes", "threads", "schedule", "spec", "run", "scheduler"]),
    ("output", &["clock", "units", "spec", "run"]),
    ("supervisor", &["clock", "units", "causes", "spec", "run", "output", "machine"]),
    ("machine", &["spec"]),
    ("surroundings", &["schedule", "spec"]),
    ("places", &["spec", "surroundings"]),
    ("migrate", &["clock", "units", "schedule", "spec"]),
    (
        "daemon",
        &[
            "clock",
            "units",
            "causes",
            "threads",
            "schedule",
            "spec",
            "run",
            "scheduler",
            "store",
            "output",
            "supervisor",
            "machine",
            "surroundings",
            "places",
            "api",
        ],
    ),
    (
        "api",
        &[
            "clock",
            "units",
            "causes",
            "schedule",
            "spec",
            "run",
            "scheduler",
            "store",
            "output",
            "supervisor",
            "daemon",
        ],
    ),
    (
        "cli",
        &[
            "clock",
            "units",
            "causes",
            "schedule",
            "spec",
            "run",
            "machine",
            "api",
            "surroundings",
            "places",
            "migrate",
            "daemon",
        ],
    ),
];

/// Edges that look against the direction, each with its reason.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("daemon/start.rs", "api", "the start wires the server to the loop's handle"),
    ("cli/visible.rs", "output", "the beginning of a character waits for its end on the stream that it came on"),
    ("cli/logs.rs", "output", "lines of two streams are told apart in one way, wherever they are shown"),
];

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("the sources").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            sources(&entry, found);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            found.push(entry);
        }
    }
}

/// Modules that a text names by `crate::`, in code; comments and documentation may point anywhere.
fn uses(text: &str) -> Vec<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut named = Vec::new();
    for rest in code.split("crate::").skip(1) {
        if let Some(group) = rest.strip_prefix('{') {
            let inner = group.split('}').next().unwrap_or_default();
            named.extend(inner.split(',').map(|item| item.trim().split("::").next().unwrap_or_default().to_owned()));
        } else {
            named.push(rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect());
        }
    }
    named
}

#[test]
fn modules_use_only_what_lies_below_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let allowed: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut wrong = Vec::new();
    for path in files {
        let inside = path.strip_prefix(&root).expect("below src").to_str().expect("plain names").to_owned();
        let module = inside.split('/').next().expect("a name").trim_end_matches(".rs").to_owned();
        if matches!(module.as_str(), "lib" | "bin" | "corpus") {
            continue;
        }
        let Some(may) = allowed.get(module.as_str()) else {
            wrong.push(format!("{inside}: the module {module} has no place in the order"));
            continue;
        };
        for used in uses(&fs::read_to_string(&path).expect("a source")) {
            let own = used == module || !allowed.contains_key(used.as_str());
            let excepted = EXCEPTIONS.iter().any(|&(file, target, _)| file == inside && target == used);
            let through_start = module == "daemon" && used == "api" && !excepted;
            if !own && !excepted && (!may.contains(&used.as_str()) || through_start) {
                wrong.push(format!("{inside} uses {used}"));
            }
        }
    }
    assert!(wrong.is_empty(), "edges against the order:\n{}", wrong.join("\n"));
}
