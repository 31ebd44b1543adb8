//! Errors on the wire.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::FileFaults;

/// Body of every answer with a status of 400 or more, but for the health reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorBody {
    /// What went wrong.
    pub error: ErrorDetail,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorDetail {
    /// A stable word for programs; one of [`ErrorCode`], or of a newer daemon.
    pub code: String,
    /// What failed, for people.
    pub message: String,
    /// What to do about it, when something can be done.
    pub hint: Option<String>,
    /// With `faulty_file`: what is wrong with the file.
    #[serde(default)]
    pub file: Option<Box<FileFaults>>,
}

/// Declares the codes with their word and HTTP status, so that the three cannot part.
macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $word:literal, $status:literal;)+) => {
        /// The stable codes of errors.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $($(#[$doc])* $variant,)+
        }

        impl ErrorCode {
            /// All codes.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word in JSON.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            /// The HTTP status that goes with it.
            pub const fn status(self) -> u16 {
                match self {
                    $(Self::$variant => $status,)+
                }
            }

            /// The code of a word; `None` for a newer daemon's.
            pub fn from_name(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|code| code.name() == word)
            }
        }
    };
}

codes! {
    /// A query, path or body that is not understood.
    BadRequest = "bad_request", 400;
    /// `until` is not in the future.
    UntilPassed = "until_passed", 400;
    /// The job has nobody to tell.
    NoTarget = "no_target", 409;
    /// The caller lacks the right.
    Forbidden = "forbidden", 403;
    /// The caller is a process of a run that may not use jobsd, whoever its user is.
    IsolatedRun = "isolated_run", 403;
    /// The API has no such path.
    NoSuchPath = "no_such_path", 404;
    /// There is no such job.
    NoSuchJob = "no_such_job", 404;
    /// The job has no such run, or retention let it go.
    NoSuchRun = "no_such_run", 404;
    /// The run has no such attempt.
    NoSuchAttempt = "no_such_attempt", 404;
    /// No job carries the tag.
    NoSuchTag = "no_such_tag", 404;
    /// The run's output is gone, or it never had any.
    NoOutput = "no_output", 404;
    /// The path has no such method.
    MethodNotAllowed = "method_not_allowed", 405;
    /// The job has no file: it is an ad-hoc job, or removed.
    NoJobFile = "no_job_file", 404;
    /// The body did not come in time.
    BodyTimeout = "body_timeout", 408;
    /// The run, or every run of the job, is over already.
    NotLive = "not_live", 409;
    /// The job's file never was good.
    Faulty = "faulty", 409;
    /// A run of the job is live, and its overlap policy lets no other start.
    Overlap = "overlap", 409;
    /// The name of an ad-hoc job is in use.
    NameTaken = "name_taken", 409;
    /// The job's queue is full.
    QueueFull = "queue_full", 409;
    /// More than half of the jobs would vanish.
    HeldBack = "held_back", 409;
    /// What should be a job file is a symlink or the like, and is left alone.
    NotPlainFile = "not_plain_file", 409;
    /// The file is not what the request says that it is.
    Changed = "changed", 412;
    /// The body is larger than the API takes.
    BodyTooLarge = "body_too_large", 413;
    /// The file would be faulty, and was not written.
    FaultyFile = "faulty_file", 422;
    /// The request must say which state of the file it replaces.
    NoCondition = "no_condition", 428;
    /// The daemon met an error that its log tells more about.
    Internal = "internal", 500;
    /// The jobs directory cannot be read.
    JobsDirectory = "jobs_directory", 500;
    /// The export or backup could not be written.
    ExportFailed = "export_failed", 500;
    /// The change could not be made durable.
    StoreFailed = "store_failed", 500;
    /// More requests wait than the daemon takes.
    Busy = "busy", 503;
    /// More clients are connected than the daemon takes.
    TooManyConnections = "too_many_connections", 503;
    /// The daemon starts no runs any more.
    Draining = "draining", 503;
    /// The daemon is going down.
    GoingDown = "going_down", 503;
}
