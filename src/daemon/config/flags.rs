//! [`Flags`]: what the command line and the environment say.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::daemon::LogFormat;

/// Where things lie and who is believed. A flag wins over its environment variable, that over `jobsd.toml`, that over
/// the defaults.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Flags {
    /// Read this configuration file [default: /etc/jobsd/jobsd.toml as root, else ~/.config/jobsd/jobsd.toml, if there]
    #[arg(long, env = "JOBSD_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Read jobs from this directory [default: jobs.d beside the default configuration file]
    #[arg(long, env = "JOBSD_JOBS_DIR", value_name = "DIR")]
    pub jobs_dir: Option<PathBuf>,

    /// Read calendars from this directory [default: calendars.d beside the jobs directory]
    #[arg(long, env = "JOBSD_CALENDARS_DIR", value_name = "DIR")]
    pub calendars_dir: Option<PathBuf>,

    /// Keep history and output here [default: /var/lib/jobsd as root, else ~/.local/state/jobsd]
    #[arg(long, env = "JOBSD_STATE_DIR", value_name = "DIR")]
    pub state_dir: Option<PathBuf>,

    /// Listen for clients here [default: /run/jobsd/jobsd.sock as root, else $XDG_RUNTIME_DIR/jobsd/jobsd.sock]
    #[arg(long, env = "JOBSD_SOCKET", value_name = "SOCKET")]
    pub socket: Option<PathBuf>,

    /// Meet the supervisor here [default: supervisor.sock in the state directory; /run/jobsd/supervisor.sock for
    /// /var/lib/jobsd]
    #[arg(long, env = "JOBSD_SUPERVISOR_SOCKET", value_name = "SOCKET")]
    pub supervisor_socket: Option<PathBuf>,

    /// Believe job files and configuration of this user too; may be repeated
    #[arg(long = "trust-owner", env = "JOBSD_TRUST_OWNER", value_name = "UID", value_delimiter = ',')]
    pub trust_owners: Vec<u32>,

    /// How much to say on standard error [default: info]
    #[arg(long, env = "JOBSD_LOG", value_name = "LEVEL", value_enum)]
    pub log: Option<LogLevel>,

    /// How the log is written [default: journal when systemd has connected standard error with it, else text]
    #[arg(long, env = "JOBSD_LOG_FORMAT", value_name = "FORMAT", value_enum)]
    pub log_format: Option<LogFormat>,
}

/// How much the daemon says on standard error; each level includes those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// What failed.
    Error,
    /// What is wrong but works.
    Warn,
    /// What happens to the daemon as a whole: start, reload, shutdown.
    #[default]
    Info,
    /// What happens to each run.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// Each level with its word in `jobsd.toml`.
    pub const WORDS: [(&'static str, Self); 5] = [
        ("error", Self::Error),
        ("warn", Self::Warn),
        ("info", Self::Info),
        ("debug", Self::Debug),
        ("trace", Self::Trace),
    ];

    /// The level as `tracing` knows it.
    pub const fn filter(self) -> tracing::level_filters::LevelFilter {
        use tracing::level_filters::LevelFilter;
        match self {
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
            Self::Trace => LevelFilter::TRACE,
        }
    }
}
