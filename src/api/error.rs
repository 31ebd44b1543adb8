//! [`ApiError`]: what a handler answers when it cannot do what was asked.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::convert;
use super::types::{ErrorBody, ErrorCode, ErrorDetail, FileFaults};
use crate::causes::chain;
use crate::daemon::RequestError;
use crate::daemon::jobs_dir::JobFileError;
use crate::scheduler::{HeldBack, Refusal, Snapshot};
use crate::spec::{Faults, JobName};
use crate::store::ReadError;

/// An error for the client: a stable code, what failed, what to do. What is nobody's business outside stays in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// The code; gives the HTTP status.
    pub code: ErrorCode,
    /// What failed.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// What is wrong with a file that the client sent.
    pub file: Option<Box<FileFaults>>,
}

impl ApiError {
    /// An error without a hint.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None, file: None }
    }

    /// The same, with a hint.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// A job that is not there. `asked` may be no job name at all.
    pub fn no_such_job(asked: &str, snapshot: &Snapshot) -> Self {
        let error = Self::new(ErrorCode::NoSuchJob, format!("there is no job named {asked:?}"));
        match (nearest(asked, snapshot), snapshot.held_back) {
            (_, Some(_)) => error.hint(
                "changes of the jobs directory are held back, new files too, since more than half of the jobs would vanish: \
                 `jobctl health` tells, `jobctl reload --force` takes them over",
            ),
            (Some(name), None) => error.hint(format!("did you mean {name}?")),
            (None, None) => error.hint("`jobctl list` shows all jobs"),
        }
    }

    /// A run that is not there.
    pub fn no_such_run(job: &JobName, number: u64) -> Self {
        Self::new(ErrorCode::NoSuchRun, format!("there is no run {job}/{number}"))
            .hint(format!("`jobctl history {job}` shows the runs that are kept"))
    }

    /// A load that was not taken over.
    pub fn held_back(held: HeldBack) -> Self {
        let message = format!("{} of {} jobs would vanish; the jobs stay as they were", held.vanishing, held.known);
        Self::new(ErrorCode::HeldBack, message)
            .hint("look whether the jobs directory is mounted and complete; `jobctl reload --force` takes it as it is")
    }

    /// A job file that is not written, since it is faulty.
    pub fn faulty_file(faults: &Faults) -> Self {
        let count = faults.iter().count() + faults.untold();
        let message = format!("the file has {count} fault{} and was not written", if count == 1 { "" } else { "s" });
        Self { file: Some(Box::new(convert::file_faults(faults))), ..Self::new(ErrorCode::FaultyFile, message) }
    }

    /// An error of ours: the cause goes to the log, the client learns where to look.
    pub fn internal(what: &'static str, cause: &dyn std::error::Error) -> Self {
        tracing::error!(cause = %chain(cause), "{what}");
        Self::new(ErrorCode::Internal, what).hint("the daemon's log says why")
    }

    /// As it goes over the wire.
    pub fn body(self) -> ErrorBody {
        let code = self.code.name().to_owned();
        ErrorBody { error: ErrorDetail { code, message: self.message, hint: self.hint, file: self.file } }
    }
}

/// Names this alike are worth a suggestion (Jaro-Winkler, 1 is equal).
const ALIKE: f64 = 0.8;

fn nearest<'a>(asked: &str, snapshot: &'a Snapshot) -> Option<&'a JobName> {
    let present = snapshot.jobs.values().filter(|job| job.state.removed_at.is_none());
    let scored = present.map(|job| (strsim::jaro_winkler(asked, job.name.as_str()), &job.name));
    let best = scored.filter(|(score, _)| *score >= ALIKE).max_by(|(left, _), (right, _)| left.total_cmp(right));
    best.map(|(_, name)| name)
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.code.status()).expect("codes carry valid statuses");
        (status, Json(self.body())).into_response()
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        match refusal {
            Refusal::NoSuchJob(_) => Self::new(ErrorCode::NoSuchJob, message).hint("`jobctl list` shows all jobs"),
            Refusal::NoSuchTag(_) => Self::new(ErrorCode::NoSuchTag, message).hint("`jobctl list` shows all tags"),
            Refusal::Faulty(job) => {
                Self::new(ErrorCode::Faulty, message).hint(format!("`jobctl show {job}` shows what is wrong with it"))
            }
            Refusal::Overlap { live, .. } => Self::new(ErrorCode::Overlap, message)
                .hint(format!("wait for its end, or cancel it with `jobctl cancel {live}`")),
            Refusal::QueueFull(job) => {
                Self::new(ErrorCode::QueueFull, message).hint(format!("`jobctl show {job}` shows the runs that wait"))
            }
            Refusal::NotLive(run) => {
                Self::new(ErrorCode::NotLive, message).hint(format!("`jobctl history {}` shows how it ended", run.job))
            }
            Refusal::NothingLive(_) => Self::new(ErrorCode::NotLive, message),
            Refusal::NoTarget { .. } => Self::new(ErrorCode::NoTarget, message)
                .hint("add one, as in [notify] with on_failure = [{ mail = \"ops@example.org\" }]"),
            Refusal::UntilPassed(_) => Self::new(ErrorCode::UntilPassed, message),
            Refusal::NameTaken(job) => Self::new(ErrorCode::NameTaken, message)
                .hint(format!("choose another name, or none; `jobctl show {job}` shows what has it")),
            Refusal::TooManyAdHoc | Refusal::TooManyOfYours => Self::new(ErrorCode::QueueFull, message)
                .hint("`jobctl list` shows them, `jobctl cancel` takes them back"),
            Refusal::Draining => {
                Self::new(ErrorCode::Draining, message).hint("try again when the daemon has been started again")
            }
            Refusal::StoreFailed => Self::new(ErrorCode::StoreFailed, message)
                .hint("nothing was changed; the daemon's log says why, often it is a full disk"),
        }
    }
}

impl From<RequestError> for ApiError {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Refused(refusal) => refusal.into(),
            RequestError::JobsDirectory { .. } => Self::new(ErrorCode::JobsDirectory, error.to_string())
                .hint("the jobs stay as they were; mend the directory and reload again"),
            RequestError::Busy => Self::new(ErrorCode::Busy, error.to_string()).hint("try again in a moment"),
            RequestError::Gone => Self::new(ErrorCode::GoingDown, error.to_string()),
        }
    }
}

impl From<JobFileError> for ApiError {
    fn from(error: JobFileError) -> Self {
        let message = error.to_string();
        match error {
            JobFileError::Absent(_) => Self::new(ErrorCode::NoJobFile, message).hint("`jobctl list` shows all jobs"),
            JobFileError::Present(_) => Self::new(ErrorCode::Changed, message)
                .hint("choose another name, or change that one with `jobctl edit`"),
            JobFileError::Changed(_) => {
                Self::new(ErrorCode::Changed, message).hint("read it again, and make the change in what it is now")
            }
            JobFileError::NotPlain(_) => {
                Self::new(ErrorCode::NotPlainFile, message).hint("change by hand what it leads to")
            }
            // Whoever may write job files may know what is wrong with their directory.
            JobFileError::Io { .. } => Self::new(ErrorCode::JobsDirectory, chain(&error)),
        }
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        Self::internal("the history cannot be read", &error)
    }
}
