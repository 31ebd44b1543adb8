//! `completions/` and `man/` are made from the command lines, `docs/job-file.md` from the schema:
//! `JOBSD_PAGES=write cargo test --test cli pages` makes them again, and without the variable the test says which of them
//! are not current.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use clap_complete::aot::{Shell, generate};
use clap_mangen::Man;
use jobsd::cli::JOB_SCHEMA;
use jobsd::cli::args::Cli;
use jobsd::cli::complete;
use jobsd::daemon::args::Arguments;
use serde_json::Value;

/// Pages that people write.
const WRITTEN: [&str; 3] = ["man/jobs.d-process.5", "man/jobs.d-schedule.5", "man/jobsd.toml.5"];

/// What people write of the page about job files, around the keys.
const JOB_PAGE: &str = include_str!("jobs.d.5.in");

/// Every page by its place in the repository.
fn pages() -> BTreeMap<PathBuf, String> {
    let mut pages = BTreeMap::new();
    for (shell, jobctl, jobsd) in [
        (Shell::Bash, "jobctl.bash", "jobsd.bash"),
        (Shell::Zsh, "_jobctl", "_jobsd"),
        (Shell::Fish, "jobctl.fish", "jobsd.fish"),
    ] {
        let script = complete::script(&shell.to_string()).expect("memory takes it").expect("a known shell");
        pages.insert(Path::new("completions").join(jobctl), script);
        let mut script = Vec::new();
        generate(shell, &mut Arguments::command(), "jobsd", &mut script);
        pages.insert(Path::new("completions").join(jobsd), String::from_utf8(script).expect("text"));
    }
    let mut jobctl = Cli::command().disable_help_subcommand(true);
    jobctl.build();
    man(&mut pages, "1", jobctl.clone());
    for verb in jobctl.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        let name = format!("jobctl-{}", verb.get_name());
        man(&mut pages, "1", verb.clone().name(name.clone()));
        for inner in verb.get_subcommands().filter(|inner| !inner.is_hide_set() && inner.get_name() != "help") {
            man(&mut pages, "1", inner.clone().name(format!("{name}-{}", inner.get_name())));
        }
    }
    pages.insert("man/jobs.d.5".into(), JOB_PAGE.replace("@KEYS@\n", &keys()));
    let mut jobsd = Arguments::command().disable_help_subcommand(true);
    jobsd.build();
    man(&mut pages, "8", jobsd.clone());
    for verb in jobsd.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        let name = format!("jobsd-{}", verb.get_name());
        man(&mut pages, "8", verb.clone().name(name.clone()));
        for inner in verb.get_subcommands().filter(|inner| !inner.is_hide_set() && inner.get_name() != "help") {
            man(&mut pages, "8", inner.clone().name(format!("{name}-{}", inner.get_name())));
        }
    }
    pages.insert("docs/job-file.md".into(), crate::reference::page());
    pages
}

/// Every key of a job file with what the schema says of it, those of tables below their table.
fn keys() -> String {
    let schema: Value = serde_json::from_str(JOB_SCHEMA).expect("JSON");
    let mut text = String::new();
    for (key, value) in schema["properties"].as_object().expect("a table of keys") {
        add_key(&mut text, key, value);
        for (inner, value) in value["properties"].as_object().into_iter().flatten() {
            add_key(&mut text, &format!("{key}.{inner}"), value);
        }
    }
    text
}

fn add_key(text: &mut String, key: &str, value: &Value) {
    let roff = |text: &str| text.replace('\\', "\\e").replace('-', "\\-").replace('"', "\\(dq");
    let said = value["description"].as_str().unwrap_or_else(|| panic!("{key} has no description"));
    text.push_str(&format!(".TP\n.B {}\n{}\n", roff(key), roff(said)));
}

fn man(pages: &mut BTreeMap<PathBuf, String>, section: &str, command: clap::Command) {
    let name = command.get_name().to_owned();
    let version = concat!("jobsd ", env!("CARGO_PKG_VERSION"));
    let page = Man::new(command).title(name.to_uppercase()).section(section).source(version).manual("jobsd");
    let mut text = Vec::new();
    page.render(&mut text).expect("memory takes it");
    let text = String::from_utf8(text).expect("text");
    let text = with_exit_codes(&text) + &see_also(&name);
    pages.insert(Path::new("man").join(format!("{name}.{section}")), text);
}

/// Where to read on.
fn see_also(name: &str) -> String {
    let others: &[&str] = match name {
        "jobctl" => &["jobs.d(5)", "jobs.d-schedule(5)", "jobs.d-process(5)", "jobsd.toml(5)", "jobsd(8)"],
        "jobctl-explain" | "jobctl-next" | "jobctl-simulate" => &["jobctl(1)", "jobs.d-schedule(5)"],
        "jobctl-import-systemd-timer" => &["jobctl(1)", "jobs.d(5)", "systemd.timer(5)", "systemd.service(5)"],
        "jobctl-import-crontab" | "jobctl-export-crontab" => &["jobctl(1)", "jobs.d(5)", "crontab(5)"],
        "jobctl-import" | "jobctl-export" => &["jobctl(1)", "jobs.d(5)", "crontab(5)", "systemd.timer(5)"],
        "jobctl-exec" => &["jobctl(1)", "jobs.d(5)", "jobs.d-process(5)"],
        "jobctl-check" | "jobctl-new" | "jobctl-schema" | "jobctl-show" => &["jobctl(1)", "jobs.d(5)"],
        "jobctl-state" => &["jobctl(1)", "jobsd-state(8)"],
        "jobctl-doctor" => &["jobctl(1)", "jobs.d-process(5)"],
        "jobsd" => &["jobctl(1)", "jobs.d(5)", "jobsd.toml(5)", "jobsd-state(8)", "jobsd-supervise(8)"],
        verb if verb.starts_with("jobsd-state-") => &["jobsd-state(8)", "jobsd(8)"],
        verb if verb.starts_with("jobsd-") => &["jobsd(8)", "jobsd.toml(5)"],
        _ => &["jobctl(1)", "jobsd(8)"],
    };
    format!(".SH \"SEE ALSO\"\n{}\n", others.join(", ").replace('-', "\\-"))
}

/// What stands behind the options of `jobctl` is the list of exit codes: each a paragraph of its own.
fn with_exit_codes(page: &str) -> String {
    let Some((before, rest)) = page.split_once(".SH EXTRA\nExit codes:\n") else { return page.to_owned() };
    let (codes, after) = rest.split_once(".SH ").expect("the version comes last");
    let mut list = String::new();
    for line in codes.lines().filter(|line| !line.is_empty()) {
        match line.trim_start().split_once("  ") {
            Some((code, meaning)) => list.push_str(&format!(".TP\n.B {code}\n{meaning}\n")),
            None => list.push_str(&format!(".PP\n{line}\n")),
        }
    }
    format!("{before}.SH \"EXIT STATUS\"\n{list}.SH {after}")
}

#[test]
fn pages_are_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages = pages();
    if std::env::var_os("JOBSD_PAGES").is_some_and(|what| what == "write") {
        for (path, text) in &pages {
            fs::write(root.join(path), text).expect("a page");
        }
    }
    let again = "make them again: JOBSD_PAGES=write cargo test --test cli pages";
    for (path, text) in &pages {
        let there = fs::read_to_string(root.join(path)).unwrap_or_default();
        assert!(there == *text, "{} is not current; {again}", path.display());
    }
    for directory in ["completions", "man"] {
        for entry in fs::read_dir(root.join(directory)).expect("a directory") {
            let path = Path::new(directory).join(entry.expect("an entry").file_name());
            let known = pages.contains_key(&path) || WRITTEN.contains(&path.to_str().expect("plain names"));
            assert!(known, "{} is made by nothing; delete it", path.display());
        }
    }
}

#[test]
fn every_verb_has_a_page_that_names_it() {
    let pages = pages();
    for verb in Cli::command().get_subcommands().filter(|verb| !verb.is_hide_set()) {
        let page = &pages[&Path::new("man").join(format!("jobctl-{}.1", verb.get_name()))];
        assert!(page.contains(&format!("jobctl {}", verb.get_name())), "{}", verb.get_name());
    }
    assert!(pages[Path::new("man/jobctl.1")].contains("no daemon answers"), "the exit codes are in the manual");
}
