//! [`start`]: what the engine says about itself, and in which form.
//!
//! Every line about a run has the fields `job` and `run`; what a request to the API leads to has the field `request`, which
//! the client finds in the header `X-Request-Id` of its answer.

use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, fmt};

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// The journal where standard error leads to it, as in a systemd unit; otherwise text.
    #[default]
    Auto,
    /// Lines for people on standard error, coloured on a terminal.
    Text,
    /// A JSON object a line on standard error.
    Json,
    /// To systemd's journal, each field as one of its own: JOBSD_RUN, JOBSD_JOB and so on.
    Journal,
}

impl LogFormat {
    /// Each form with its word in `jobsd.toml`.
    pub const WORDS: [(&'static str, Self); 4] =
        [("auto", Self::Auto), ("text", Self::Text), ("json", Self::Json), ("journal", Self::Journal)];
}

/// What fields are called in the journal: `run` is JOBSD_RUN.
const FIELD_PREFIX: &str = "JOBSD";

/// Begins to log. A journal that cannot be reached is said on standard error, where the log goes then.
pub fn start(level: LevelFilter, format: LogFormat) {
    // What libraries say below a warning is about themselves.
    let filter = Targets::new().with_default(level.min(LevelFilter::WARN)).with_target("jobsd", level);
    let stderr_is_journal = || leads_to_journal(io::stderr(), std::env::var("JOURNAL_STREAM").ok().as_deref());
    let (layer, fault) = match format {
        LogFormat::Json => (json(io::stderr), None),
        LogFormat::Text => (text(io::stderr, is_coloured()), None),
        LogFormat::Auto if !stderr_is_journal() => (text(io::stderr, is_coloured()), None),
        LogFormat::Auto | LogFormat::Journal => match journal() {
            Ok(layer) => (layer, None),
            Err(fault) => (text(io::stderr, is_coloured()), Some(fault)),
        },
    };
    tracing_subscriber::registry().with(filter).with(layer).init();
    if let Some(fault) = fault {
        tracing::warn!(%fault, "the journal cannot be reached; the log goes to standard error");
    }
}

fn is_coloured() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A layer of any form.
type AnyLayer<S> = Box<dyn Layer<S> + Send + Sync>;

fn text<S, W>(writer: W, coloured: bool) -> AnyLayer<S>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    fmt::layer().with_writer(writer).with_ansi(coloured).with_target(false).boxed()
}

fn json<S, W>(writer: W) -> AnyLayer<S>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = fmt::layer().json().flatten_event(true).with_current_span(true).with_span_list(false);
    lines.with_writer(writer).with_target(false).boxed()
}

fn journal<S: tracing::Subscriber + for<'a> LookupSpan<'a>>() -> io::Result<AnyLayer<S>> {
    let layer = tracing_journald::layer()?;
    let layer = layer.with_field_prefix(Some(FIELD_PREFIX.to_owned())).with_syslog_identifier("jobsd".to_owned());
    Ok(layer.boxed())
}

/// Whether a stream is the one that systemd made for the journal: JOURNAL_STREAM holds its device and inode
/// ([systemd.exec(5)]).
///
/// [systemd.exec(5)]: https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html#%24JOURNAL_STREAM
fn leads_to_journal(stream: impl AsFd, journal_stream: Option<&str>) -> bool {
    let Some((device, inode)) = journal_stream.and_then(|said| said.split_once(':')) else { return false };
    nix::sys::stat::fstat(stream)
        .is_ok_and(|stat| device.parse() == Ok(stat.st_dev) && inode.parse() == Ok(stat.st_ino))
}

/// Says a line on standard error before there is a log.
pub fn say(text: &str) {
    // Where standard error is closed there is nobody to tell.
    drop(io::stderr().write_all(text.as_bytes()));
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn json_has_the_fields_of_the_line_and_of_its_request() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::registry().with(json(move || writer.clone()));
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!("request", request = "k3-7", uid = 1000);
            span.in_scope(|| tracing::info!(job = "backup", run = "backup/42", "triggered"));
        });
        let bytes = lines.0.lock().unwrap().clone();
        let line: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!((&line["level"], &line["message"]), (&"INFO".into(), &"triggered".into()));
        assert_eq!((&line["job"], &line["run"]), (&"backup".into(), &"backup/42".into()));
        assert_eq!((&line["span"]["request"], &line["span"]["uid"]), (&"k3-7".into(), &1000.into()));
        assert!(line["timestamp"].as_str().is_some_and(|at| at.ends_with('Z')), "{line}");
        assert!(bytes.ends_with(b"}\n"));
    }

    #[test]
    fn only_the_stream_that_systemd_named_is_the_journal() {
        let file = tempfile::tempfile().unwrap();
        let stat = nix::sys::stat::fstat(&file).unwrap();
        let named = format!("{}:{}", stat.st_dev, stat.st_ino);
        assert!(leads_to_journal(&file, Some(&named)));
        for other in
            [None, Some(""), Some("8:"), Some("1:2"), Some(format!("{}:{}", stat.st_dev, stat.st_ino + 1).as_str())]
        {
            assert!(!leads_to_journal(&file, other), "{other:?}");
        }
    }
}
