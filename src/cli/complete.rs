//! Completion of what only the daemon knows: names of jobs, numbers of runs, tags.
//!
//! A shell that completes a command line runs `jobctl` with [`VARIABLE`] set to its own name; the scripts in
//! `completions/` do that. A daemon that does not answer, or not in time, leaves the shell without suggestions.

use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::CommandFactory;
use clap_complete::env::CompleteEnv;
use clap_complete::{ArgValueCompleter, CompletionCandidate};
use serde::de::DeserializeOwned;

use super::args::Cli;
use super::socket;
use super::target::job_path;
use crate::api::client::{Client, encode};
use crate::api::types::{HistoryPage, Job, JobPage};

/// Names the shell that asks.
pub const VARIABLE: &str = "JOBCTL_COMPLETE";

/// A person waits with a finger on the tab key.
const PATIENCE: Duration = Duration::from_secs(1);

/// Runs of a job that are suggested, the newest: about a screen.
const RUNS: usize = 50;

/// From a directory of `fpath` zsh loads the script as the body of the function that completes, and calls it: without this
/// the first completion of a shell would only define things.
const ZSH_FIRST_CALL: &str = r#"if [ "$funcstack[1]" = "_jobctl" ]; then
    _clap_dynamic_completer_jobctl "$@"
fi
"#;

/// Answers a shell. False when none asks, and the command line is to be carried out.
///
/// # Errors
/// When the shell is unknown or does not listen.
pub fn answer() -> Result<bool, clap::Error> {
    let directory = std::env::current_dir().ok();
    CompleteEnv::with_factory(Cli::command)
        .var(VARIABLE)
        .bin("jobctl")
        .completer("jobctl")
        .try_complete(std::env::args_os(), directory.as_deref())
}

/// The script that makes a shell ask; `None` for a shell that is not known.
///
/// # Errors
/// Never for the shells that are known: they write to memory.
pub fn script(shell: &str) -> io::Result<Option<String>> {
    let shells = clap_complete::env::Shells::builtins();
    let Some(shell) = shells.completer(shell) else { return Ok(None) };
    let mut script = Vec::new();
    shell.write_registration(VARIABLE, "jobctl", "jobctl", "jobctl", &mut script)?;
    if shell.name() == "zsh" {
        script.extend_from_slice(ZSH_FIRST_CALL.as_bytes());
    }
    Ok(String::from_utf8(script).ok())
}

/// Completes the name of a job.
pub fn job() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| names(current.to_str().unwrap_or_default()))
}

/// Completes the name of a job, or of a run behind its slash.
pub fn target() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let current = current.to_str().unwrap_or_default();
        match current.split_once('/') {
            Some((job, number)) => runs(job, number),
            None => names(current),
        }
    })
}

/// Completes a tag.
pub fn tag() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let current = current.to_str().unwrap_or_default();
        let mut tags: Vec<String> = jobs().into_iter().flat_map(|job| job.tags).collect();
        tags.retain(|tag| tag.starts_with(current));
        tags.sort();
        tags.dedup();
        tags.into_iter().map(CompletionCandidate::new).collect()
    })
}

fn names(current: &str) -> Vec<CompletionCandidate> {
    let fitting = jobs().into_iter().filter(|job| job.name.starts_with(current));
    fitting.map(|job| CompletionCandidate::new(job.name).help(job.description.map(Into::into))).collect()
}

fn runs(job: &str, number: &str) -> Vec<CompletionCandidate> {
    let path = format!("{}/runs?limit={RUNS}", job_path(job));
    let entries = ask(&path).map_or_else(Vec::new, |page: HistoryPage| page.entries);
    let runs = entries.into_iter().filter_map(|entry| {
        let word = entry.outcome.map_or(entry.state.name(), |outcome| outcome.name());
        Some((entry.run?, word))
    });
    let fitting = runs.filter(|(run, _)| run.rsplit_once('/').is_some_and(|(_, own)| own.starts_with(number)));
    fitting.map(|(run, word)| CompletionCandidate::new(run).help(Some(word.into()))).collect()
}

/// All jobs, as far as they come in time.
fn jobs() -> Vec<Job> {
    let mut jobs: Vec<Job> = Vec::new();
    loop {
        let after = jobs.last().map(|job| format!("after={}", encode(&job.name))).unwrap_or_default();
        let Some(page) = ask::<JobPage>(&format!("/v1/jobs?{after}")) else { return jobs };
        jobs.extend(page.jobs);
        if page.next.is_none() {
            return jobs;
        }
    }
}

fn ask<T: DeserializeOwned>(path: &str) -> Option<T> {
    let named = std::env::var_os("JOBCTL_SOCKET").map(PathBuf::from);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let answer = async {
        for socket in socket::candidates(named.as_deref()) {
            if let Ok(mut client) = Client::connect(&socket).await {
                return client.get(path).await.ok();
            }
        }
        None
    };
    runtime.block_on(async { tokio::time::timeout(PATIENCE, answer).await.ok().flatten() })
}
