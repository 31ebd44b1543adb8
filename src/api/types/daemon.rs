//! The daemon itself: version, configuration, reload, shutdown.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Time;

/// Answer of `GET /v1/version`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Version {
    /// The daemon's version.
    pub version: String,
    /// The version of this API.
    pub api: String,
    /// The release of the IANA time zone database that it carries, as in `2025b`.
    pub tz_database: String,
    /// The daemon's process.
    pub pid: u32,
    /// The user that it runs as.
    pub uid: u32,
    /// When it began.
    pub started_at: Time,
}

/// Answer of `GET /v1/config`: the paths and rights in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Config {
    /// The jobs directory.
    pub jobs_dir: String,
    /// The state directory.
    pub state_dir: String,
    /// The API's socket.
    pub socket: String,
    /// The configuration file, when one was read.
    pub config: Option<String>,
    /// Who may do what, beside root and the daemon's user.
    pub access: AccessRules,
    /// Uids whose job files are believed.
    pub trusted_owners: Vec<u32>,
}

/// Who may do what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccessRules {
    /// Those who may do everything.
    pub admin: Members,
    /// Those who may look, trigger, cancel, pause and resume.
    pub operator: Members,
    /// Those who may look.
    pub viewer: Members,
    /// `none`, `view` or `operate`: what anybody may do with the jobs that run as them.
    pub own_jobs: String,
}

/// Users and groups.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Members {
    /// Uids.
    pub users: Vec<u32>,
    /// Gids; their members are meant.
    pub groups: Vec<u32>,
}

/// Body of `POST /v1/reload`. The body may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReloadRequest {
    /// Take the directory over even when more than half of the jobs vanish.
    pub force: bool,
}

/// Answer of `POST /v1/reload`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reloaded {
    /// New jobs.
    pub added: Vec<String>,
    /// Jobs with a new revision.
    pub changed: Vec<String>,
    /// Jobs whose file is gone.
    pub removed: Vec<String>,
    /// Files that are faulty.
    pub faulty: Vec<String>,
    /// How many jobs are as they were.
    pub unchanged: usize,
}

/// Body of `POST /v1/shutdown`. The body may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ShutdownRequest {
    /// How.
    pub mode: ShutdownMode,
}

/// How the daemon goes down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShutdownMode {
    /// Now; live runs go on under the supervisor and are found again.
    #[default]
    LeaveRuns,
    /// Start nothing new, wait until every live run has ended.
    Drain,
    /// Stop every live run and wait until they have ended.
    StopRuns,
}

/// Answer of `POST /v1/shutdown`, sent before the daemon goes down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShuttingDown {
    /// How.
    pub mode: ShutdownMode,
    /// Runs that are live at this moment.
    pub live: Vec<String>,
}
