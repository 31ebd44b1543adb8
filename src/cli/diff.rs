//! `jobctl diff`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use super::session::Session;
use super::style::Tone;
use super::target::job_path;
use super::{Exit, Failure, check, counted, list};
use crate::api::convert;
use crate::api::types::{Config as DaemonConfig, Definition, Job, JobDetail, Version};
use crate::daemon::Config;
use crate::daemon::config::Flags;
use crate::daemon::jobs_dir::{self, Reading, Trust};
use crate::machine;
use crate::schedule::Zone;
use crate::spec::{Authority, JobName, LoadedSpec, SpecEntry};
use crate::surroundings::Surroundings;

#[derive(Clone, Debug, clap::Args)]
pub struct DiffArgs {
    /// The directory to compare, as one that is to be put in place of the jobs directory; otherwise the jobs directory
    /// itself as it is now
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

/// What taking a directory over would do.
#[derive(Debug, Default, Serialize)]
struct Plan {
    added: Vec<Added>,
    changed: Vec<Changed>,
    removed: Vec<String>,
    faulty: Vec<Faulty>,
    unchanged: usize,
}

#[derive(Debug, Serialize)]
struct Added {
    job: String,
    schedule: Vec<String>,
    description: Option<String>,
}

#[derive(Debug, Serialize)]
struct Changed {
    job: String,
    /// What differs, key by key. Empty when only what is not shown does: comments, layout, values of variables.
    keys: Vec<Key>,
}

#[derive(Debug, Serialize)]
struct Key {
    key: String,
    from: Value,
    to: Value,
}

#[derive(Debug, Serialize)]
struct Faulty {
    job: String,
    path: String,
    summary: String,
}

/// Shows what a reload would change; exits with 1 when files are faulty.
pub async fn run(session: &mut Session, args: DiffArgs) -> Result<Exit, Failure> {
    let daemon: DaemonConfig = session.client().await?.get("/v1/config").await?;
    let version: Version = session.client().await?.get("/v1/version").await?;
    let (directory, trust) = match args.directory {
        // Whoever puts it in place gives its files another owner.
        Some(directory) => (directory, Trust::anybody()),
        None => (daemon.jobs_dir.clone().into(), Trust::new(version.uid, &daemon.trusted_owners)),
    };
    let reading = reading(&daemon, &version);
    let mut jobs = jobs_dir::JobsDir::new(directory, trust, reading);
    let set = jobs.load().map_err(|fault| check::unreadable(&fault))?;
    let known: BTreeMap<String, Job> =
        list::all(session).await?.into_iter().map(|job| (job.name.clone(), job)).collect();
    let mut plan =
        Plan { removed: known.keys().filter(|name| !is_in(&set.jobs, name)).cloned().collect(), ..Plan::default() };
    for stray in &set.strays {
        let name = stray.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        plan.faulty.push(Faulty { job: name, path: stray.path.display().to_string(), summary: stray.summary.clone() });
    }
    let mut progress = session.terminal.progress("comparing");
    for (number, (name, entry)) in set.jobs.iter().enumerate() {
        progress.set(number);
        // One that never was good begins when it is.
        let in_force = known.get(name.as_str()).filter(|job| job.revision.is_some());
        match (entry, in_force) {
            (SpecEntry::Faulty(fault), _) => plan.faulty.push(Faulty {
                job: name.to_string(),
                path: fault.path.display().to_string(),
                summary: fault.summary.clone(),
            }),
            (SpecEntry::Good(loaded), None) => plan.added.push(added(name, loaded)),
            (SpecEntry::Good(loaded), Some(job)) => match changed(session, loaded, job).await? {
                Some(changed) => plan.changed.push(changed),
                None => plan.unchanged += 1,
            },
        }
    }
    drop(progress);
    if session.is_json() {
        session.json(&serde_json::to_vec(&plan).expect("plain data"))?;
    } else {
        show(session, &plan)?;
    }
    Ok(if plan.faulty.is_empty() { Exit::Done } else { Exit::Failure })
}

fn is_in<T>(jobs: &BTreeMap<JobName, T>, name: &str) -> bool {
    JobName::new(name).is_ok_and(|name| jobs.contains_key(&name))
}

/// What the daemon reads job files with, as far as it can be told from here: its configuration and what its supervisor found
/// out, when we may read them.
fn reading(daemon: &DaemonConfig, version: &Version) -> Reading {
    let around = Surroundings::of_process();
    let flags = Flags {
        config: daemon.config.clone().map(PathBuf::from),
        // Its configuration belongs to root or to it, not to us.
        trust_owners: vec![version.uid],
        ..Flags::default()
    };
    let bare = || Reading::of_text(around.timezone.unwrap_or_else(Zone::utc));
    let read = daemon.config.is_some().then(|| Config::load(&flags, &around));
    let reading = match read {
        Some(Ok(config)) => Reading { authority: Authority::Anybody, ..config.reading },
        Some(Err(_)) | None => bare(),
    };
    // Where its state is closed to us, the daemon alone can tell.
    let machine = machine::told(Path::new(&daemon.state_dir)).ok().flatten().unwrap_or_default();
    Reading { machine, ..reading }
}

fn added(name: &JobName, loaded: &LoadedSpec) -> Added {
    let definition = convert::definition(&loaded.spec, Some(&loaded.source));
    Added { job: name.to_string(), schedule: definition.schedule, description: loaded.spec.description.clone() }
}

async fn changed(session: &mut Session, loaded: &LoadedSpec, job: &Job) -> Result<Option<Changed>, Failure> {
    if job.revision.as_deref() == Some(loaded.spec.revision.as_str()) && job.fault.is_none() {
        return Ok(None);
    }
    let detail: JobDetail = session.client().await?.get(&job_path(&job.name)).await?;
    let after = convert::definition(&loaded.spec, Some(&loaded.source));
    let mut keys = Vec::new();
    let job_keys = |description: &Option<String>, enabled: bool, tags: &[String], owner: &Option<String>| {
        [
            ("description", serde_json::json!(description)),
            ("enabled", enabled.into()),
            ("tags", tags.into()),
            ("owner", serde_json::json!(owner)),
        ]
    };
    let spec = &loaded.spec;
    let tags: Vec<String> = spec.tags.iter().cloned().collect();
    let before_keys = job_keys(&job.description, job.enabled, &job.tags, &job.owner);
    let after_keys = job_keys(&spec.description, spec.enabled, &tags, &spec.owner);
    for ((key, from), (_, to)) in before_keys.into_iter().zip(after_keys) {
        compare(key, &from, &to, &mut keys);
    }
    let before = detail.definition.as_ref().map_or(Value::Null, values);
    compare("", &before, &values(&after), &mut keys);
    Ok(Some(Changed { job: job.name.clone(), keys }))
}

/// A definition without its revision, which always differs.
fn values(definition: &Definition) -> Value {
    let mut value = serde_json::to_value(definition).expect("the wire types are plain data");
    if let Some(fields) = value.as_object_mut() {
        fields.remove("revision");
    }
    value
}

/// Notes the keys in which two values differ, those of tables with a dot.
fn compare(key: &str, from: &Value, to: &Value, found: &mut Vec<Key>) {
    match (from, to) {
        (Value::Object(from), Value::Object(to)) => {
            for (name, value) in to {
                let inner = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                compare(&inner, from.get(name).unwrap_or(&Value::Null), value, found);
            }
        }
        // There was no definition: all of it is new, and nothing to be listed.
        (Value::Null, Value::Object(_)) => {}
        _ if from != to => found.push(Key { key: key.to_owned(), from: from.clone(), to: to.clone() }),
        _ => {}
    }
}

fn show(session: &mut Session, plan: &Plan) -> Result<(), Failure> {
    let colour = session.terminal.colour;
    let terminal = &mut session.terminal;
    for added in &plan.added {
        let when = if added.schedule.is_empty() { "by hand".to_owned() } else { added.schedule.join("; ") };
        terminal.line(format!("{} {}  {when}", Tone::Good.paint("+", colour), added.job))?;
    }
    for changed in &plan.changed {
        terminal.line(format!("{} {}", Tone::Active.paint("~", colour), changed.job))?;
        if changed.keys.is_empty() {
            terminal.line("    only in comments, layout or values of variables")?;
        }
        for key in &changed.keys {
            terminal.line(format!("    {}: {} → {}", key.key, written(&key.from), written(&key.to)))?;
        }
    }
    for removed in &plan.removed {
        terminal.line(format!("{} {removed}", Tone::Odd.paint("-", colour)))?;
    }
    for faulty in &plan.faulty {
        terminal.line(format!("{} {}  faulty: {}", Tone::Bad.paint("!", colour), faulty.job, faulty.summary))?;
    }
    terminal.flush()?;
    let changes = [("to add", plan.added.len()), ("to change", plan.changed.len()), ("to remove", plan.removed.len())];
    let told: Vec<String> = changes.iter().map(|(what, number)| format!("{number} {what}")).collect();
    terminal.say(format!(
        "{}, {}, {} unchanged",
        told.join(", "),
        counted(plan.faulty.len(), "faulty file"),
        plan.unchanged
    ));
    Ok(())
}

/// A value as people read it: texts without quotes, nothing as a dash.
fn written(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}
