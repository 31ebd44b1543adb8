//! The daemon's own log: how it is written, and where.
//!
//! Every line about a run has the fields `job` and `run`, every line about a request of the API the fields `request`, which is
//! also the answer's header `X-Request-Id`, and `uid`. In the journal they are `JOBSD_JOB`, `JOBSD_RUN` and so on, for
//! `journalctl JOBSD_JOB=backup`.

use std::io::IsTerminal as _;
use std::os::fd::AsFd as _;

use clap::ValueEnum;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::config::LogLevel;

/// What stands in front of a field's name in the journal.
const FIELD_PREFIX: &str = "JOBSD";

/// How the log is written. Without a word about it: `journal` when systemd has connected standard error with the journal,
/// `text` otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people, on standard error; coloured on a terminal alone.
    Text,
    /// A line of JSON for each event, on standard error.
    Json,
    /// To the journal, each field its own.
    Journal,
}

impl LogFormat {
    /// Each format with its word in `jobsd.toml`.
    pub const WORDS: [(&'static str, Self); 3] =
        [("text", Self::Text), ("json", Self::Json), ("journal", Self::Journal)];
}

type Boxed<S> = Box<dyn tracing_subscriber::Layer<S> + Send + Sync>;

/// Starts the log of this process.
pub(super) fn start(level: LogLevel, format: Option<LogFormat>) {
    // What libraries say below a warning is about themselves.
    let filter = Targets::new()
        .with_default(level.filter().min(tracing::level_filters::LevelFilter::WARN))
        .with_target("jobsd", level.filter());
    let format = format.unwrap_or(if stderr_is_the_journal() { LogFormat::Journal } else { LogFormat::Text });
    let (layer, fault) = match format {
        LogFormat::Text => (text(), None),
        LogFormat::Json => (json(), None),
        LogFormat::Journal => match journal() {
            Ok(layer) => (layer, None),
            Err(fault) => (text(), Some(fault)),
        },
    };
    tracing_subscriber::registry().with(filter).with(layer).init();
    if let Some(fault) = fault {
        tracing::warn!(%fault, "the journal cannot be reached; the log goes to standard error");
    }
}

fn text<S: tracing::Subscriber + for<'a> LookupSpan<'a>>() -> Boxed<S> {
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(colour).with_target(false).boxed()
}

fn json<S: tracing::Subscriber + for<'a> LookupSpan<'a>>() -> Boxed<S> {
    let layer = tracing_subscriber::fmt::layer().json().flatten_event(true).with_span_list(false);
    layer.with_writer(std::io::stderr).boxed()
}

fn journal<S: tracing::Subscriber + for<'a> LookupSpan<'a>>() -> std::io::Result<Boxed<S>> {
    let layer = tracing_journald::layer()?;
    Ok(layer.with_field_prefix(Some(FIELD_PREFIX.to_owned())).with_syslog_identifier("jobsd".to_owned()).boxed())
}

/// Whether systemd has connected standard error with the journal ([systemd.exec(5)], `$JOURNAL_STREAM`).
///
/// [systemd.exec(5)]: https://www.freedesktop.org/software/systemd/man/systemd.exec.html#%24JOURNAL_STREAM
fn stderr_is_the_journal() -> bool {
    let Ok(said) = std::env::var("JOURNAL_STREAM") else { return false };
    let stderr = std::io::stderr();
    nix::sys::stat::fstat(stderr.as_fd()).is_ok_and(|stat| said == format!("{}:{}", stat.st_dev, stat.st_ino))
}
