//! A job's file over the API: what `create`, `edit` and `delete` have in common.

use super::moment::relative;
use super::session::Session;
use super::target::job_path;
use super::{Exit, Failure};
use crate::api::client::{ClientError, Precondition};
use crate::api::types::{ErrorCode, ErrorDetail, FileFaults, JobWritten};

/// A file as the daemon gave it.
pub(super) struct Seen {
    /// Its text.
    pub text: String,
    /// Under which it may be replaced.
    pub condition: Precondition,
}

/// What became of a text.
pub(super) enum Put {
    /// It is in force.
    Written {
        /// The answer, as the daemon wrote it.
        answer: bytes::Bytes,
        /// The same.
        written: Box<JobWritten>,
    },
    /// It has faults, and nothing was changed.
    Faulty(Box<FileFaults>),
    /// The file is not what the condition says, and nothing was changed.
    Changed(Failure),
}

/// The file of a job as it is now.
pub(super) async fn fetch(session: &mut Session, job: &str) -> Result<Seen, Failure> {
    let path = format!("{}/file", job_path(job));
    let (bytes, tag) = session.client().await?.get_tagged(&path).await?;
    let text = String::from_utf8(bytes.into()).map_err(|_| {
        Failure::new(Exit::Failure, format!("the file of {job} is not UTF-8 text")).hint("mend it by hand")
    })?;
    Ok(Seen { text, condition: Precondition::Match(tag) })
}

/// Asks for a text to be the file of a job.
pub(super) async fn put(
    session: &mut Session,
    job: &str,
    text: &str,
    condition: &Precondition,
) -> Result<Put, Failure> {
    let path = job_path(job);
    match session.client().await?.put(&path, "application/toml", text.to_owned().into(), condition).await {
        Ok(answer) => {
            let written = serde_json::from_slice(&answer).map_err(|fault| ClientError::NotUnderstood {
                request: format!("PUT {path}"),
                reason: fault.to_string(),
            })?;
            Ok(Put::Written { answer, written: Box::new(written) })
        }
        Err(ClientError::Refused { detail, status }) => {
            let code = ErrorCode::from_name(&detail.code);
            match detail.file {
                Some(faults) if code == Some(ErrorCode::FaultyFile) => Ok(Put::Faulty(faults)),
                file => {
                    let failure = ClientError::Refused { status, detail: ErrorDetail { file, ..detail } }.into();
                    if code == Some(ErrorCode::Changed) { Ok(Put::Changed(failure)) } else { Err(failure) }
                }
            }
        }
        Err(fault) => Err(fault.into()),
    }
}

/// Shows what is wrong with a text that was not taken.
pub(super) fn show_faults(session: &mut Session, faults: &FileFaults) {
    session.terminal.say(format!("{}\n", faults.report));
}

/// The error for a text that was not taken.
pub(super) fn not_taken(job: &str, faults: &FileFaults) -> Failure {
    let count = super::counted(faults.faults.len() + faults.untold, "fault");
    Failure::new(Exit::Failure, format!("the file of {job} has {count}, and nothing was changed"))
}

/// Shows what a file that was written means.
pub(super) fn show_written(session: &mut Session, answer: &[u8], written: &JobWritten) -> Result<Exit, Failure> {
    if session.is_json() {
        session.json(answer)?;
        return Ok(Exit::Done);
    }
    let job = &written.job;
    let is_new = written.reloaded.added.contains(job) || written.reloaded.changed.contains(job);
    let done = match (written.created, is_new) {
        (true, _) => "created",
        (false, true) => "changed",
        (false, false) => "written, and means what it meant",
    };
    session.terminal.line(format!("{job} {done}"))?;
    session.terminal.flush()?;
    if written.reloaded.faulty.contains(job) {
        // The configuration that it was checked with is not the one that it was read with.
        return Err(Failure::new(Exit::Failure, format!("{job} is faulty by the configuration as it is now"))
            .hint(format!("`jobctl show {job}` says what is wrong")));
    }
    if let Some(warning) = &written.warning {
        session.terminal.say(format!("{}\n", warning.report));
    }
    let now = session.terminal.now();
    session.terminal.say(match written.next {
        Some(next) => {
            format!("it runs next at {} ({})", session.terminal.zone.exact(next.0), relative(next.0, now))
        }
        None => format!("nothing starts it by itself; `jobctl run {job}` does"),
    });
    Ok(Exit::Done)
}
