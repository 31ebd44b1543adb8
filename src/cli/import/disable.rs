//! Lines that became jobs are taken from cron.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::gather::{Gathered, OWN_CRONTAB};
use super::target::{Target, told};
use crate::cli::failure::plain;
use crate::cli::{Exit, Failure};
use crate::clock::Timestamp;
use crate::migrate::files;
use crate::migrate::{Finished, Table, comment_out};
use crate::spec::JobName;

/// A crontab whose lines were commented out.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(super) struct Disabled {
    pub place: String,
    pub lines: usize,
    /// Where it is kept as it was.
    pub copy: PathBuf,
}

/// Comments the lines out, one table after another; each is kept before it is changed.
pub(super) fn disable(
    finished: &Finished,
    gathered: &Gathered,
    target: &Target,
    now: Timestamp,
) -> Result<Vec<Disabled>, Failure> {
    let mut disabled = Vec::new();
    for table in &gathered.tables {
        let moved = moved(finished, &table.place);
        if moved.is_empty() {
            continue;
        }
        let copy = keep(table, &target.state_dir, now)?;
        let after = comment_out(&table.bytes, &moved);
        if table.place == OWN_CRONTAB {
            install(&after)?;
        } else {
            files::replace(&table.path, &table.bytes, &after).map_err(told)?;
        }
        disabled.push(Disabled { place: table.place.clone(), lines: moved.len(), copy });
    }
    Ok(disabled)
}

/// The lines of a table that became jobs. One of which a part became none (a script that cannot be run) stays.
fn moved(finished: &Finished, place: &str) -> BTreeMap<usize, Vec<JobName>> {
    let mut moved: BTreeMap<usize, Vec<JobName>> = BTreeMap::new();
    for job in finished.jobs.iter().filter(|job| job.origin.place == place) {
        if let Some(line) = job.origin.line {
            moved.entry(line).or_default().push(job.name.clone());
        }
    }
    for fault in finished.faults.iter().filter(|fault| fault.origin.place == place) {
        fault.origin.line.and_then(|line| moved.remove(&line));
    }
    moved
}

/// Puts a copy into `crontabs/` of the state directory: a copy beside the table could be one more table to cron.
fn keep(table: &Table, state_dir: &Path, now: Timestamp) -> Result<PathBuf, Failure> {
    let directory = state_dir.join("crontabs");
    // 700: a crontab may hold secrets.
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory).map_err(|fault| {
        Failure::new(Exit::Failure, format!("cannot create {}", directory.display())).causes([plain(&fault)])
    })?;
    let name = table.place.trim_start_matches('/').replace(['/', ' '], "_");
    let copy = directory.join(format!("{name}.{}", now.format("%Y%m%dT%H%M%S%.3fZ")));
    files::create(&copy, &table.bytes, 0o600, false).map_err(told)?;
    Ok(copy)
}

/// Gives the caller's crontab to `crontab -`, which checks it and tells cron.
fn install(table: &[u8]) -> Result<(), Failure> {
    let failed = |cause: String| Failure::new(Exit::Failure, "cannot install the crontab").causes([cause]);
    let mut child =
        Command::new("crontab").arg("-").stdin(Stdio::piped()).spawn().map_err(|fault| failed(plain(&fault)))?;
    let mut input = child.stdin.take().expect("it was asked for");
    let given = input.write_all(table);
    drop(input);
    let status = child.wait().map_err(|fault| failed(plain(&fault)))?;
    given.map_err(|fault| failed(plain(&fault)))?;
    if status.success() { Ok(()) } else { Err(failed(format!("crontab: {status}"))) }
}
